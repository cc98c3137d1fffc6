// What a node is in words and numbers: the tooltip, the details and the line for screen readers.
import { bytes, count, duration, percent, points, sig3 } from "../format/number";
import { onlyIn, shares } from "./change";
import type { Change } from "./change";
import {
	coresOf, KIND_NAME, measureOf, nodeKind, nodeLine, nodeName, REST, ROOT, samplesOf,
} from "./profile";
import type { Profile } from "./profile";

/* A row of figures under the heads of its description. */
export type Figures = readonly [string, string, string, string];

export interface Description {
	name: string;
	line: string;
	runtime: string;
	heads: Figures;
	self: Figures;
	total: Figures;
}

/* A weight in what measureOf says. */
export function much(p: Profile, weight: number): string {
	switch (measureOf(p)) {
	case "cores":
		return sig3(coresOf(p, weight));
	case "time":
		return weight === 0 ? "0" : duration(weight);
	case "size":
		return bytes(weight);
	default:
		return count(weight);
	}
}

/* samples, what measureOf says, and two shares */
function figures(p: Profile, weight: number, shown: number): Figures {
	const all = p.sum[0] as number, root = p.sum[shown] as number;
	return [
		count(samplesOf(p, weight)), much(p, weight), percent(root > 0 ? weight / root : 0),
		percent(all > 0 ? weight / all : 0),
	];
}

/* Of two recordings: both shares, the change in points, and the amounts. */
function compared(p: Profile, c: Change, before: number, after: number): Figures {
	const [b, a] = shares(c, before, after);
	return [percent(b), percent(a), points(a - b), `${much(p, before)} \u2192 ${much(p, after)}`];
}

export function describe(p: Profile, node: number, shown: number): Description {
	const f = p.frame[node] as number, c = p.change;
	const side = (a: Float64Array) => a[node] as number;
	const runtime = f === REST ? "many frames, each narrower than half a pixel"
		: KIND_NAME[nodeKind(p, node)] ?? "";
	const only = c ? onlyIn(c, node) : "";
	return {
		name: f === ROOT ? `all of ${p.service}` : nodeName(p, node),
		line: nodeLine(p, node),
		runtime: [runtime, only].filter((t) => t !== "").join(", "),
		heads: c ? ["before", "after", "change", measureOf(p)]
			: ["samples", measureOf(p), "of shown", "of all"],
		self: c ? compared(p, c, side(c.selfBefore), side(c.selfAfter))
			: figures(p, side(p.self), shown),
		total: c ? compared(p, c, side(c.sumBefore), side(c.sumAfter))
			: figures(p, side(p.sum), shown),
	};
}

/* One sentence, for whoever hears the page. */
export function spoken(p: Profile, node: number, shown: number): string {
	const d = describe(p, node, shown);
	const who = `${d.name}${d.runtime ? `, ${d.runtime}` : ""}${d.line ? `, ${d.line}` : ""}`;
	if (p.change)
		return `${who}, total ${d.total[0]} before, ${d.total[1]} after, self ${d.self[0]} before, ${d.self[1]} after`;
	return `${who}, total ${d.total[2]}, self ${d.self[2]}, ` +
		`${d.total[1]}${measureOf(p) === "cores" ? " cores" : ""}`;
}
