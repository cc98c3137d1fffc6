// The profile by function: self and total of each, and who calls whom. A function that calls itself
// counts once in its total.
import { differences } from "./change";
import type { Profile } from "./profile";

export interface Functions {
	frame: Int32Array; /* frames that appear under the root, heaviest self first */
	self: Float64Array; /* by frame index */
	total: Float64Array;
	places: Int32Array; /* how many nodes of the tree are this function */
	change: { self: Float64Array; total: Float64Array } | null; /* of two recordings: of the shares */
	line: Int32Array; /* where it starts, else where its heaviest node was seen, 0 unknown */
}

/* How each function's share changed between two recordings. */
function changesOf(p: Profile, root: number): Functions["change"] {
	const c = p.change;
	if (!c)
		return null;
	const n = p.frameName.length;
	const self = new Float64Array(n), total = new Float64Array(n);
	const covered = new Int32Array(n).fill(-1);
	const bySelf = differences(c, c.selfBefore, c.selfAfter), bySum = differences(c, c.sumBefore, c.sumAfter);
	for (let i = root; i < (p.end[root] as number); i++) {
		const f = p.frame[i] as number;
		if (f < 0)
			continue;
		self[f]! += bySelf[i] as number;
		if (i >= (covered[f] as number)) {
			total[f]! += bySum[i] as number;
			covered[f] = p.end[i] as number;
		}
	}
	return { self, total };
}

export function functionsOf(p: Profile, root: number): Functions {
	const n = p.frameName.length;
	const self = new Float64Array(n), total = new Float64Array(n), places = new Int32Array(n);
	const covered = new Int32Array(n).fill(-1); /* end of the topmost open node of the frame */
	const line = p.frameStart.slice(), heaviest = new Float64Array(n);
	const end = p.end[root] as number;
	for (let i = root; i < end; i++) {
		const f = p.frame[i] as number;
		if (f < 0)
			continue;
		self[f]! += p.self[i] as number;
		places[f]!++;
		if (p.frameStart[f] === 0 && (p.sum[i] as number) > (heaviest[f] as number)) {
			heaviest[f] = p.sum[i] as number;
			line[f] = p.line[i] as number;
		}
		if (i >= (covered[f] as number)) {
			total[f]! += p.sum[i] as number;
			covered[f] = p.end[i] as number;
		}
	}
	const frame: number[] = [];
	for (let f = 0; f < n; f++)
		if ((places[f] as number) > 0)
			frame.push(f);
	frame.sort((a, b) => (self[b] as number) - (self[a] as number));
	return { frame: Int32Array.from(frame), self, total, places, change: changesOf(p, root), line };
}

export interface Neighbour {
	frame: number;
	weight: number;
}

function heaviest(sum: Map<number, number>, most: number): Neighbour[] {
	return [...sum].map(([frame, weight]) => ({ frame, weight }))
		.sort((a, b) => b.weight - a.weight).slice(0, most);
}

/* Direct callers and callees of a function under the root, heaviest first. */
export function neighbours(p: Profile, frame: number, root: number, most: number):
		{ callers: Neighbour[]; callees: Neighbour[] } {
	const up = new Map<number, number>(), down = new Map<number, number>();
	const end = p.end[root] as number;
	for (let i = root; i < end; i++) {
		const f = p.frame[i] as number;
		const above = i > root ? p.parent[i] as number : -1;
		if (f === frame && above >= 0) {
			const g = p.frame[above] as number;
			up.set(g, (up.get(g) ?? 0) + (p.sum[i] as number));
		}
		if (above >= 0 && p.frame[above] === frame)
			down.set(f, (down.get(f) ?? 0) + (p.sum[i] as number));
	}
	return { callers: heaviest(up, most), callees: heaviest(down, most) };
}

/* The widest node of a function under the root, -1 when it is not there. */
export function widest(p: Profile, frame: number, root: number): number {
	let best = -1, most = -1;
	const end = p.end[root] as number;
	for (let i = root; i < end; i++) {
		if (p.frame[i] === frame && (p.sum[i] as number) > most) {
			most = p.sum[i] as number;
			best = i;
		}
	}
	return best;
}
