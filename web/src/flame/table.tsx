// The table of functions: the accessible twin of the graph. Only rows on the screen are in the document.
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { percent, points } from "../format/number";
import { useTheme } from "../state/theme";
import { kindFill } from "./colour";
import { much } from "./describe";
import type { Functions } from "./functions";
import { frameFile, frameName, KIND_NAME, measureOf, shortPath } from "./profile";
import type { Profile } from "./profile";

const ROW = 26;
const HEAD = 29; /* stays on top while the rows scroll under it */
const SPARE = 6;

interface Column {
	id: string;
	title: string;
	num: boolean;
}

/* Of two recordings the figures are changes in points, and the largest one stands first. */
function columns(compared: boolean): readonly Column[] {
	return [
		{ id: "self", title: compared ? "Self \u00b1" : "Self", num: true },
		{ id: "total", title: compared ? "Total \u00b1" : "Total", num: true },
		{ id: "name", title: "Function", num: false },
	];
}

export interface TableProps {
	profile: Profile;
	functions: Functions;
	root: number;
	matched: Uint8Array | null;
	selectedFrame: number;
	sort: string;
	onSort: (sort: string) => void;
	onSelect: (frame: number) => void;
	onOpen: (frame: number) => void;
}

function order(p: Profile, f: Functions, matched: Uint8Array | null, sort: string): Int32Array {
	const rows = matched ? f.frame.filter((x) => matched[x] === 1) : f.frame.slice();
	const down = !sort.startsWith("+");
	const by = sort.replace(/^[-+]/, "") || "self";
	if (by === "name")
		rows.sort((a, b) => frameName(p, a).localeCompare(frameName(p, b)) || a - b);
	else {
		const from = f.change ?? f;
		const w = by === "total" ? from.total : from.self, other = by === "total" ? from.self : from.total;
		const size = (a: Float64Array, x: number) => Math.abs(a[x] as number);
		rows.sort((a, b) => size(w, a) - size(w, b) || size(other, a) - size(other, b) || b - a);
	}
	return down === (by !== "name") ? rows.reverse() : rows;
}

function Head({ id, title, num, sort, onSort }:
		{ id: string; title: string; num: boolean; sort: string; onSort: (s: string) => void }) {
	const active = (sort.replace(/^[-+]/, "") || "self") === id;
	const up = sort.startsWith("+");
	const ascending = active && (id === "name" ? !up : up);
	return (
		<span role="columnheader" class={num ? "num" : ""} aria-sort={!active ? "none" : ascending ? "ascending" : "descending"}>
			<button type="button" class="sort" onClick={() => onSort(active && !up ? `+${id}` : id)}>
				{title}<span class={`sort-mark ${active ? "" : "off"}`} aria-hidden="true">{ascending ? "↑" : "↓"}</span>
			</button>
		</span>
	);
}

function Weight({ p, weight, all }: { p: Profile; weight: number; all: number }) {
	const share = all > 0 ? weight / all : 0;
	return (
		<span role="gridcell" class="weight" title={`${much(p, weight)}${measureOf(p) === "cores" ? " cores" : ""}`}>
			<span class="num">{percent(share)}</span>
			<span class="weight-bar"><span style={{ transform: `scaleX(${Math.min(1, share).toFixed(4)})` }} /></span>
		</span>
	);
}

function ChangeOf({ share }: { share: number }) {
	return (
		<span role="gridcell" class="weight">
			<span class="num">{points(share)}</span>
			<span class="weight-bar"><span class={share < 0 ? "less" : "more"} style={{ transform: `scaleX(${Math.min(1, Math.abs(share)).toFixed(4)})` }} /></span>
		</span>
	);
}

