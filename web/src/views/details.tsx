// The right pane: everything about one frame, who calls it and whom it calls.
import { useMemo } from "preact/hooks";
import { describe } from "../flame/describe";
import type { Figures } from "../flame/describe";
import { neighbours } from "../flame/functions";
import type { Neighbour } from "../flame/functions";
import { kindFill } from "../flame/colour";
import { frameModule, frameName, KIND, KIND_NAME, nodeKind, nodeName, processOf, ROOT, stackText } from "../flame/profile";
import type { Profile } from "../flame/profile";
import { percent } from "../format/number";
import { useTheme } from "../state/theme";
import { Copy } from "../ui/copy";
import { Icon } from "../ui/icons";

const MOST = 8;

export interface DetailsProps {
	profile: Profile;
	node: number;
	root: number;
	close: () => void;
	select: (frame: number) => void;
	search: (frame: number) => void;
	filter: ((process: string) => void) | null;
}

function Amounts({ title, figures }: { title: string; figures: Figures }) {
	return (
		<tr><th scope="row">{title}</th>{figures.map((f, i) => <td key={i}>{f}</td>)}</tr>
	);
}

function List({ title, rows, p, sum, select }:
		{ title: string; rows: readonly Neighbour[]; p: Profile; sum: number; select: (f: number) => void }) {
	return (
		<section>
			<h3>{title}</h3>
			{rows.length === 0 && <p class="hint">none</p>}
			{rows.map((r) => (
				<button type="button" class="neighbour" key={r.frame} disabled={r.frame < 0} onClick={() => select(r.frame)}>
					<span class="neighbour-bar" style={{ transform: `scaleX(${sum > 0 ? Math.min(1, r.weight / sum) : 0})` }} />
					<span class="clip">{r.frame === ROOT ? `all of ${p.service}` : frameName(p, r.frame)}</span>
					<span class="num">{percent(sum > 0 ? r.weight / sum : 0)}</span>
				</button>
			))}
		</section>
	);
}

const WHY_MARK = "The stack could not be followed further. The name of this frame says why; what stands below it is real.";

export function Details({ profile: p, node, root, close, select, search, filter }: DetailsProps) {
	const { theme } = useTheme();
	const d = describe(p, node, root);
	const frame = p.frame[node] as number;
	const kind = nodeKind(p, node);
	const around = useMemo(() => neighbours(p, frame, 0, MOST), [p, frame]);
	const process = processOf(p, node);
	const module = frameModule(p, frame);
	const callees = around.callees.reduce((n, c) => n + c.weight, 0);
	const callers = around.callers.reduce((n, c) => n + c.weight, 0);
	return (
		<aside class="details" aria-label="Details of the frame">
			<div class="details-head">
				<h2 class="code">{d.name}</h2>
				<button type="button" class="button quiet square" aria-label="Close the details" title="Close (Esc)" onClick={close}><Icon name="close" /></button>
			</div>
			<p class="details-where">
				{kind !== KIND.none && <span class="runtime"><span class="dot" style={{ background: kindFill(theme, kind) }} />{KIND_NAME[kind]}</span>}
				{d.line !== "" && <code>{d.line}</code>}
				{module !== "" && <code class="dim">{module}</code>}
			</p>
			{kind === KIND.mark && <p class="hint">{WHY_MARK}</p>}
			<table class="amounts">
				<thead><tr><th scope="col"><span class="hear">What</span></th>{d.heads.map((h) => <th scope="col" key={h}>{h}</th>)}</tr></thead>
				<tbody><Amounts title="self" figures={d.self} /><Amounts title="total" figures={d.total} /></tbody>
			</table>
			<div class="details-do">
				<Copy text={d.name} label="Copy name" />
				<Copy text={stackText(p, node)} label="Copy stack" />
				{frame >= 0 && <button type="button" class="button" onClick={() => search(frame)}><Icon name="search" />Find all</button>}
				{filter && process >= 0 && <button type="button" class="button" onClick={() => filter(nodeName(p, process))}><Icon name="plus" />Only {nodeName(p, process)}</button>}
			</div>
			{frame >= 0 && <List title="Called by" rows={around.callers} p={p} sum={callers} select={select} />}
			<List title="Calls" rows={around.callees} p={p} sum={callees} select={select} />
		</aside>
	);
}
