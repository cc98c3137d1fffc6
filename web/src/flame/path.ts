// A frame's place as a short name that survives a reload: a 64 bit hash over the names on its path.
// Node numbers change with every answer, the path does not, so links and live views keep their zoom.
import { frameFile, frameName } from "./profile";
import type { Profile } from "./profile";

function mix(h: number, k: number): number {
	let x = Math.imul(h ^ k, 0x9e3779b1);
	x ^= x >>> 15;
	x = Math.imul(x, 0x85ebca77);
	return (x ^ (x >>> 13)) >>> 0;
}

function hashText(text: string, seed: number): number {
	let h = seed;
	for (let i = 0; i < text.length; i++)
		h = mix(h, text.charCodeAt(i) + 1);
	return h;
}

interface Seeds {
	low: Uint32Array;
	high: Uint32Array;
}

function frameSeeds(p: Profile): Seeds {
	const n = p.frameName.length;
	const s = { low: new Uint32Array(n), high: new Uint32Array(n) };
	for (let f = 0; f < n; f++) {
		const text = `${p.frameKind[f]}\n${frameName(p, f)}\n${frameFile(p, f)}`;
		s.low[f] = hashText(text, 0x2545f491);
		s.high[f] = hashText(text, 0x1b873593);
	}
	return s;
}

const cache = new WeakMap<Profile, Seeds>();

/* Hashes of every node; made when the first zoomed view of a profile needs them. */
function nodeHashes(p: Profile): Seeds {
	const known = cache.get(p);
	if (known)
		return known;
	const seeds = frameSeeds(p);
	const h = { low: new Uint32Array(p.count), high: new Uint32Array(p.count) };
	for (let i = 1; i < p.count; i++) {
		const f = p.frame[i] as number, up = p.parent[i] as number;
		h.low[i] = mix(h.low[up] as number, f < 0 ? 7 : seeds.low[f] as number);
		h.high[i] = mix(h.high[up] as number, f < 0 ? 11 : seeds.high[f] as number);
	}
	cache.set(p, h);
	return h;
}

export function hashOf(p: Profile, node: number): string {
	if (node <= 0)
		return "";
	const h = nodeHashes(p);
	const hex = (x: number) => x.toString(16).padStart(8, "0");
	return hex(h.high[node] as number) + hex(h.low[node] as number);
}

/* The node of a hash; 0 for "", -1 when this profile has no such path. */
export function findPath(p: Profile, hash: string): number {
	if (hash === "")
		return 0;
	const h = nodeHashes(p);
	const high = parseInt(hash.slice(0, 8), 16), low = parseInt(hash.slice(8), 16);
	for (let i = 1; i < p.count; i++)
		if (h.low[i] === low && h.high[i] === high)
			return i;
	return -1;
}
