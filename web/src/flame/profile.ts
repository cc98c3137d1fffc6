// A profile as columns. The answer of the server becomes typed arrays once; everything that draws,
// searches or hits reads those arrays and makes no object a frame.
//
// Invariants: nodes are in depth-first order, node 0 is the root, `parent[n] < n`, the subtree of n
// is the range [n, end[n]), and within a row (one depth) nodes are in order of `start`.
import type { FlameData } from "../api/types";
import { changeOf, widths } from "./change";
import type { Change } from "./change";

export const KIND = { none: 0, native: 1, kernel: 2, python: 3, mark: 4, process: 5 } as const;
export const KIND_NAME = ["", "native", "kernel", "Python", "mark", "process"] as const;

export const ROOT = -1;
export const REST = -2;

export interface Profile {
	service: string;
	type: string;
	unit: string;
	seconds: number;
	total: number;
	samples: number;
	period: number;
	truncated: number;
	strings: readonly string[];
	frameName: Int32Array;
	frameFile: Int32Array;
	frameStart: Int32Array;
	frameKind: Uint8Array;
	frameModule: Int32Array;
	count: number;
	depth: Uint16Array;
	frame: Int32Array;
	line: Int32Array;
	self: Float64Array;
	sum: Float64Array; /* total of the node; of two recordings, its width */
	change: Change | null; /* null: one recording */
	start: Float64Array; /* where the node begins, in the unit of the profile */
	parent: Int32Array;
	end: Int32Array;
	rows: number;
	rowStart: Int32Array; /* row d is rowNode[rowStart[d]] up to rowNode[rowStart[d + 1]] */
	rowNode: Int32Array;
}

/* The shape of the tree, from the depths and totals alone. */
type Shape = Pick<Profile, "depth" | "start" | "parent" | "end" | "rows" | "rowStart" | "rowNode">;

const DEEPEST = 65535;

/* How many nodes each row has; the depths must be a walk, each at most one below the one before. */
function countRows(depth: Uint16Array, given: readonly number[]): Int32Array {
	const counts: number[] = [];
	let before = -1;
	for (let i = 0; i < given.length; i++) {
		const d = given[i] as number;
		if (!(d <= before + 1) || !(d >= 0) || (d === 0 && i > 0) || d > DEEPEST)
			throw new Error("The profile that came is not in depth-first order.");
		depth[i] = d;
		before = d;
		if (d === counts.length)
			counts.push(0);
		counts[d]!++;
	}
	return Int32Array.from(counts);
}

/* One pass over a million nodes: everything it touches is a local, which the engine rewards. */
function shapeOf(given: readonly number[], sum: Float64Array): Shape {
	const n = given.length;
	const depth = new Uint16Array(n), parent = new Int32Array(n), end = new Int32Array(n);
	const start = new Float64Array(n), rowNode = new Int32Array(n);
	const counts = countRows(depth, given);
	const rows = counts.length;
	const rowStart = new Int32Array(rows + 1);
	for (let d = 0; d < rows; d++)
		rowStart[d + 1] = (rowStart[d] as number) + (counts[d] as number);
	const fill = rowStart.slice();
	const open = new Int32Array(rows); /* the open node of each depth */
	const cursor = new Float64Array(rows); /* where its next child begins */
	let above = -1;
	for (let i = 0; i < n; i++) {
		const d = depth[i] as number;
		for (let k = above; k >= d; k--)
			end[open[k] as number] = i;
		let from = 0, up = -1;
		if (d > 0) {
			from = cursor[d - 1] as number;
			up = open[d - 1] as number;
			cursor[d - 1] = from + (sum[i] as number);
		}
		start[i] = from;
		parent[i] = up;
		cursor[d] = from;
		open[d] = i;
		const at = fill[d] as number;
		rowNode[at] = i;
		fill[d] = at + 1;
		above = d;
	}
	for (let k = above; k >= 0; k--)
		end[open[k] as number] = n;
	return { depth, start, parent, end, rows, rowStart, rowNode };
}

