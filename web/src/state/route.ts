// The address is the state: everything that narrows what the reader sees is in it, so that a link
// shows the same view and Back undoes the last step. Both directions are pure functions.
import { isTime } from "./time";

export type Page = "home" | "service" | "keys" | "start";
export type View = "flame" | "table" | "both";
export type Colour = "runtime" | "module" | "self" | "change"; /* change: of two recordings */

export interface Route {
	page: Page;
	service: string;
	type: string;
	from: string;
	until: string;
	live: boolean;
	filters: readonly string[];
	view: View;
	zoom: string; /* path hash of the zoomed frame, "" for everything */
	window: readonly [number, number] | null; /* shares of the total, when zoomed freely */
	search: string;
	colour: Colour;
	up: boolean; /* root at the bottom */
	detail: number; /* how many times finer than the screen the server is asked */
	sort: string;
}

export const DEFAULTS: Route = {
	page: "home", service: "", type: "cpu", from: "now-1h", until: "now", live: false, filters: [],
	view: "flame", zoom: "", window: null, search: "", colour: "runtime", up: false, detail: 1, sort: "",
};

const PATHS: Record<Page, string> = {
	home: "/", service: "/service", keys: "/keys", start: "/start",
};

export const MAX_DETAIL = 64; /* times a window of 1,600 px is what the server takes at most */

function oneOf<T extends string>(text: string | null, all: readonly T[], fallback: T): T {
	return all.includes(text as T) ? text as T : fallback;
}

function parseWindow(text: string | null): readonly [number, number] | null {
	const parts = text?.split(",").map(Number) ?? [];
	const [a, b] = parts;
	if (parts.length !== 2 || a === undefined || b === undefined || !(a >= 0 && b <= 1 && b > a))
		return null;
	return [a, b];
}

function parseDetail(text: string | null): number {
	const n = Number(text ?? 1);
	return Number.isFinite(n) ? Math.min(Math.max(Math.round(n), 1), MAX_DETAIL) : 1;
}

/* The state of an address; whatever it does not say or says wrongly is the default. */
export function parseRoute(path: string, query: string, defaults: Route = DEFAULTS): Route {
	const q = new URLSearchParams(query);
	const page = (Object.keys(PATHS) as Page[]).find((p) => PATHS[p] === path) ?? "home";
	const time = (k: "from" | "until") => {
		const t = q.get(k);
		return t !== null && isTime(t) ? t : DEFAULTS[k];
	};
	return {
		page,
		service: q.get("service") ?? "",
		type: q.get("type") || DEFAULTS.type,
		from: time("from"),
		until: time("until"),
		live: q.get("live") === "1",
		filters: q.getAll("filter"),
		view: oneOf(q.get("view"), ["flame", "table", "both"], DEFAULTS.view),
		zoom: /^[0-9a-f]{16}$/.test(q.get("zoom") ?? "") ? q.get("zoom") ?? "" : "",
		window: parseWindow(q.get("window")),
		search: q.get("search") ?? "",
		colour: oneOf(q.get("colour"), ["runtime", "module", "self"], defaults.colour),
		up: q.get("root") === "bottom",
		detail: parseDetail(q.get("detail")),
		sort: q.get("sort") ?? "",
	};
}

/* The shortest address of a state: defaults are left out. */
export function formatRoute(r: Route, defaults: Route = DEFAULTS): string {
	const q = new URLSearchParams();
	const put = (k: string, v: string, fallback: string) => {
		if (v !== fallback)
			q.append(k, v);
	};
	put("service", r.service, "");
	if (r.page === "service") {
		put("type", r.type, DEFAULTS.type);
		put("from", r.from, DEFAULTS.from);
		put("until", r.until, DEFAULTS.until);
		put("live", r.live ? "1" : "", "");
		for (const f of r.filters)
			q.append("filter", f);
		put("view", r.view, DEFAULTS.view);
		put("zoom", r.zoom, "");
		put("window", r.window ? r.window.map((x) => Number(x.toPrecision(9))).join(",") : "", "");
		put("search", r.search, "");
		put("colour", r.colour, defaults.colour);
		put("root", r.up ? "bottom" : "", "");
		put("detail", String(r.detail), "1");
	}
	put("sort", r.sort, "");
	const text = q.toString().replace(/%2C/g, ",").replace(/%3D/g, "=").replace(/%2F/g, "/");
	return PATHS[r.page] + (text === "" ? "" : `?${text}`);
}

/* A filter is label, operator, value; null when the text is none. */
export interface Filter {
	label: string;
	op: "=" | "!=" | "=~" | "!~";
	value: string;
}

export function parseFilter(text: string): Filter | null {
	const m = /^([A-Za-z0-9_.-]+)(!=|=~|!~|=)(.*)$/s.exec(text);
	return m ? { label: m[1] ?? "", op: m[2] as Filter["op"], value: m[3] ?? "" } : null;
}

export function formatFilter(f: Filter): string {
	return f.label + f.op + f.value;
}
