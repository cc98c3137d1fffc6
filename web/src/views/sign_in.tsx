// Sign in, or create an account where the server lets one.
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api/client";
import type { Status } from "../api/types";
import { token as linkToken } from "../state/session";
import { Bar } from "../ui/bar";

const SHORTEST = 10;

interface Problem {
	field: "email" | "password" | "token" | "";
	text: string;
}

function check(email: string, password: string, token: string, create: boolean, needToken: boolean): Problem | null {
	if (!/^\S+@\S+$/.test(email))
		return { field: "email", text: "Write an e-mail address, like you@example.org." };
	if (create && new TextEncoder().encode(password).length < SHORTEST)
		return { field: "password", text: `Use at least ${SHORTEST} characters.` };
	if (password === "")
		return { field: "password", text: "Write your password." };
	if (create && needToken && token === "")
		return { field: "token", text: "Open the link that the server printed, or paste its token here." };
	return null;
}

function readable(e: Error, create: boolean): Problem {
	if (e instanceof api.ApiError && e.status === 401)
		return { field: "password", text: "This e-mail and password do not belong together." };
	if (e instanceof api.ApiError && e.status === 403 && create)
		return { field: "", text: `${e.message} Open the one-time link again, or ask the owner of this server.` };
	return { field: "", text: e.message };
}

export function SignIn({ status, done }: { status: Status; done: () => void }) {
	const first = status.signup === "first";
	const [create, setCreate] = useState(first || (status.signup === "open" && linkToken !== ""));
	const [email, setEmail] = useState("");
	const [password, setPassword] = useState("");
	const [token, setToken] = useState(linkToken);
	const [problem, setProblem] = useState<Problem | null>(null);
	const [busy, setBusy] = useState(false);
	const start = useRef<HTMLInputElement>(null);
	const needToken = status.token_required && create;

	useEffect(() => start.current?.focus(), [create]);

	const send = async (e: Event) => {
		e.preventDefault();
		const wrong = check(email, password, token, create, needToken);
		setProblem(wrong);
		if (wrong) {
			document.getElementById(wrong.field)?.focus();
			return;
		}
		setBusy(true);
		try {
			await (create ? api.createAccount(email, password, token.trim()) : api.signIn(email, password));
			done();
		} catch (err) {
			setProblem(readable(err as Error, create));
		} finally {
			setBusy(false);
		}
	};
	const wrong = (field: string) => problem?.field === field
		? { "aria-invalid": true as const, "aria-describedby": "problem" } : {};

	return (
		<>
			<Bar />
			<main class="door">
				<form class="card door-card" onSubmit={send} noValidate aria-labelledby="door-title">
					<h1 id="door-title">{create ? "Create your account" : "Sign in"}</h1>
					<p class="dim">
						{first ? "You are the first one here: this account will own the server."
							: create ? "Your account will see every service of this server."
							: "See where the time and the memory of your services go."}
					</p>
					<label for="email">E-mail</label>
					<input id="email" type="email" autoComplete="username" ref={start} value={email} {...wrong("email")}
						onInput={(e) => setEmail(e.currentTarget.value)} />
					<label for="password">Password</label>
					<input id="password" type="password" value={password} {...wrong("password")}
						autoComplete={create ? "new-password" : "current-password"}
						onInput={(e) => setPassword(e.currentTarget.value)} />
					{create && <p class="hint">At least {SHORTEST} characters. A sentence is easier to keep than a puzzle.</p>}
					{needToken && linkToken === "" && (
						<>
							<label for="token">Token of the one-time link</label>
							<input id="token" type="text" class="code" autoComplete="off" spellcheck={false} value={token} {...wrong("token")}
								onInput={(e) => setToken(e.currentTarget.value)} />
							<p class="hint">The server printed a link when it started for the first time. Open it, or paste what follows <code>token=</code>.</p>
						</>
					)}
					{problem && <p class="problem" id="problem" role="alert">{problem.text}</p>}
					<button type="submit" class="button primary wide" disabled={busy}>
						{create ? "Create account" : "Sign in"}
					</button>
					{status.signup === "open" && (
						<button type="button" class="link" onClick={() => {
							setCreate(!create);
							setProblem(null);
						}}>{create ? "I have an account: sign in" : "I have no account yet: create one"}</button>
					)}
					{status.signup === "closed" && (
						<p class="hint">New accounts are closed on this server. Its owner can open them.</p>
					)}
				</form>
			</main>
		</>
	);
}
