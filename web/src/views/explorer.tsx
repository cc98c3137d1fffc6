// The profile itself: toolbar, path, graph, table and details, which share one search and selection.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Selection } from "../api/client";
import { functionsOf, widest } from "../flame/functions";
import { Graph } from "../flame/graph";
import { findPath, hashOf } from "../flame/path";
import { frameName, nodeName, processOf, stackText } from "../flame/profile";
import type { Profile } from "../flame/profile";
import { matcher, search, steps } from "../flame/search";
import { FunctionTable } from "../flame/table";
import { go } from "../state/location";
import { MAX_DETAIL } from "../state/route";
import type { Route } from "../state/route";
import { startKeys } from "../state/keys";
import { copyText } from "../ui/copy";
import { Menu } from "../ui/menu";
import type { MenuItem } from "../ui/menu";
import { Crumbs } from "./crumbs";
import { Details } from "./details";
import { Toolbar } from "./toolbar";

const FINER = 8; /* how much finer the rest is asked for when the reader enters it */

function zoomTo(p: Profile, node: number): void {
	go({ zoom: hashOf(p, node), window: null });
}

function reset(): void {
	go({ zoom: "", window: null });
}

function onlyProcess(r: Route, name: string, op: "=" | "!="): void {
	const f = `process${op}${name}`;
	if (!r.filters.includes(f))
		go({ filters: [...r.filters, f], zoom: "", window: null });
}

function menuItems(p: Profile, r: Route, node: number, find: (frame: number) => void, asks: boolean): MenuItem[] {
	const frame = p.frame[node] as number;
	const process = processOf(p, node);
	const name = process >= 0 ? nodeName(p, process) : "";
	const items: MenuItem[] = [
		{ label: "Zoom to this frame", hint: "Enter", run: () => zoomTo(p, node) },
		{ label: "Show everything", hint: "r", run: reset },
		{ label: "Copy name", hint: "c", run: () => void copyText(nodeName(p, node)) },
		{ label: "Copy stack", run: () => void copyText(stackText(p, node)) },
	];
	if (frame >= 0)
		items.splice(1, 0, { label: "Find all of this function", run: () => find(frame) });
	if (name !== "" && asks)
		items.push({ label: `Only the process ${name}`, run: () => onlyProcess(r, name, "=") },
			{ label: `Without the process ${name}`, run: () => onlyProcess(r, name, "!=") });
	return items;
}

/* A search that finds exactly one function. */
function exactly(name: string): string {
	return `/^${name.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")}$/`;
}

