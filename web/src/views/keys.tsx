// API keys: list, make, revoke. A key is shown once, when it is made.
import { useState } from "preact/hooks";
import * as api from "../api/client";
import type { ApiKey, NewApiKey, Scope } from "../api/types";
import type { PageProps } from "../app";
import { ago } from "../format/number";
import { useQuery } from "../state/query";
import { moment } from "../state/time";
import { Bar } from "../ui/bar";
import { Copy } from "../ui/copy";
import { Icon } from "../ui/icons";
import { Empty, Failed } from "../ui/state";

const SCOPES: readonly [Scope, string][] = [
	["ingest", "send profiles and metrics"], ["read", "read everything"], ["admin", "do everything"],
];

export function NewKey({ made }: { made: NewApiKey }) {
	return (
		<div class="secret" role="status">
			<p><strong>Copy the key now.</strong> It is stored as a hash and cannot be shown again.</p>
			<div class="secret-line">
				<code class="secret-text">{made.key}</code>
				<Copy text={made.key} label="Copy key" />
			</div>
		</div>
	);
}

function KeyForm({ done }: { done: (k: NewApiKey) => void }) {
	const [name, setName] = useState("");
	const [scope, setScope] = useState<Scope>("ingest");
	const [problem, setProblem] = useState("");
	const [busy, setBusy] = useState(false);
	const send = async (e: Event) => {
		e.preventDefault();
		if (name.trim() === "")
			return setProblem("Give the key a name, so that you know later what uses it.");
		setBusy(true);
		try {
			done(await api.createKey(name.trim(), scope));
			setName("");
			setProblem("");
		} catch (err) {
			setProblem((err as Error).message);
		} finally {
			setBusy(false);
		}
	};
	return (
		<form class="row-form" onSubmit={send} noValidate>
			<div>
				<label for="key-name">Name</label>
				<input id="key-name" value={name} placeholder="web hosts" maxLength={100}
					aria-describedby={problem ? "key-problem" : undefined}
					onInput={(e) => setName(e.currentTarget.value)} />
			</div>
			<div>
				<label for="key-scope">May</label>
				<select id="key-scope" value={scope} onChange={(e) => setScope(e.currentTarget.value as Scope)}>
					{SCOPES.map(([s, what]) => <option key={s} value={s}>{s}: {what}</option>)}
				</select>
			</div>
			<button type="submit" class="button primary" disabled={busy}><Icon name="plus" />Make key</button>
			{problem && <p class="problem" id="key-problem" role="alert">{problem}</p>}
		</form>
	);
}

function When({ at, now }: { at: number | null; now: number }) {
	if (at === null)
		return <span class="dim">never</span>;
	const m = moment(at);
	return <time dateTime={new Date(at * 1000).toISOString()} title={`${m.local} local, ${m.utc}`}>{ago(at, now)}</time>;
}

function Revoke({ k, done }: { k: ApiKey; done: () => void }) {
	const [sure, setSure] = useState(false);
	const [problem, setProblem] = useState("");
	if (!sure)
		return <button type="button" class="button quiet" onClick={() => setSure(true)} aria-label={`Revoke ${k.name}`}>Revoke</button>;
	const run = () => api.revokeKey(k.id).then(done, (e: Error) => setProblem(e.message));
	return (
		<span class="sure">
			{problem && <span class="problem" role="alert">{problem}</span>}
			<button type="button" class="button bad" onClick={run} ref={(b) => b?.focus()}>Revoke for good</button>
			<button type="button" class="button quiet" onClick={() => setSure(false)}>Keep</button>
		</span>
	);
}

export function Keys(props: PageProps) {
	const q = useQuery("keys", (signal) => api.keys(signal));
	const [made, setMade] = useState<NewApiKey | null>(null);
	const now = Date.now() / 1000;
	const list = q.data ?? [];
	return (
		<>
			<Bar {...props}><h1 class="bar-title">API keys</h1></Bar>
			<main class="page page-narrow">
				<p class="dim lead">A host sends its profiles with a key of scope <b>ingest</b>. Programs that read the API use <b>read</b>. A revoked key stops working at once.</p>
				<KeyForm done={(k) => {
					setMade(k);
					q.reload();
				}} />
				{made && <NewKey made={made} />}
				{q.error && <Failed what="The keys could not be loaded." error={q.error} retry={q.reload} />}
				{q.data && list.length === 0 && <Empty title="No keys yet"><p>Make the first one above, then give it to a host.</p></Empty>}
				{list.length > 0 && (
					<div class="scroll-x" tabIndex={0} role="region" aria-label="API keys">
						<table class="list">
							<thead><tr><th scope="col">Name</th><th scope="col">Scope</th><th scope="col" class="rare">Begins with</th>
								<th scope="col" class="rare">Made</th><th scope="col">Last used</th><th scope="col"><span class="hear">Actions</span></th></tr></thead>
							<tbody>
								{list.map((k) => (
									<tr key={k.id}>
										<th scope="row">{k.name}</th><td>{k.scope}</td><td class="rare"><code>{k.prefix}…</code></td>
										<td class="rare"><When at={k.created} now={now} /></td><td><When at={k.last_used} now={now} /></td>
										<td class="num"><Revoke k={k} done={() => {
											if (made?.id === k.id)
												setMade(null);
											q.reload();
										}} /></td>
									</tr>
								))}
							</tbody>
						</table>
					</div>
				)}
			</main>
		</>
	);
}
