// What changed between two recordings that are drawn as one: a node has its weight before and after.
//
// Width is the mean of both sides, so that a stack that is gone still has a place. Invariant: sides
// and changes are sums over the nodes below, as the weights of a profile are.
import type { FlameData } from "../api/types";

export interface Change {
	before: number; /* the whole, in the unit of the profile */
	after: number;
	absolute: boolean; /* amounts are compared, not shares */
	selfBefore: Float64Array;
	selfAfter: Float64Array;
	sumBefore: Float64Array;
	sumAfter: Float64Array;
}

/* null where the data is of one recording. */
export function changeOf(data: FlameData): Change | null {
	const { nodes, total_before: before } = data;
	if (before === undefined || !nodes.self_before || !nodes.total_before)
		return null;
	const selfBefore = new Float64Array(nodes.self_before), sumBefore = new Float64Array(nodes.total_before);
	return {
		before, after: data.total - before, absolute: data.absolute === true,
		selfBefore, sumBefore,
		selfAfter: Float64Array.from(nodes.self, (all, i) => all - (selfBefore[i] as number)),
		sumAfter: Float64Array.from(nodes.total, (all, i) => all - (sumBefore[i] as number)),
	};
}

/* What each side is a share of: its own whole or, of amounts, the larger of both. */
function wholes(c: Change): [number, number] {
	const most = Math.max(c.before, c.after);
	return c.absolute ? [most, most] : [c.before, c.after];
}

export function shares(c: Change, before: number, after: number): [number, number] {
	const [b, a] = wholes(c);
	return [b > 0 ? before / b : 0, a > 0 ? after / a : 0];
}

/* The widths of nodes whose sides these are; all of them together are `total`. */
export function widths(c: Change, before: Float64Array, after: Float64Array, total: number): Float64Array {
	const [b0, a0] = shares(c, c.before, c.after);
	const all = b0 + a0;
	return before.map((x, i) => {
		const [b, a] = shares(c, x, after[i] as number);
		return all > 0 ? (b + a) / all * total : 0;
	});
}

/* How the shares of nodes changed, from -1 to 1. */
export function differences(c: Change, before: Float64Array, after: Float64Array): Float64Array {
	return before.map((x, i) => {
		const [b, a] = shares(c, x, after[i] as number);
		return a - b;
	});
}

/* By how much a node itself changed: -1 is gone, 0 the same, 1 new. */
export function turn(c: Change, node: number): number {
	const [b, a] = shares(c, c.sumBefore[node] as number, c.sumAfter[node] as number);
	return a + b > 0 ? (a - b) / (a + b) : 0;
}

export function isGone(c: Change, node: number): boolean {
	return c.sumAfter[node] === 0 && (c.sumBefore[node] as number) > 0;
}

/* What only one of the two has. */
export function onlyIn(c: Change, node: number): "" | "new" | "gone" {
	return isGone(c, node) ? "gone"
		: c.sumBefore[node] === 0 && (c.sumAfter[node] as number) > 0 ? "new" : "";
}
