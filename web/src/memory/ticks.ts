// Round values for the axes of memory over time.

export interface Tick {
	at: number;
	text: string;
}
type Units = readonly (readonly [name: string, size: number])[];

export const SIZES: Units = [["KiB", 2 ** 10], ["MiB", 2 ** 20], ["GiB", 2 ** 30], ["TiB", 2 ** 40]];
export const TIMES: Units = [["ms", 1e-3], ["s", 1], ["min", 60], ["h", 3600]];

/* From 0 to max, n above 0 at most, and three at least where n is 5 or more. All in one unit: that in which max is 2
 * or more. */
export function ticks(max: number, n: number, units: Units): Tick[] {
	const [name, size] = units.reduce((best, unit) => max >= 2 * unit[1] ? unit : best);
	const power = 10 ** Math.floor(Math.log10(max / size / n));
	const part = [1, 2, 2.5, 5, 10].find((p) => Math.floor(max / (p * power * size) + 1e-9) <= n) ?? 10;
	const step = part * power;
	return Array.from({ length: Math.floor(max / (step * size) + 1e-9) + 1 }, (_, i) =>
		({ at: i * step * size, text: i === 0 ? "0" : `${Number((i * step).toPrecision(6))} ${name}` }));
}
