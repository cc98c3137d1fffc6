// Time expressions of the API (`now`, `now-15m`, Unix seconds) and what a reader does with a range.

export interface Range {
	from: string;
	until: string;
}

const UNIT: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
const RELATIVE = /^now(?:-(\d{1,6})([smhdw]))?$/;
const ABSOLUTE = /^\d{1,12}(\.\d{1,6})?$/;
const SHORTEST = 10;

export const PRESETS: readonly { from: string; label: string }[] = [
	{ from: "now-5m", label: "last 5 min" },
	{ from: "now-15m", label: "last 15 min" },
	{ from: "now-1h", label: "last 1 h" },
	{ from: "now-6h", label: "last 6 h" },
	{ from: "now-1d", label: "last 24 h" },
	{ from: "now-2d", label: "last 2 days" },
	{ from: "now-7d", label: "last 7 days" },
	{ from: "now-30d", label: "last 30 days" },
];

export function isTime(expr: string): boolean {
	return RELATIVE.test(expr) || ABSOLUTE.test(expr);
}

/* Unix seconds of an expression, NaN when it is none. */
export function resolve(expr: string, now: number): number {
	const m = RELATIVE.exec(expr);
	if (m)
		return m[1] === undefined ? now : now - Number(m[1]) * (UNIT[m[2] ?? "s"] ?? 1);
	return ABSOLUTE.test(expr) ? Number(expr) : NaN;
}

export function isRelative(r: Range): boolean {
	return r.until === "now" && RELATIVE.test(r.from) && r.from !== "now";
}

function absolute(from: number, until: number): Range {
	return { from: String(Math.floor(from)), until: String(Math.ceil(until)) };
}

/* A range picked by dragging: never shorter than one window of data. */
export function between(a: number, b: number): Range {
	const from = Math.min(a, b), until = Math.max(a, b);
	if (until - from >= SHORTEST)
		return absolute(from, until);
	const mid = (from + until) / 2;
	return absolute(mid - SHORTEST / 2, mid + SHORTEST / 2);
}

/* One whole length to the left (-1) or right (1); the right end never passes now. */
export function shift(r: Range, direction: -1 | 1, now: number): Range {
	const from = resolve(r.from, now), until = resolve(r.until, now);
	const length = until - from;
	if (direction > 0 && until + length >= now)
		return absolute(now - length, now);
	return absolute(from + direction * length, until + direction * length);
}

/* Twice the length around the same middle, pushed back when it would pass now. */
export function widen(r: Range, now: number): Range {
	const from = resolve(r.from, now), until = resolve(r.until, now);
	const length = Math.max(until - from, SHORTEST);
	if (isRelative(r)) {
		const wider = PRESETS.find((p) => now - resolve(p.from, now) > length + 1);
		return wider ? { from: wider.from, until: "now" } : r;
	}
	let a = from - length / 2, b = until + length / 2;
	if (b > now) {
		a -= b - now;
		b = now;
	}
	return absolute(a, b);
}

const clock: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hour12: false };

function stamp(t: number, seconds: boolean, zone?: string): string {
	const o: Intl.DateTimeFormatOptions = { month: "short", day: "numeric", ...clock };
	if (seconds)
		o.second = "2-digit";
	if (zone)
		o.timeZone = zone;
	return new Date(t * 1000).toLocaleString("en-GB", o);
}

/* What the range button says. */
export function rangeLabel(r: Range, now: number, zone?: string): string {
	if (isRelative(r)) {
		const p = PRESETS.find((x) => x.from === r.from);
		if (p)
			return p.label;
		return `last ${r.from.slice(4)}`;
	}
	const a = resolve(r.from, now), b = resolve(r.until, now);
	const seconds = b - a < 600;
	const left = stamp(a, seconds, zone);
	const right = stamp(b, seconds, zone);
	const day = left.slice(0, left.lastIndexOf(",") + 1);
	return `${left} – ${right.startsWith(day) ? right.slice(day.length).trim() : right}`;
}

/* One moment in local time, and in UTC for whoever hovers. */
export function moment(t: number): { local: string; utc: string } {
	return { local: stamp(t, true), utc: `${stamp(t, true, "UTC")} UTC` };
}

/* The value of a datetime-local field and back. */
export function toField(t: number): string {
	const d = new Date(t * 1000);
	const two = (n: number) => String(n).padStart(2, "0");
	return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}` +
		`T${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

export function fromField(text: string): number {
	return new Date(text).getTime() / 1000;
}
