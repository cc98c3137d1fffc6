// CPU and memory over the time of the flame graph.
import { Chart } from "../charts/chart";
import type { SeriesData } from "../api/types";
import type { Query } from "../state/query";
import { bytes, sig3 } from "../format/number";
import { between, resolve, widen } from "../state/time";
import type { Range } from "../state/time";
import { Failed } from "../ui/state";
import { pickRange } from "./service_bar";

const NONE: readonly never[] = [];

/* Which metrics and filters the charts can follow: they know hosts and processes, no threads. */
export function chartScope(filters: readonly string[]): { metric: string; left: readonly string[]; used: readonly string[] } {
	const label = (f: string) => /^[A-Za-z0-9_.-]+/.exec(f)?.[0] ?? "";
	const used = filters.filter((f) => ["host", "process", "pid"].includes(label(f)));
	const left = filters.filter((f) => !used.includes(f));
	return { metric: used.some((f) => label(f) !== "host") ? "process." : "", left, used };
}

export function Charts({ range, cpu, memory, left }:
		{ range: Range; cpu: Query<SeriesData>; memory: Query<SeriesData>; left: readonly string[] }) {
	const now = Date.now() / 1000;
	const from = resolve(range.from, now), until = resolve(range.until, now);
	const error = cpu.error ?? memory.error;
	const shared = {
		from, until,
		onRange: (a: number, b: number) => pickRange(between(a, b)),
		onWiden: () => pickRange(widen(range, Date.now() / 1000)),
	};
	return (
		<div class="charts">
			<Chart {...shared} title="CPU" tint="cpu" binary={false} format={(v) => `${sig3(v)} cores`}
				times={cpu.data?.times ?? NONE} values={cpu.data?.series[0]?.values ?? NONE} ready={cpu.data !== undefined} />
			<Chart {...shared} title="Memory" tint="memory" binary={true} format={bytes}
				times={memory.data?.times ?? NONE} values={memory.data?.series[0]?.values ?? NONE} ready={memory.data !== undefined} />
			{left.length > 0 && <p class="hint charts-note">The charts know no threads: {left.join(", ")} narrows the graph below only.</p>}
			{error && <Failed what="The charts could not be loaded." error={error} retry={() => {
				cpu.reload();
				memory.reload();
			}} />}
		</div>
	);
}
