// What a node is in words and numbers: the tooltip, the details and the line for screen readers.
import { bytes, count, duration, percent, sig3 } from "../format/number";
import {
	coresOf, KIND_NAME, measureOf, nodeKind, nodeLine, nodeName, REST, ROOT, samplesOf,
} from "./profile";
import type { Profile } from "./profile";

export interface Amount {
	samples: string;
	much: string; /* in what measureOf says */
	ofShown: string;
	ofAll: string;
}

export interface Description {
	name: string;
	line: string;
	runtime: string;
	measure: string; /* title of `much` */
	self: Amount;
	total: Amount;
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

export function amount(p: Profile, weight: number, shown: number): Amount {
	const all = p.sum[0] as number, root = p.sum[shown] as number;
	return {
		samples: count(samplesOf(p, weight)),
		much: much(p, weight),
		ofShown: percent(root > 0 ? weight / root : 0),
		ofAll: percent(all > 0 ? weight / all : 0),
	};
}

export function describe(p: Profile, node: number, shown: number): Description {
	const f = p.frame[node] as number;
	return {
		name: f === ROOT ? `all of ${p.service}` : nodeName(p, node),
		line: nodeLine(p, node),
		runtime: f === REST ? "many frames, each narrower than half a pixel"
			: KIND_NAME[nodeKind(p, node)] ?? "",
		measure: measureOf(p),
		self: amount(p, p.self[node] as number, shown),
		total: amount(p, p.sum[node] as number, shown),
	};
}

/* One sentence, for whoever hears the page. */
export function spoken(p: Profile, node: number, shown: number): string {
	const d = describe(p, node, shown);
	return `${d.name}${d.runtime ? `, ${d.runtime}` : ""}${d.line ? `, ${d.line}` : ""}, ` +
		`total ${d.total.ofShown}, self ${d.self.ofShown}, ${d.total.much}${d.measure === "cores" ? " cores" : ""}`;
}
