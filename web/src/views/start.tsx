// The first steps: a key, a name, a command, and a line that waits for the first sample and then
// opens the flame graph by itself.
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api/client";
import type { Service } from "../api/types";
import type { PageProps } from "../app";
import { sig3 } from "../format/number";
import { go, open, useRoute } from "../state/location";
import { useQuery } from "../state/query";
import { Bar } from "../ui/bar";
import { Copy } from "../ui/copy";
import { Icon } from "../ui/icons";
import { Failed } from "../ui/state";

const POLL_MS = 250;
const READ_MS = 500; /* long enough to see who came */
const NAME = /^[A-Za-z0-9._-]{1,64}$/;

/* The key outlives a change of page inside the tab and nothing else. */
let keptSecret = "";

/* The line that installs a host. The key goes through the environment, not through arguments. */
export function installLine(origin: string, key: string, service: string): string {
	return `curl -fsSL ${origin}/install.sh | sudo GLIM_KEY=${key} sh -s -- --service ${service}`;
}

function Step({ n, title, done, now, children }:
		{ n: number; title: string; done: boolean; now: boolean; children: preact.ComponentChildren }) {
	return (
		<li class={`step ${done ? "step-done" : now ? "step-now" : ""}`}>
			<span class="step-mark" aria-hidden="true">{done ? <Icon name="check" /> : n}</span>
			<div class="step-body"><h2>{title}</h2>{children}</div>
		</li>
	);
}

function KeyStep({ secret, made }: { secret: string; made: (key: string) => void }) {
	const [problem, setProblem] = useState("");
	const [busy, setBusy] = useState(false);
	const make = async () => {
		setBusy(true);
		try {
			made((await api.createKey("first host", "ingest")).key);
			setProblem("");
		} catch (e) {
			setProblem((e as Error).message);
		} finally {
			setBusy(false);
		}
	};
	return (
		<Step n={1} title="Make a key" done={secret !== ""} now={true}>
			{secret === "" ? (
				<>
					<p class="dim">The agent shows it when it sends. It may send profiles and nothing else.</p>
					<button type="button" class="button primary" onClick={make} disabled={busy}>Make a key</button>
				</>
			) : (
				<div class="secret-line">
					<code class="secret-text">{secret}</code>
					<Copy text={secret} label="Copy key" cls="button quiet" />
				</div>
			)}
			{secret !== "" && <p class="hint">Shown once. It is already part of the command below.</p>}
			{problem && <p class="problem" role="alert">{problem}</p>}
		</Step>
	);
}

function NameStep({ service, now, named }: { service: string; now: boolean; named: (name: string) => void }) {
	const [name, setName] = useState("");
	const [problem, setProblem] = useState("");
	const [busy, setBusy] = useState(false);
	const send = async (e: Event) => {
		e.preventDefault();
		if (!NAME.test(name))
			return setProblem("1 to 64 letters, digits, dots, dashes or underscores.");
		setBusy(true);
		try {
			await api.createService(name);
			named(name);
		} catch (err) {
			const e = err as api.ApiError;
			if (e.code === "conflict")
				named(name); /* it exists: another host joins it */
			else
				setProblem(e.message);
		} finally {
			setBusy(false);
		}
	};
	return (
		<Step n={2} title="Name the service" done={service !== ""} now={now}>
			{service === "" ? (
				<form class="row-form" onSubmit={send} noValidate>
					<div>
						<label class="hear" for="service-name">Name of the service</label>
						<input id="service-name" value={name} placeholder="shop-api" autoComplete="off" spellcheck={false}
							maxLength={64} aria-describedby="name-hint" onInput={(e) => setName(e.currentTarget.value)} />
					</div>
					<button type="submit" class={`button ${now ? "primary" : ""}`} disabled={busy}>Use this name</button>
					<p class={problem ? "problem" : "hint"} id="name-hint" role={problem ? "alert" : undefined}>
						{problem || "What runs on the host: its profiles are kept under this name."}
					</p>
				</form>
			) : <p><code class="named">{service}</code></p>}
		</Step>
	);
}

/* The line that waits. `since` is when the reader took the command. */
function Waiting({ service, since }: { service: string; since: number }) {
	const q = useQuery(`start ${service}`, (signal) => api.services(signal), POLL_MS);
	const mine: Service | undefined = q.data?.find((s) => s.name === service);
	const arrived = mine?.first_seen != null;
	const took = useRef("");
	if (arrived && took.current === "" && since > 0)
		took.current = `, ${sig3((Date.now() - since) / 1000)} s`;

	useEffect(() => {
		if (!arrived)
			return;
		const timer = setTimeout(() => open({ page: "service", service, from: "now-15m", live: true }), READ_MS);
		return () => clearTimeout(timer);
	}, [arrived, service]);

	return (
		<>
			<p class={`waiting ${arrived ? "waiting-done" : ""}`} role="status">
				<span class="pulse" aria-hidden="true" />
				{arrived ? `first sample from ${mine?.first_host ?? service}${took.current}`
					: `waiting for the first sample from ${service} …`}
			</p>
			{q.error && <Failed what="The page cannot ask the server." error={q.error} retry={q.reload} />}
		</>
	);
}

export function Steps({ service }: { service: string }) {
	const [secret, setSecret] = useState(keptSecret);
	const [since, setSince] = useState(0);
	const ready = secret !== "" && service !== "";
	const line = installLine(location.origin, secret, service);
	return (
		<>
			<ol class="steps">
				<KeyStep secret={secret} made={(key) => {
					keptSecret = key;
					setSecret(key);
				}} />
				<NameStep service={service} now={secret !== ""} named={(name) => go({ page: "start", service: name })} />
				<Step n={3} title="Run this on the host" done={false} now={ready}>
					{ready ? (
						<div class="command">
							<code class="command-text" id="install-line">{line}</code>
							<Copy text={line} label="Copy" onCopied={() => setSince(Date.now())} />
						</div>
					) : <p class="dim">The command stands here when there is a key and a name. It needs no change to any program on the host.</p>}
					{ready && <p class="hint">It installs one file and watches every process of the host from the kernel. <code>sh -s -- --uninstall</code> takes it away again.</p>}
				</Step>
			</ol>
			{service !== "" && <Waiting service={service} since={since} />}
		</>
	);
}

export function Start(props: PageProps) {
	const r = useRoute();
	return (
		<>
			<Bar {...props}><h1 class="bar-title">Add a host</h1></Bar>
			<main class="page page-narrow"><Steps service={r.service} /></main>
		</>
	);
}