export function FunctionTable(props: TableProps) {
	const { profile: p, functions, root, matched, selectedFrame, sort, onSort, onSelect, onOpen } = props;
	const { theme } = useTheme();
	const body = useRef<HTMLDivElement>(null);
	const [view, setView] = useState({ top: 0, height: 600 });
	const rows = useMemo(() => order(p, functions, matched, sort), [p, functions, matched, sort]);
	const all = p.sum[root] as number;
	const at = selectedFrame < 0 ? -1 : rows.indexOf(selectedFrame);

	useLayoutEffect(() => {
		const el = body.current as HTMLDivElement;
		const measure = () => setView({ top: el.scrollTop, height: el.clientHeight - HEAD });
		const watch = new ResizeObserver(measure);
		watch.observe(el);
		el.addEventListener("scroll", measure, { passive: true });
		return () => {
			watch.disconnect();
			el.removeEventListener("scroll", measure);
		};
	}, []);

	useLayoutEffect(() => {
		const el = body.current as HTMLDivElement;
		if (at < 0)
			return;
		if (at * ROW < el.scrollTop)
			el.scrollTop = at * ROW;
		else if ((at + 1) * ROW > el.scrollTop + el.clientHeight - HEAD)
			el.scrollTop = (at + 1) * ROW - el.clientHeight + HEAD;
	}, [at]);

	const onKey = (e: KeyboardEvent) => {
		const page = Math.max(1, Math.floor(view.height / ROW) - 1);
		const step: Record<string, number> = {
			ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows.length, End: rows.length,
		};
		if (e.key === "Enter" && at >= 0) {
			e.preventDefault();
			return onOpen(selectedFrame);
		}
		const by = step[e.key];
		if (by === undefined || rows.length === 0 || e.ctrlKey || e.metaKey || e.altKey)
			return;
		e.preventDefault();
		onSelect(rows[Math.max(0, Math.min(rows.length - 1, at + by))] as number);
	};

	const first = Math.max(0, Math.floor(view.top / ROW) - SPARE);
	const last = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW) + SPARE);
	const visible = [];
	for (let i = first; i < last; i++) {
		const f = rows[i] as number;
		const kind = p.frameKind[f] as number;
		const file = frameFile(p, f), line = functions.line[f] as number;
		visible.push(
			<div role="row" key={f} id={`fn-${f}`} aria-rowindex={i + 2} aria-selected={f === selectedFrame}
				class="fn-row" style={{ transform: `translateY(${i * ROW}px)` }}
				onClick={() => onSelect(f)} onDblClick={() => onOpen(f)}>
				{functions.change ? (
					<>
						<ChangeOf share={functions.change.self[f] as number} />
						<ChangeOf share={functions.change.total[f] as number} />
					</>
				) : (
					<>
						<Weight p={p} weight={functions.self[f] as number} all={all} />
						<Weight p={p} weight={functions.total[f] as number} all={all} />
					</>
				)}
				<span role="gridcell" class="fn-name">
					<span class="dot" style={{ background: kindFill(theme, kind) }} title={KIND_NAME[kind] ?? ""} />
					<span class="clip"><span class="fn-text">{frameName(p, f)}</span>
						{file !== "" && <span class="fn-file" title={file}>{shortPath(file)}{line > 0 ? `:${line}` : ""}</span>}</span>
				</span>
			</div>);
	}
	return (
		<div class="fn-table" role="grid" tabIndex={0} ref={body} aria-label={functions.change ? "Functions, with how their own share and the one under them changed, in points of a hundred"
				: "Functions, with the share of the shown part that is their own and that is under them"}
			aria-rowcount={rows.length + 1} aria-activedescendant={at >= first && at < last && at >= 0 ? `fn-${selectedFrame}` : undefined}
			onKeyDown={onKey}>
			<div role="rowgroup" class="fn-head">
				<div role="row" aria-rowindex={1} class="fn-row">
					{columns(functions.change !== null).map((c) => <Head key={c.id} {...c} sort={sort} onSort={onSort} />)}
				</div>
			</div>
			<div role="rowgroup" class="fn-body" style={{ height: `${rows.length * ROW}px` }}>{visible}</div>
			{rows.length === 0 && <p class="fn-none">{matched ? "No function here matches the search." : "No function in this range."}</p>}
		</div>
	);
}
