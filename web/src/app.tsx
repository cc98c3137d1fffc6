// The shell: who is signed in decides what is shown, the address decides which page.
import { useEffect, useState } from "preact/hooks";
import { signOut } from "./api/client";
import type { Account } from "./api/types";
import { startKeys } from "./state/keys";
import { open, useRoute } from "./state/location";
import { useSession } from "./state/session";
import { HelpDialog, showHelp, whenHelp } from "./ui/help";
import { Failed } from "./ui/state";
import { Bar } from "./ui/bar";
import { Home } from "./views/home";
import { Keys } from "./views/keys";
import { SignIn } from "./views/sign_in";
import { ServiceView } from "./views/service";
import { Start } from "./views/start";

export interface PageProps {
	account: Account;
	leave: () => void;
}

export function App() {
	const { session, reload } = useSession();
	const [help, setHelp] = useState(false);

	useEffect(() => {
		whenHelp(() => setHelp(true));
		return startKeys({ "?": showHelp, "g h": () => open({ page: "home" }) });
	}, []);

	if (session.state === "loading")
		return <Bar />;
	if (session.state === "failed")
		return (
			<>
				<Bar />
				<main class="page"><Failed what="The page could not start." error={session.error} retry={reload} /></main>
			</>
		);
	if (session.state === "out")
		return <SignIn status={session.status} done={reload} />;
	const leave = () => {
		/* a fresh document: nothing of the account stays in memory */
		signOut().catch(() => undefined).then(() => location.assign("/"));
	};
	return (
		<>
			<Pages account={session.account} leave={leave} />
			{help && <HelpDialog close={() => setHelp(false)} />}
		</>
	);
}

function Pages(props: PageProps) {
	const r = useRoute();
	switch (r.page) {
	case "service":
		return <ServiceView key={r.service} {...props} />; /* nothing of one service shows under the name of another */
	case "keys":
		return <Keys {...props} />;
	case "start":
		return <Start {...props} />;
	case "home":
		return <Home {...props} />;
	}
}
