// Where the arrow keys lead in the tree.
import { lastBefore } from "./profile";
import type { Profile } from "./profile";

function heaviestChild(p: Profile, node: number): number {
	let best = -1;
	const end = p.end[node] as number;
	for (let c = node + 1; c < end; c = p.end[c] as number)
		if (best < 0 || (p.sum[c] as number) > (p.sum[best] as number))
			best = c;
	return best;
}

function beside(p: Profile, node: number, step: -1 | 1): number {
	const d = p.depth[node] as number;
	const lo = p.rowStart[d] as number, hi = p.rowStart[d + 1] as number;
	/* nodes of no width may share a start: rows keep the order of node numbers as well */
	let i = lastBefore(p, lo, hi, p.start[node] as number);
	while (i > lo && (p.rowNode[i] as number) > node)
		i--;
	const to = i + step;
	return to >= lo && to < hi ? p.rowNode[to] as number : -1;
}

/* The node that a key leads to from `node`, -1 when it leads nowhere. */
export function keyTarget(p: Profile, node: number, key: string): number {
	switch (key) {
	case "ArrowDown":
		return heaviestChild(p, node);
	case "ArrowUp":
		return p.parent[node] as number;
	case "ArrowLeft":
		return beside(p, node, -1);
	case "ArrowRight":
		return beside(p, node, 1);
	default:
		return -1;
	}
}
