// The time range: relative, absolute, shifted.
import { useState } from "preact/hooks";
import { fromField, isRelative, PRESETS, rangeLabel, resolve, toField } from "../state/time";
import type { Range } from "../state/time";
import { Icon } from "../ui/icons";
import { Popover } from "../ui/popover";

function Absolute({ range, pick }: { range: Range; pick: (r: Range) => void }) {
	const now = Date.now() / 1000;
	const [from, setFrom] = useState(toField(resolve(range.from, now)));
	const [until, setUntil] = useState(toField(resolve(range.until, now)));
	const [problem, setProblem] = useState("");
	const send = (e: Event) => {
		e.preventDefault();
		const a = fromField(from), b = fromField(until);
		if (!Number.isFinite(a) || !Number.isFinite(b))
			return setProblem("Fill in both times.");
		if (b <= a)
			return setProblem("The end must be later than the beginning.");
		pick({ from: String(Math.round(a)), until: String(Math.round(b)) });
	};
	return (
		<form class="range-form" onSubmit={send} noValidate>
			<label for="range-from">From</label>
			<input id="range-from" type="datetime-local" step={1} value={from} onInput={(e) => setFrom(e.currentTarget.value)} />
			<label for="range-until">Until</label>
			<input id="range-until" type="datetime-local" step={1} value={until} onInput={(e) => setUntil(e.currentTarget.value)} />
			{problem && <p class="problem" role="alert">{problem}</p>}
			<button type="submit" class="button wide">Show this range</button>
		</form>
	);
}

export function RangePicker({ range, pick, shift }:
		{ range: Range; pick: (r: Range) => void; shift: (direction: -1 | 1) => void }) {
	const now = Date.now() / 1000;
	return (
		<div class="group" role="group" aria-label="Time">
			<button type="button" class="button square" aria-label="Earlier" title="Earlier ( [ )" onClick={() => shift(-1)}>
				<Icon name="left" />
			</button>
			<Popover cls="button range" named panelCls="range-panel"
				title={isRelative(range) ? "Time range" : `Time range, ${rangeLabel(range, now, "UTC")} UTC`}
				label={<><span>{rangeLabel(range, now)}</span><Icon name="down" /></>}>
				{(close) => (
					<>
						<div class="range-presets">
							{PRESETS.map((p) => (
								<button type="button" class="choice" key={p.from}
									aria-pressed={isRelative(range) && range.from === p.from}
									onClick={() => {
										close();
										pick({ from: p.from, until: "now" });
									}}>{p.label}</button>
							))}
						</div>
						<Absolute range={range} pick={(r) => {
							close();
							pick(r);
						}} />
					</>
				)}
			</Popover>
			<button type="button" class="button square" aria-label="Later" title="Later ( ] )" onClick={() => shift(1)}>
				<Icon name="right" />
			</button>
		</div>
	);
}
