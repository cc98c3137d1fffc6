// All services, one row each; without any, the first steps.
import * as api from "../api/client";
import type { Service } from "../api/types";
import type { PageProps } from "../app";
import { Sparkline } from "../charts/sparkline";
import { ago, bytes, sig3 } from "../format/number";
import { follow, go, href, open, useRoute } from "../state/location";
import type { Route } from "../state/route";
import { useQuery } from "../state/query";
import { moment } from "../state/time";
import { Bar } from "../ui/bar";
import { Icon } from "../ui/icons";
import { Failed } from "../ui/state";
import { Steps } from "./start";

const POLL_MS = 10_000;

interface Column {
	id: string;
	title: string;
	num: boolean;
	key: (s: Service) => number | string;
}

const COLUMNS: readonly Column[] = [
	{ id: "name", title: "Service", num: false, key: (s) => s.name.toLowerCase() },
	{ id: "cores", title: "CPU, cores", num: true, key: (s) => s.cores ?? 0 },
	{ id: "memory", title: "Memory", num: true, key: (s) => s.memory ?? 0 },
	{ id: "hosts", title: "Hosts", num: true, key: (s) => s.hosts ?? 0 },
	{ id: "processes", title: "Processes", num: true, key: (s) => s.processes ?? 0 },
	{ id: "top", title: "Top function", num: false, key: (s) => s.top ?? "" },
	{ id: "seen", title: "Last seen", num: true, key: (s) => s.last_seen ?? 0 },
];

function sorted(list: readonly Service[], sort: string): Service[] {
	const down = sort.startsWith("-");
	const column = COLUMNS.find((c) => c.id === sort.replace("-", "")) ?? COLUMNS[1] as Column;
	return [...list].sort((a, b) => {
		const x = column.key(a), y = column.key(b);
		const order = x < y ? -1 : x > y ? 1 : a.name < b.name ? -1 : 1;
		return down ? -order : order;
	});
}

function Head({ column, sort }: { column: Column; sort: string }) {
	const active = sort.replace("-", "") === column.id;
	const down = sort.startsWith("-");
	const next = active ? (down ? column.id : `-${column.id}`) : column.num ? `-${column.id}` : column.id;
	return (
		<th scope="col" class={column.num ? "num" : ""}
			aria-sort={active ? (down ? "descending" : "ascending") : "none"}>
			<button type="button" class="sort" onClick={() => go({ sort: next })}>
				{column.title}<span class={`sort-mark ${active ? "" : "off"}`} aria-hidden="true">{down || !active ? "↓" : "↑"}</span>
			</button>
		</th>
	);
}

function Seen({ at, now }: { at: number | null; now: number }) {
	if (at === null)
		return <span class="dim">waiting</span>;
	const m = moment(at);
	return <time dateTime={new Date(at * 1000).toISOString()} title={`${m.local} local, ${m.utc}`}>{ago(at, now)}</time>;
}

function Row({ s, now }: { s: Service; now: number }) {
	const to: Partial<Route> = s.first_seen === null
		? { page: "start", service: s.name } : { page: "service", service: s.name };
	const none = <span class="dim">–</span>;
	return (
		<tr class="open-row" onClick={(e) => {
			if (!(e.target as HTMLElement).closest("a"))
				open(to);
		}}>
			<th scope="row"><a href={href(to)} onClick={follow(to)}>{s.name}</a></th>
			<td class="num spark-cell"><Sparkline values={s.spark ?? []} /><span>{s.cores ? sig3(s.cores) : none}</span></td>
			<td class="num">{s.memory ? bytes(s.memory) : none}</td>
			<td class="num">{s.hosts || none}</td>
			<td class="num">{s.processes || none}</td>
			<td class="clip"><code>{s.top || none}</code></td>
			<td class="num"><Seen at={s.last_seen} now={now} /></td>
		</tr>
	);
}

export function Home(props: PageProps) {
	const r = useRoute();
	const q = useQuery("services", (signal) => api.services(signal), POLL_MS);
	const now = Date.now() / 1000;
	const sort = r.sort || "-cores";
	const empty = q.data !== undefined && q.data.length === 0;
	return (
		<>
			<Bar {...props}><h1 class="bar-title">{empty ? "Welcome" : "Services"}</h1>
				{!empty && (
					<a class="button bar-right" href={href({ page: "start" })} onClick={follow({ page: "start" })}>
						<Icon name="plus" />Add a host
					</a>
				)}
			</Bar>
			<main class={`page ${empty ? "page-narrow" : ""}`}>
				{q.error && <Failed what="The services could not be loaded." error={q.error} retry={q.reload}
					{...(q.data ? { kept: "What you see is from before." } : {})} />}
				{empty && (
					<>
						<p class="lead">No host has sent anything yet. Three steps, and its processes are in a flame graph.</p>
						<Steps service="" />
					</>
				)}
				{!q.data && !q.error && q.loading && <div class="skeleton" role="status" aria-label="Loading the services">
					{[0, 1, 2].map((i) => <div key={i} class="bone span-12" />)}</div>}
				{q.data && !empty && (
					<div class="scroll-x" tabIndex={0} role="region" aria-label="Services">
						<table class="list services">
							<thead><tr>{COLUMNS.map((c) => <Head key={c.id} column={c} sort={sort} />)}</tr></thead>
							<tbody>{sorted(q.data, sort).map((s) => <Row key={s.name} s={s} now={now} />)}</tbody>
						</table>
						<p class="hint">Figures of the last five minutes; the line is CPU over the last hour.</p>
					</div>
				)}
			</main>
		</>
	);
}
