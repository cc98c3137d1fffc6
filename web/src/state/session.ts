// Who is signed in, and the secret of the one-time link.
import { useEffect, useState } from "preact/hooks";
import * as api from "../api/client";
import type { Account, Status } from "../api/types";

export type Session =
	| { state: "loading" }
	| { state: "failed"; error: Error }
	| { state: "out"; status: Status; account: null }
	| { state: "in"; status: Status; account: Account };

/* Take the secret out of the address, so that it stays in no history and no link. */
function takeToken(): string {
	const query = new URLSearchParams(location.search);
	const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? query.get("token") ?? "";
	if (token !== "") {
		query.delete("token");
		const rest = query.toString();
		history.replaceState(null, "", location.pathname + (rest === "" ? "" : `?${rest}`));
	}
	return token;
}

export const token = takeToken();

async function load(): Promise<Session> {
	try {
		const status = await api.status();
		try {
			return { state: "in", status, account: await api.me() };
		} catch (e) {
			if (e instanceof api.ApiError && e.status === 401)
				return { state: "out", status, account: null };
			throw e;
		}
	} catch (e) {
		return { state: "failed", error: e as Error };
	}
}

export function useSession(): { session: Session; reload: () => void } {
	const [session, set] = useState<Session>({ state: "loading" });
	const reload = () => {
		load().then(set);
	};
	useEffect(() => {
		reload();
		api.whenSignedOut(reload);
	}, []);
	return { session, reload };
}