/* selection: what the server can be asked about; null where there is none behind the page. */
export function Explorer({ r, profile: p, selection }: { r: Route; profile: Profile; selection: Selection | null }) {
	const input = useRef<HTMLInputElement>(null);
	const [picked, setPicked] = useState(""); /* path hash of the selected node */
	const [pane, setPane] = useState(false);
	const [finest, setFinest] = useState(false);
	const [menu, setMenu] = useState<{ node: number; x: number; y: number } | null>(null);
	const found = useMemo(() => findPath(p, r.zoom), [p, r.zoom]);
	const root = Math.max(0, found);
	const selected = useMemo(() => picked === "" ? -1 : picked === "root" ? 0 : findPath(p, picked), [p, picked]);
	const { match, error } = useMemo(() => matcher(r.search), [r.search]);
	const matches = useMemo(() => match ? search(p, match, root) : null, [p, match, root]);
	const tableOn = r.view !== "flame";
	const functions = useMemo(() => tableOn ? functionsOf(p, root) : null, [p, root, tableOn]);
	const stops = useMemo(() => matches && matches.frames > 0 ? steps(p, matches, root) : [], [p, matches, root]);
	const selectedFrame = selected >= 0 ? p.frame[selected] as number : -1;

	const select = (node: number) => setPicked(node === 0 ? "root" : node < 0 ? "" : hashOf(p, node));
	const selectFrame = (frame: number) => {
		const inView = widest(p, frame, root);
		const node = inView >= 0 ? inView : widest(p, frame, 0);
		if (inView < 0 && node >= 0)
			reset();
		select(node);
	};
	const find = (frame: number) => go({ search: exactly(frameName(p, frame)) });
	const step = (by: 1 | -1) => {
		if (stops.length === 0)
			return;
		const at = stops.findIndex((n) => n >= selected);
		const here = at >= 0 && stops[at] === selected;
		const next = here ? at + by : by > 0 ? Math.max(at, 0) : (at < 0 ? stops.length : at) - 1;
		select(stops[(next + stops.length) % stops.length] as number);
	};
	const escape = () => {
		if (pane)
			setPane(false);
		else if (r.window)
			go({ window: null });
		else if (root > 0)
			zoomTo(p, p.parent[root] as number);
		else
			setPicked("");
	};

	useEffect(() => startKeys({
		"/": () => input.current?.focus(),
		"n": () => step(1),
		"N": () => step(-1),
		"r": reset,
		"c": () => selected >= 0 && void copyText(nodeName(p, selected)),
		"Escape": escape,
	}));

	const enterRest = (node: number) => {
		select(node);
		if (!selection)
			return;
		setFinest(r.detail >= MAX_DETAIL);
		if (r.detail < MAX_DETAIL)
			go({ zoom: hashOf(p, p.parent[node] as number), window: null, detail: Math.min(r.detail * FINER, MAX_DETAIL) });
	};
	const open = (node: number) => {
		select(node);
		setPane(true);
	};
	return (
		<section class="explorer" aria-label="Profile">
			<Toolbar r={r} compared={p.change !== null} selection={selection} matches={matches} problem={error} shown={p.sum[root] as number}
				input={input} step={step} />
			{found < 0 && (
				<div class="notice" role="status">
					<div>The zoomed frame of this address does not appear in this range. Everything is shown instead.</div>
					<button type="button" class="button" onClick={reset}>Forget the zoom</button>
				</div>
			)}
			{finest && (
				<div class="notice" role="status">
					<div>Finer than this the server does not split. A filter by process or a shorter time shows what is in there.</div>
					<button type="button" class="button" onClick={() => setFinest(false)}>Good</button>
				</div>
			)}
			<Crumbs profile={p} node={root} free={r.window !== null} zoom={(n) => zoomTo(p, n)} reset={reset} />
			<div class={`explorer-body view-${r.view} ${pane && selected >= 0 ? "with-pane" : ""}`}>
				{r.view !== "table" && (
					<Graph profile={p} zoomed={root} window={r.window} matched={matches?.frame ?? null}
						selected={selected} selectedFrame={selectedFrame} colour={r.colour} up={r.up}
						onSelect={select}
						onZoom={(n) => {
							open(n);
							if (n !== root || r.window)
								zoomTo(p, n);
						}}
						onWindow={(w) => go({ window: w[1] - w[0] > 0.999999 ? null : w })}
						onRest={enterRest} restHint={selection ? "Click to ask the server for these." : "Left out to keep the page small."} onMenu={(node, x, y) => {
							select(node);
							setMenu({ node, x, y });
						}} />
				)}
				{functions && (
					<FunctionTable profile={p} functions={functions} root={root} matched={matches?.frame ?? null}
						selectedFrame={selectedFrame} sort={r.sort} onSort={(sort) => go({ sort })}
						onSelect={selectFrame} onOpen={(f) => {
							selectFrame(f);
							setPane(true);
						}} />
				)}
				{pane && selected >= 0 && (
					<Details profile={p} node={selected} root={root} close={() => setPane(false)} select={selectFrame}
						search={find} filter={selection && ((name) => onlyProcess(r, name, "="))} />
				)}
			</div>
			{menu && <Menu title={nodeName(p, menu.node)} items={menuItems(p, r, menu.node, find, selection !== null)} x={menu.x} y={menu.y}
				close={() => setMenu(null)} />}
		</section>
	);
}
