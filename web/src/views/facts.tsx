// The small facts of what is shown. Each explains itself when clicked.
import type { ComponentChildren } from "preact";
import * as api from "../api/client";
import type { Selection } from "../api/client";
import type { SeriesData } from "../api/types";
import type { Profile } from "../flame/profile";
import { coresOf } from "../flame/profile";
import { bytes, cores, count, percent } from "../format/number";
import { useQuery } from "../state/query";
import { Popover } from "../ui/popover";

function sumOf(values: readonly (number | null)[]): number {
	return values.reduce<number>((n, v) => n + (v ?? 0), 0);
}

function byLabel(d: SeriesData | undefined, label: string): [string, number][] {
	return (d?.series ?? []).map((s): [string, number] => [s.labels[label] ?? "", sumOf(s.values)])
		.filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
}

function Fact({ name, value, bad = false, children }:
		{ name: string; value: string; bad?: boolean; children: ComponentChildren }) {
	return (
		<Popover title={`${name}: ${value}. What this means`} cls={`fact ${bad ? "fact-bad" : ""}`} panelCls="explain"
			label={<><span class="fact-name">{name}</span> <span class="fact-value">{value}</span></>}>
			{() => <><h2>{name}</h2>{children}</>}
		</Popover>
	);
}

function Outcomes({ rows, sum }: { rows: [string, number][]; sum?: number }) {
	return (
		<dl class="outcomes">
			{rows.map(([name, n]) => (
				<div key={name}><dt>{name || "unknown"}</dt><dd>{count(n)}</dd>{sum != null && <dd>{percent(sum > 0 ? n / sum : 0)}</dd>}</div>
			))}
		</dl>
	);
}

export interface FactsProps {
	profile: Profile | undefined;
	memory: SeriesData | undefined;
	selection: Selection;
	series: Selection; /* what the series are asked about */
	type: string;
	every: number;
}

function lastOf(d: SeriesData | undefined): number | null {
	const values = d?.series[0]?.values ?? [];
	for (let i = values.length - 1; i >= 0; i--)
		if (values[i] != null)
			return values[i] as number;
	return null;
}

function shown(n: { values: unknown[]; truncated: boolean } | undefined): string {
	return n ? `${n.values.length}${n.truncated ? " or more" : ""}` : "–";
}

export function Facts({ profile, memory, selection, series, type, every }: FactsProps) {
	const key = JSON.stringify(selection);
	const pids = useQuery(`pids ${key}`, (s) => api.labelValues(selection, type, "pid", s), every);
	const hosts = useQuery(`hosts ${key}`, (s) => api.labelValues(selection, type, "host", s), every);
	const taken = useQuery(`taken ${key}`, (s) => api.series(series, "samples", "outcome", s), every);
	const remarked = useQuery(`remarks ${key}`, (s) => api.series(series, "remarks", "remark", s), every);
	const lost = useQuery(`lost ${key}`, (s) => api.series(series, "lost", "reason", s), every);
	const outcomes = byLabel(taken.data, "outcome"), reasons = byLabel(lost.data, "reason");
	const remarks = byLabel(remarked.data, "remark");
	const takenSum = outcomes.reduce((n, [, v]) => n + v, 0);
	const lostSum = reasons.reduce((n, [, v]) => n + v, 0);
	const lostShare = lostSum > 0 ? lostSum / (lostSum + takenSum) : 0;
	const mem = lastOf(memory);
	const busy = profile ? coresOf(profile, profile.total) : null;
	return (
		<div class="facts" role="group" aria-label="Facts about this range">
			<Fact name="CPU" value={busy === null ? "–" : cores(busy)}>
				<p>How many cores were busy on average with what the graph shows. It is the sum of all samples, divided by the time that has data.</p>
				{profile && <p>{count(profile.samples)} samples stand behind it; each speaks for about {(profile.period / 1e6).toFixed(0)} ms of CPU.</p>}
			</Fact>
			<Fact name="Memory" value={mem === null ? "–" : bytes(mem)}>
				<p>Memory in use at the end of the range, summed over the hosts; with a filter by process, what these processes hold.</p>
			</Fact>
			<Fact name="Processes" value={shown(pids.data)}>
				<p>Processes that were seen on a CPU in this range. One that slept the whole time is not counted.</p>
			</Fact>
			<Fact name="Hosts" value={shown(hosts.data)}>
				<p>Hosts that sent samples in this range.</p>
				{hosts.data && hosts.data.values.length > 0 && <p class="code">{hosts.data.values.slice(0, 12).map((v) => v.value).join(", ")}</p>}
			</Fact>
			<Fact name="Lost" value={lost.data ? percent(lostShare) : "–"} bad={lostShare > 0.01}>
				<p>Samples that were taken on the hosts and never arrived: the graph does not know them. Under one per cent the shares stay true.</p>
				{reasons.length > 0 && <Outcomes rows={reasons} sum={lostSum + takenSum} />}
			</Fact>
			<Fact name="Cut" value={profile ? percent(profile.truncated) : "–"} bad={(profile?.truncated ?? 0) > 0.05}>
				<p>The share whose stack could not be followed to its end. It stands under a frame that says why, so its time is counted.</p>
				{outcomes.length > 0 && <><p>All samples of the hosts, by what became of their stacks:</p><Outcomes rows={outcomes} sum={takenSum} /></>}
				{remarks.length > 0 && <><p>Of these, something is less sure or missing:</p><Outcomes rows={remarks} /></>}
			</Fact>
		</div>
	);
}
