// Search over a profile: which frames match, how much of the shown part they hold, and in which
// order the reader steps through them.
import { frameFile, frameName } from "./profile";
import type { Profile } from "./profile";

export type Matcher = (text: string) => boolean;

export interface Matches {
	frame: Uint8Array; /* 1 for frames that match */
	frames: number; /* how many of them */
	total: number; /* weight under the topmost matches of the shown part */
	self: number;
}

const STEPS = 5000;

/* Plain text is found anywhere, upper or lower case; /.../ is a regular expression. */
export function matcher(text: string): { match: Matcher | null; error: string } {
	if (text === "")
		return { match: null, error: "" };
	const re = /^\/(.*)\/(i?)$/s.exec(text);
	if (re && re[1] !== "") {
		try {
			const r = new RegExp(re[1] ?? "", re[2] ?? "");
			return { match: (s) => r.test(s), error: "" };
		} catch {
			return { match: null, error: "This regular expression is not complete." };
		}
	}
	const low = text.toLowerCase();
	return { match: (s) => s.toLowerCase().includes(low), error: "" };
}

export function search(p: Profile, match: Matcher, root: number): Matches {
	const frame = new Uint8Array(p.frameName.length);
	let frames = 0;
	for (let f = 0; f < frame.length; f++) {
		if (match(frameName(p, f)) || match(frameFile(p, f))) {
			frame[f] = 1;
			frames++;
		}
	}
	let total = 0, self = 0, covered = -1;
	const end = p.end[root] as number;
	for (let i = root; i < end; i++) {
		const f = p.frame[i] as number;
		if (f < 0 || frame[f] === 0)
			continue;
		self += p.self[i] as number;
		if (i >= covered) {
			total += p.sum[i] as number;
			covered = p.end[i] as number;
		}
	}
	return { frame, frames, total, self };
}

/* The matching nodes under `root`, in the order of the picture. */
export function steps(p: Profile, m: Matches, root: number): number[] {
	const out: number[] = [];
	const end = p.end[root] as number;
	for (let i = root; i < end && out.length < STEPS; i++) {
		const f = p.frame[i] as number;
		if (f >= 0 && m.frame[f] === 1)
			out.push(i);
	}
	return out;
}
