// Memory of a process over time: resident and, where it was measured, allocated; the peak is marked.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { bytes, sig3 } from "../format/number";
import type { Process } from "./data";
import { SIZES, ticks, TIMES } from "./ticks";

const HEIGHT = 148, LEFT = 64, RIGHT = 16, TOP = 18, BOTTOM = 22;

function seconds(s: number): string {
	return s === 0 ? "0" : s < 1 ? `${sig3(s * 1000)} ms` : s < 120 ? `${sig3(s)} s` : `${sig3(s / 60)} min`;
}

function path(times: readonly number[], values: readonly (number | null)[], x: (s: number) => number, y: (b: number) => number): string {
	let d = "", on = false;
	times.forEach((t, i) => {
		const v = values[i];
		if (v != null)
			d += `${on ? "L" : "M"}${x(t).toFixed(1)} ${y(v).toFixed(1)}`;
		on ||= v != null;
	});
	return d;
}

function nearest(times: readonly number[], t: number): number {
	let low = 0, high = times.length - 1;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((times[middle] as number) < t)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && t - (times[low - 1] as number) < (times[low] as number) - t ? low - 1 : low;
}

export function Timeline({ process, onPeak }: { process: Process; onPeak: () => void }) {
	const box = useRef<HTMLDivElement>(null);
	const [width, setWidth] = useState(800);
	const [at, setAt] = useState(-1);
	useLayoutEffect(() => {
		const el = box.current;
		if (!el)
			return; /* there is no point to draw */
		const watch = new ResizeObserver(() => setWidth(Math.max(200, el.clientWidth)));
		watch.observe(el);
		return () => watch.disconnect();
	}, []);
	const { seconds: times, resident, allocated } = process.timeline, peak = process.peak;
	if (times.length === 0)
		return null;
	const known = [...resident, ...allocated].filter((v): v is number => v !== null);
	const most = Math.max(peak.bytes, ...known, 1) * 1.05, first = times[0] as number;
	const last = Math.max(times[times.length - 1] as number, peak.seconds, first + 1e-3);
	const x = (s: number) => LEFT + (width - LEFT - RIGHT) * (s - first) / (last - first);
	const y = (b: number) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * b / most;
	const line = path(times, resident, x, y), other = path(times, allocated, x, y);
	const main = process.measure === "allocated" && other !== "" ? other : line;
	const ends = main && `${main}L${x(times[times.length - 1] as number).toFixed(1)} ${HEIGHT - BOTTOM}L${x(first).toFixed(1)} ${HEIGHT - BOTTOM}Z`;
	const point = times[at], px = x(peak.seconds), toLeft = px > width / 2;
	const move = (e: PointerEvent) => {
		const left = (box.current as HTMLDivElement).getBoundingClientRect().left;
		setAt(nearest(times, first + (e.clientX - left - LEFT) / (width - LEFT - RIGHT) * (last - first)));
	};
	const says = point === undefined ? "" : [seconds(point - first), resident[at] != null && `resident ${bytes(resident[at])}`,
		allocated[at] != null && `allocated ${bytes(allocated[at])}`].filter(Boolean).join("  ·  ");
	return (
		<figure class="mem-timeline">
			<figcaption><b>Memory over time</b><span class="dim num">{says}</span>
				<span class="mem-key"><i class="mem-line" />resident{other !== "" && <><i class="mem-line mem-line-other" />allocated</>}</span>
			</figcaption>
			<div ref={box} class="mem-plot">
				<svg width={width} height={HEIGHT} role="img" onPointerMove={move} onPointerLeave={() => setAt(-1)}
					aria-label={`Memory over ${seconds(last - first)}: ${bytes(peak.bytes)} at its peak after ${seconds(peak.seconds - first)}`}>
					{ticks(most, 5, SIZES).map(({ at: b, text }) => (
						<g key={b} class="mem-tick">
							<line class="mem-grid" x1={LEFT} x2={width - RIGHT} y1={y(b)} y2={y(b)} />
							<text x={LEFT - 8} y={y(b) + 4} text-anchor="end">{text}</text>
						</g>
					))}
					{ticks(last - first, Math.max(3, Math.floor(width / 110)), TIMES).map(({ at: s, text }) => (
						<text key={s} x={x(first + s)} y={HEIGHT - 6}
							text-anchor={s === 0 ? "start" : x(first + s) > width - 2 * RIGHT ? "end" : "middle"}>{text}</text>
					))}
					<path class="mem-area" d={ends} />
					<path class="mem-curve" d={line} />
					<path class="mem-curve mem-curve-other" d={other} />
					{point !== undefined && <line class="mem-cursor" x1={x(point)} x2={x(point)} y1={TOP} y2={HEIGHT - BOTTOM} />}
					{peak.bytes > 0 && (
						<g class={peak.line ? "mem-peak mem-peak-line" : "mem-peak"} onClick={onPeak}>
							<circle cx={px} cy={y(peak.bytes)} r="4.5" />
							<text x={px + (toLeft ? -9 : 9)} y={Math.max(12, y(peak.bytes) - 3)} text-anchor={toLeft ? "end" : "start"}>
								{`peak ${bytes(peak.bytes)}`}{peak.line ? `, ${(peak.file ?? "").replace(/^.*\//, "")}:${peak.line}` : ""}
							</text>
						</g>
					)}
				</svg>
			</div>
		</figure>
	);
}
