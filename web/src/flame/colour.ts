// Colours of frames. One hue says the runtime; a narrow band of lightness, chosen by the name, keeps
// neighbours apart. Text on every shade has a contrast of at least 4.5 (a unit test proves it).
import { frameFile, frameModule, frameName, KIND } from "./profile";
import type { Profile } from "./profile";
import type { Theme } from "../state/theme";
import type { Colour } from "../state/route";

export const SHADES = 6;

export interface Palette {
	text: string;
	textDim: string; /* file and line */
	textFaint: string; /* on the dim fills */
	fill: readonly string[]; /* [hue * SHADES + shade] */
	fillDim: readonly string[]; /* the same, for what a search leaves out */
	rest: readonly [string, string]; /* ground and lines of the hatching */
	gone: readonly [string, string]; /* the same for what only the first of two recordings has */
	ground: string;
	accent: string;
	match: string;
}

/* OKLCH to sRGB: lightness 0..1, chroma, hue in degrees. */
export function oklch(l: number, c: number, h: number): [number, number, number] {
	const a = c * Math.cos(h * Math.PI / 180), b = c * Math.sin(h * Math.PI / 180);
	const l3 = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
	const m3 = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
	const s3 = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
	const gamma = (x: number) => {
		const v = x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055;
		return Math.round(Math.min(Math.max(v, 0), 1) * 255);
	};
	return [
		gamma(4.0767416621 * l3 - 3.3077115913 * m3 + 0.2309699292 * s3),
		gamma(-1.2684380046 * l3 + 2.6097574011 * m3 - 0.3413193965 * s3),
		gamma(-0.0041960863 * l3 - 0.7034186147 * m3 + 1.707614701 * s3),
	];
}

function hex(l: number, c: number, h: number): string {
	return `#${oklch(l, c, h).map((x) => x.toString(16).padStart(2, "0")).join("")}`;
}

function luminance(colour: string): number {
	const part = (i: number) => {
		const v = parseInt(colour.slice(i, i + 2), 16) / 255;
		return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
	};
	return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
}

