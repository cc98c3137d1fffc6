// Numbers for people: at most three significant digits, the unit spelled once.

/* Three significant digits without an exponent; integers stay integers. */
export function sig3(x: number): string {
	if (!Number.isFinite(x))
		return "–";
	const a = Math.abs(x);
	if (a === 0)
		return "0";
	if (a < 0.001)
		return x < 0 ? "-0.001" : "<0.001";
	const digits = a >= 99.95 ? 0 : a >= 9.995 ? 1 : a >= 0.9995 ? 2 : 3;
	const text = x.toFixed(digits);
	return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function scaled(x: number, base: number, units: readonly string[]): string {
	let i = 0, v = x;
	while (Math.abs(v) >= base * 0.9995 && i < units.length - 1) {
		v /= base;
		i++;
	}
	return units[i] === "" ? sig3(v) : `${sig3(v)} ${units[i]}`;
}

/* 144, 1.24 k, 35.2 M */
export function count(x: number): string {
	return scaled(Math.abs(x) < 1000 ? Math.round(x) : x, 1000, ["", "k", "M", "G", "T"]);
}

export function bytes(x: number): string {
	return scaled(x, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
}

export function cores(x: number): string {
	return `${sig3(x)} ${x === 1 ? "core" : "cores"}`;
}

/* A share between 0 and 1 as per cent with a steady number of decimals. */
export function percent(share: number): string {
	if (!Number.isFinite(share))
		return "–";
	const p = share * 100;
	if (p > 0 && p < 0.01)
		return "<0.01 %";
	return `${p.toFixed(p >= 99.95 || p === 0 ? 0 : p >= 9.995 ? 1 : 2)} %`;
}

/* A change of a share, in points of a hundred, with its sign. */
export function points(change: number): string {
	const p = change * 100;
	if (Math.abs(p) < 0.005)
		return "0";
	return `${p > 0 ? "+" : "\u2212"}${Math.abs(p).toFixed(Math.abs(p) >= 9.995 ? 1 : 2)}`;
}

/* Nanoseconds of CPU as a duration: 340 ms, 1.2 s, 4.5 min, 3.1 h */
export function duration(ns: number): string {
	const s = ns / 1e9;
	if (s < 0.9995e-3)
		return `${sig3(s * 1e6)} µs`;
	if (s < 0.9995)
		return `${sig3(s * 1e3)} ms`;
	if (s < 120)
		return `${sig3(s)} s`;
	if (s < 7200)
		return `${sig3(s / 60)} min`;
	return `${sig3(s / 3600)} h`;
}

/* How long ago, in words that fit a table cell. */
export function ago(then: number, now: number): string {
	const s = Math.max(0, now - then);
	if (s < 15)
		return "now";
	if (s < 90)
		return `${Math.round(s)} s ago`;
	if (s < 5400)
		return `${Math.round(s / 60)} min ago`;
	if (s < 129600)
		return `${Math.round(s / 3600)} h ago`;
	return `${Math.round(s / 86400)} d ago`;
}