export function decode(data: FlameData): Profile {
	const { nodes, frames } = data;
	const count = nodes.depth.length;
	if (count === 0)
		throw new Error("The profile that came has no root.");
	const change = changeOf(data);
	const sum = change ? widths(change, change.sumBefore, change.sumAfter, data.total)
		: new Float64Array(nodes.total);
	return {
		service: data.service,
		type: data.type,
		unit: data.unit,
		seconds: data.seconds,
		total: data.total,
		samples: data.samples,
		period: data.period,
		truncated: data.truncated_stacks,
		strings: data.strings,
		frameName: new Int32Array(frames.name),
		frameFile: new Int32Array(frames.file),
		frameStart: new Int32Array(frames.start),
		frameKind: new Uint8Array(frames.kind),
		frameModule: new Int32Array(frames.module),
		count,
		frame: new Int32Array(nodes.frame),
		line: new Int32Array(nodes.line),
		self: change ? widths(change, change.selfBefore, change.selfAfter, data.total)
			: new Float64Array(nodes.self),
		sum,
		change,
		...shapeOf(nodes.depth, sum),
	};
}

/* The node of row `depth` that covers `x`, or -1. */
export function nodeAt(p: Profile, depth: number, x: number): number {
	if (depth < 0 || depth >= p.rows)
		return -1;
	const first = p.rowStart[depth] as number;
	const i = lastBefore(p, first, p.rowStart[depth + 1] as number, x);
	if (i < first)
		return -1;
	const node = p.rowNode[i] as number;
	return x < (p.start[node] as number) + (p.sum[node] as number) ? node : -1;
}

/* Index of the last entry of rowNode in [lo, hi) whose node starts at or before x; lo - 1 if none. */
export function lastBefore(p: Profile, lo: number, hi: number, x: number): number {
	let a = lo, b = hi;
	while (a < b) {
		const mid = (a + b) >> 1;
		if ((p.start[p.rowNode[mid] as number] as number) <= x)
			a = mid + 1;
		else
			b = mid;
	}
	return a - 1;
}

export function frameName(p: Profile, frame: number): string {
	if (frame === ROOT)
		return p.service;
	if (frame === REST)
		return "(too narrow to show)";
	return p.strings[p.frameName[frame] as number] || "(no name)";
}

export function nodeName(p: Profile, node: number): string {
	return frameName(p, p.frame[node] as number);
}

export function nodeKind(p: Profile, node: number): number {
	const f = p.frame[node] as number;
	return f < 0 ? KIND.none : p.frameKind[f] as number;
}

export function frameFile(p: Profile, frame: number): string {
	return frame < 0 ? "" : p.strings[p.frameFile[frame] as number] ?? "";
}

export function frameModule(p: Profile, frame: number): string {
	return frame < 0 ? "" : p.strings[p.frameModule[frame] as number] ?? "";
}

/* file:line of a node: the line where its time was seen, else where the function starts. */
export function nodeLine(p: Profile, node: number): string {
	const f = p.frame[node] as number;
	const file = frameFile(p, f);
	if (file === "")
		return "";
	const line = (p.line[node] as number) || (p.frameStart[f] as number);
	return line > 0 ? `${file}:${line}` : file;
}

/* The end of a long path, which is what tells files apart: the last folder and the file. */
export function shortPath(path: string): string {
	const parts = path.split("/");
	return parts.length > 3 ? `…/${parts.slice(-2).join("/")}` : path;
}

/* The path from the root down to the node, both included. */
export function pathOf(p: Profile, node: number): number[] {
	const path: number[] = [];
	for (let n = node; n >= 0; n = p.parent[n] as number)
		path.push(n);
	return path.reverse();
}

/* Process of the stack that a node belongs to, -1 above the processes. */
export function processOf(p: Profile, node: number): number {
	for (let n = node; n >= 0; n = p.parent[n] as number)
		if (nodeKind(p, n) === KIND.process)
			return n;
	return -1;
}

/* The stack as folded text: root first, without the root of everything. */
export function stackText(p: Profile, node: number): string {
	return pathOf(p, node).slice(1).map((n) => nodeName(p, n)).join(";");
}

export function samplesOf(p: Profile, weight: number): number {
	return p.period > 0 ? weight / p.period : 0;
}

/* What a weight is said in: cores where it is CPU over a known time, else its own unit. */
export function measureOf(p: Profile): "cores" | "time" | "size" | "count" {
	if (p.unit === "nanoseconds")
		return p.type === "cpu" && p.seconds > 0 ? "cores" : "time";
	return p.unit === "bytes" ? "size" : "count";
}

/* CPU cores that a weight means over the time that has data. */
export function coresOf(p: Profile, weight: number): number {
	return p.seconds > 0 ? weight / 1e9 / p.seconds : 0;
}