/* WCAG contrast of two #rrggbb colours. */
export function contrast(a: string, b: string): number {
	const x = luminance(a), y = luminance(b);
	return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/* Hues by meaning: index is the kind of frame; 6 to 11 are for modules. */
const HUES: readonly { hue: number; chroma: number }[] = [
	{ hue: 90, chroma: 0.004 }, /* root */
	{ hue: 172, chroma: 0.075 }, /* native */
	{ hue: 300, chroma: 0.075 }, /* kernel */
	{ hue: 75, chroma: 0.105 }, /* Python */
	{ hue: 22, chroma: 0.13 }, /* mark */
	{ hue: 250, chroma: 0.016 }, /* process */
	{ hue: 75, chroma: 0.09 },
	{ hue: 130, chroma: 0.08 },
	{ hue: 190, chroma: 0.07 },
	{ hue: 240, chroma: 0.075 },
	{ hue: 300, chroma: 0.075 },
	{ hue: 350, chroma: 0.08 },
];
const FIRST_MODULE = 6;
const MODULES = HUES.length - FIRST_MODULE;
const HEAT = HUES.length; /* after the hues: SHADES steps of self share */
const STEPS = 5; /* of less and of more */
const CHANGE = (HEAT + 1) * SHADES; /* after the heat: from all less over the same to all more */
const LESS = 250, MORE = 30; /* hues that the colour-blind tell apart */

function shades(base: number, step: number, chroma: number): string[] {
	return HUES.flatMap(({ hue, chroma: c }) =>
		Array.from({ length: SHADES }, (_, i) => hex(base + step * i, c * chroma, hue)));
}

function heat(theme: Theme): string[] {
	return Array.from({ length: SHADES }, (_, i) => theme === "light"
		? hex(0.94 - 0.032 * i, 0.015 + 0.022 * i, 60 - 5 * i)
		: hex(0.66 + 0.022 * i, 0.01 + 0.026 * i, 70 - 3 * i));
}

function changes(theme: Theme, dim: boolean): string[] {
	return Array.from({ length: 2 * STEPS + 1 }, (_, i) => {
		const by = (i - STEPS) / STEPS, far = Math.abs(by), hue = by < 0 ? LESS : MORE;
		if (dim)
			return theme === "light" ? hex(0.945, 0.02 * far, hue) : hex(0.255, 0.025 * far, hue);
		return theme === "light" ? hex(0.93 - 0.15 * far, 0.004 + 0.12 * far, hue)
			: hex(0.74 - 0.03 * far, 0.004 + 0.12 * far, hue);
	});
}

function make(theme: Theme): Palette {
	if (theme === "light")
		return {
			text: "#1d1b16", textDim: "#433f36", textFaint: "#55503f",
			fill: [...shades(0.8, 0.018, 1), ...heat(theme), ...changes(theme, false)],
			fillDim: [...shades(0.935, 0.006, 0.22), ...heat(theme).map(() => hex(0.94, 0.006, 60)), ...changes(theme, true)],
			rest: [hex(0.93, 0.004, 90), hex(0.78, 0.006, 90)],
			gone: [hex(0.93, 0.03, LESS), hex(0.8, 0.08, LESS)],
			ground: "#ffffff", accent: "#3556d4", match: "#3556d4",
		};
	return {
		text: "#14120d", textDim: "#262319", textFaint: "#b9b5a8",
		fill: [...shades(0.665, 0.015, 0.92), ...heat(theme), ...changes(theme, false)],
		fillDim: [...shades(0.245, 0.006, 0.25), ...heat(theme).map(() => hex(0.26, 0.006, 60)), ...changes(theme, true)],
		rest: [hex(0.25, 0.006, 90), hex(0.4, 0.008, 90)],
		gone: [hex(0.62, 0.06, LESS), hex(0.74, 0.09, LESS)],
		ground: "#161513", accent: "#9db1ff", match: "#9db1ff",
	};
}

const made = new Map<Theme, Palette>();

export function palette(theme: Theme): Palette {
	let p = made.get(theme);
	if (!p) {
		p = make(theme);
		made.set(theme, p);
	}
	return p;
}

function hash(text: string): number {
	let h = 2166136261;
	for (let i = 0; i < text.length; i++)
		h = Math.imul(h ^ text.charCodeAt(i), 16777619);
	h ^= h >>> 15;
	return h >>> 0;
}

/* What a reader calls the module of a frame: its library, or the folder that its file is in. */
export function moduleKey(p: Profile, frame: number): string {
	const m = frameModule(p, frame);
	if (m !== "")
		return m.slice(m.lastIndexOf("/") + 1);
	const folders = frameFile(p, frame).split("/");
	return folders[folders.length - 2] ?? folders[0] ?? "";
}

/* Palette index of every frame, for colouring by runtime or by module. */
export function frameColours(p: Profile, by: Colour): Uint8Array {
	const n = p.frameName.length;
	const out = new Uint8Array(n);
	for (let f = 0; f < n; f++) {
		const kind = p.frameKind[f] as number;
		let hue = kind < FIRST_MODULE ? kind : KIND.native as number;
		if (by === "module" && kind !== KIND.process && kind !== KIND.mark) {
			const m = moduleKey(p, f);
			hue = m === "" ? KIND.process : FIRST_MODULE + hash(m) % MODULES;
		}
		out[f] = hue * SHADES + hash(frameName(p, f)) % SHADES;
	}
	return out;
}

/* Palette index of a node by the share of its own time in all of its time. */
export function heatIndex(self: number, total: number): number {
	const share = total > 0 ? self / total : 0;
	return HEAT * SHADES + Math.min(SHADES - 1, Math.floor(share * SHADES));
}

/* Palette index of a node by how it changed: -1 is all less, 1 all more. */
export function changeIndex(by: number): number {
	return CHANGE + STEPS + Math.round(Math.min(1, Math.max(-1, by)) * STEPS);
}

/* The colour that stands for a runtime in legends and the table. */
export function kindFill(theme: Theme, kind: number): string {
	return palette(theme).fill[kind * SHADES + 2] ?? palette(theme).rest[1];
}
