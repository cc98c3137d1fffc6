// What a node is in words and numbers: the tooltip, the details and the line for screen readers.
import { count, percent, sig3 } from "../format/number";
import {
	coresOf, KIND_NAME, nodeKind, nodeLine, nodeName, REST, ROOT, samplesOf,
} from "./profile";
import type { Profile } from "./profile";

export interface Amount {
	samples: string;
	cores: string;
	ofShown: string;
	ofAll: string;
}

export interface Description {
	name: string;
	line: string;
	runtime: string;
	self: Amount;
	total: Amount;
}

export function amount(p: Profile, weight: number, shown: number): Amount {
	const all = p.sum[0] as number, root = p.sum[shown] as number;
	return {
		samples: count(samplesOf(p, weight)),
		cores: sig3(coresOf(p, weight)),
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
		self: amount(p, p.self[node] as number, shown),
		total: amount(p, p.sum[node] as number, shown),
	};
}

/* One sentence, for whoever hears the page. */
export function spoken(p: Profile, node: number, shown: number): string {
	const d = describe(p, node, shown);
	return `${d.name}${d.runtime ? `, ${d.runtime}` : ""}${d.line ? `, ${d.line}` : ""}, ` +
		`total ${d.total.ofShown}, self ${d.self.ofShown}, ${d.total.cores} cores`;
}
