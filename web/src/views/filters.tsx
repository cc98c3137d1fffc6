// What narrows the profile: a chip a filter, and a picker that offers the labels and values that are there.
import { useState } from "preact/hooks";
import * as api from "../api/client";
import type { Selection } from "../api/client";
import { percent } from "../format/number";
import { formatFilter, parseFilter } from "../state/route";
import type { Filter } from "../state/route";
import { useQuery } from "../state/query";
import { Icon } from "../ui/icons";
import { Popover } from "../ui/popover";
import { Failed } from "../ui/state";

const OPS: readonly [Filter["op"], string][] = [
	["=", "is"], ["!=", "is not"], ["=~", "matches"], ["!~", "does not match"],
];

interface PickerProps {
	selection: Selection;
	type: string;
	add: (f: string) => void;
}

function Values({ label, selection, type, add, back }: PickerProps & { label: string; back: () => void }) {
	const [op, setOp] = useState<Filter["op"]>("=");
	const [text, setText] = useState("");
	const q = useQuery(`values ${label} ${JSON.stringify(selection)}`,
		(signal) => api.labelValues(selection, type, label, signal));
	const sum = q.data?.values.reduce((n, v) => n + v.weight, 0) ?? 0;
	const free = op === "=~" || op === "!~";
	const low = text.toLowerCase();
	const shown = (q.data?.values ?? []).filter((v) => free || v.value.toLowerCase().includes(low)).slice(0, 200);
	const send = (e: Event) => {
		e.preventDefault();
		const value = free ? text : shown[0]?.value ?? text;
		if (value !== "")
			add(formatFilter({ label, op, value }));
	};
	return (
		<form onSubmit={send}>
			<div class="filter-head">
				<button type="button" class="button quiet square" aria-label="All labels" onClick={back}><Icon name="back" /></button>
				<b>{label}</b>
				<select aria-label="How" value={op} onChange={(e) => setOp(e.currentTarget.value as Filter["op"])}>
					{OPS.map(([o, name]) => <option key={o} value={o}>{name}</option>)}
				</select>
			</div>
			<input data-first aria-label={free ? "Regular expression" : `Search ${label}`} class={free ? "code" : ""}
				placeholder={free ? "web-.*" : "search"} value={text} autoComplete="off" spellcheck={false}
				ref={(el) => {
					if (el && document.activeElement === document.body)
						el.focus();
				}}
				onInput={(e) => setText(e.currentTarget.value)} />
			{free && <button type="submit" class="button wide" disabled={text === ""}>Filter by this expression</button>}
			{q.error && <Failed what="The values could not be loaded." error={q.error} retry={q.reload} />}
			<div class="filter-values">
				{!free && shown.map((v) => (
					<button type="button" class="choice" key={v.value} onClick={() => add(formatFilter({ label, op, value: v.value }))}>
						<span class="clip">{v.value || "(empty)"}</span><span class="num dim">{percent(sum > 0 ? v.weight / sum : 0)}</span>
					</button>
				))}
				{q.data && shown.length === 0 && <p class="hint">No value of {label} looks like this.</p>}
				{q.data?.truncated && <p class="hint">These are the heaviest 1,000.</p>}
			</div>
		</form>
	);
}

function Picker(props: PickerProps) {
	const [label, setLabel] = useState("");
	const q = useQuery(`labels ${props.selection.service} ${props.selection.from} ${props.selection.until}`,
		(signal) => api.labels(props.selection, props.type, signal));
	if (label !== "")
		return <Values {...props} label={label} back={() => setLabel("")} />;
	return (
		<>
			<div class="panel-title">Filter by</div>
			{q.error && <Failed what="The labels could not be loaded." error={q.error} retry={q.reload} />}
			{(q.data ?? ["process", "host", "thread"]).map((l, i) => (
				<button type="button" class="choice" key={l} data-first={i === 0 ? "" : undefined} onClick={() => setLabel(l)}>
					<span>{l}</span><Icon name="right" />
				</button>
			))}
			{q.data?.length === 0 && <p class="hint">Nothing in this range carries a label.</p>}
		</>
	);
}

function Chip({ text, remove }: { text: string; remove: () => void }) {
	const f = parseFilter(text);
	return (
		<span class="chip">
			<span class="clip">{f ? <><span class="dim">{f.label} {f.op === "=" ? "" : OPS.find(([o]) => o === f.op)?.[1]} </span>{f.value}</> : text}</span>
			<button type="button" aria-label={`Remove the filter ${text}`} onClick={remove}><Icon name="close" /></button>
		</span>
	);
}

export function Filters({ filters, change, selection, type }:
		{ filters: readonly string[]; change: (f: readonly string[]) => void; selection: Selection; type: string }) {
	return (
		<div class="filters" role="group" aria-label="Filters">
			{filters.map((f) => <Chip key={f} text={f} remove={() => change(filters.filter((x) => x !== f))} />)}
			<Popover title="Add a filter" cls="button quiet" panelCls="filter-panel" label={<><Icon name="plus" /><span>filter</span></>}>
				{(close) => (
					<Picker selection={selection} type={type} add={(f) => {
						close();
						if (!filters.includes(f))
							change([...filters, f]);
					}} />
				)}
			</Popover>
		</div>
	);
}
