// One value over time, with uPlot. Charts of a page share the cursor; dragging picks a range, a
// double click widens it.
import uPlot from "uplot";
import { useLayoutEffect, useRef } from "preact/hooks";
import { useTheme } from "../state/theme";
import { moment } from "../state/time";

const SYNC = uPlot.sync("time").key;
const HEIGHT = 92;
const LEAST_DRAG = 4;

export interface ChartProps {
	title: string;
	times: readonly number[];
	values: readonly (number | null)[];
	from: number;
	until: number;
	tint: "cpu" | "memory";
	binary: boolean; /* grid in powers of two */
	ready: boolean; /* the answer is here, even if it is empty */
	format: (v: number) => string;
	onRange: (from: number, until: number) => void;
	onWiden: () => void;
}

function token(name: string): string {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axis(format: (v: number) => string, side: "x" | "y"): uPlot.Axis {
	const base: uPlot.Axis = {
		stroke: token("--dim"),
		font: '11px system-ui, sans-serif',
		grid: { stroke: token("--line"), width: 1 },
		ticks: { show: false },
	};
	if (side === "x")
		return { ...base, size: 20, gap: 3, space: 76, grid: { show: false }, values: (_u, splits, _a, _s, step) => splits.map((t) => tick(t, step)) };
	return { ...base, size: 58, gap: 6, space: 26, values: (_u, splits) => splits.map((v) => v === 0 ? "0" : format(v)) };
}

/* The clock while the steps are hours or less, the day when they are longer or a day begins. */
function tick(t: number, step: number): string {
	const d = new Date(t * 1000);
	if (step >= 86400 || (d.getHours() === 0 && d.getMinutes() === 0 && d.getSeconds() === 0))
		return d.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
	const clock: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hour12: false };
	return d.toLocaleTimeString("en-GB", step < 60 ? { ...clock, second: "2-digit" } : clock);
}

const DECIMAL = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const BINARY = Array.from({ length: 50 }, (_, i) => 2 ** i);

/* A value without neighbours has no line to stand on: it is drawn as a dot. */
function lonely(u: uPlot, series: number): number[] {
	const v = u.data[series] as (number | null)[];
	const out: number[] = [];
	for (let i = 0; i < v.length; i++)
		if (v[i] != null && v[i - 1] == null && v[i + 1] == null)
			out.push(i);
	return out;
}

function options(p: () => ChartProps, width: number, readout: (i: number | null) => void): uPlot.Options {
	const { tint, binary, format } = p();
	return {
		width, height: HEIGHT, ms: 1e-3, pxAlign: 0, legend: { show: false },
		padding: [6, 18, 0, 0],
		cursor: {
			sync: { key: SYNC }, y: false, points: { size: 7 },
			drag: { x: true, y: false, setScale: false, dist: LEAST_DRAG },
			bind: {
				dblclick: () => () => {
					p().onWiden();
					return null;
				},
			},
		},
		scales: {
			x: { time: true, range: () => [p().from, p().until] },
			y: { range: (_u, _min, max) => [0, max ? Math.max(max, 1e-3) * 1.08 : 1] },
		},
		axes: [axis(format, "x"), { ...axis(format, "y"), incrs: binary ? BINARY : DECIMAL }],
		series: [{}, {
			stroke: token(`--${tint}`), fill: token(`--${tint}-soft`), width: 1.5,
			points: { show: true, size: 5, fill: token(`--${tint}`), filter: lonely }, spanGaps: false,
		}],
		hooks: {
			setCursor: [(u) => readout(u.cursor.idx ?? null)],
			setSelect: [(u) => {
				const { left, width: w } = u.select;
				if (w < LEAST_DRAG)
					return;
				const a = u.posToVal(left, "x"), b = u.posToVal(left + w, "x");
				u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
				p().onRange(a, b);
			}],
		},
	};
}

function summary(p: ChartProps): string {
	const seen = p.values.filter((v): v is number => v !== null);
	if (seen.length === 0)
		return `${p.title}: nothing received in this range`;
	return `${p.title}: between ${p.format(Math.min(...seen))} and ${p.format(Math.max(...seen))}, ` +
		`last ${p.format(seen[seen.length - 1] ?? 0)}`;
}

export function Chart(props: ChartProps) {
	const { theme } = useTheme();
	const box = useRef<HTMLDivElement>(null);
	const says = useRef<HTMLSpanElement>(null);
	const plot = useRef<uPlot | null>(null);
	const latest = useRef(props);
	latest.current = props;

	const readout = (i: number | null) => {
		const { times, values, format } = latest.current;
		const out = says.current;
		if (!out)
			return;
		const at = i === null ? -1 : i;
		const v = values[at], t = times[at];
		out.textContent = v != null && t !== undefined ? `${format(v)}  ${moment(t).local}` : "";
		out.title = t !== undefined ? moment(t).utc : "";
	};

	useLayoutEffect(() => {
		const el = box.current as HTMLDivElement;
		const u = new uPlot(options(() => latest.current, el.clientWidth, readout), [[], []], el);
		plot.current = u;
		const watch = new ResizeObserver(() => u.setSize({ width: el.clientWidth, height: HEIGHT }));
		watch.observe(el);
		return () => {
			watch.disconnect();
			u.destroy();
		};
	}, [theme, props.tint]);

	useLayoutEffect(() => {
		plot.current?.setData([[...props.times], [...props.values]] as uPlot.AlignedData);
	}, [props.times, props.values, props.from, props.until, theme]);

	const empty = props.ready && props.values.every((v) => v === null);
	return (
		<figure class={`chart chart-${props.tint}`}>
			<figcaption><b>{props.title}</b><span class="chart-says" ref={says} /></figcaption>
			<div class="chart-box" ref={box} role="img" aria-label={summary(props)} />
			{empty && <span class="chart-empty">nothing received in this range</span>}
		</figure>
	);
}
