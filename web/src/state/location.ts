// The browser's address as a store: go() changes it, useRoute() follows it.
import { useEffect, useState } from "preact/hooks";
import { DEFAULTS, formatRoute, parseRoute } from "./route";
import type { Colour, Route } from "./route";

type Listener = (r: Route) => void;

const listeners = new Set<Listener>();
let current = parseRoute(location.pathname, location.search);
let inHash = false;
let fixed: Partial<Route> = {};
let defaults = DEFAULTS;

function readHash(): Route {
	return { ...parseRoute("/service", location.hash.slice(1), defaults), ...fixed };
}

/* For a page that is one file: the state stands behind #, what is in `keep` stays as it is, and a
 * choice of colours that the address does not hold is `colour`. */
export function stayInFile(keep: Partial<Route>, colour: Colour): void {
	inHash = true;
	defaults = { ...DEFAULTS, colour };
	fixed = { page: "service", ...keep };
	current = readHash();
}

function announce(): void {
	for (const l of [...listeners])
		l(current);
}

export function route(): Route {
	return current;
}

/* Change part of the state. A step that Back should undo is pushed; a correction of the same step
 * (typing on, a live view that moves) replaces it. */
export function go(patch: Partial<Route>, how: "push" | "replace" = "push"): void {
	const next = { ...current, ...patch };
	const address = inHash ? `#${formatRoute({ ...next, service: "", type: DEFAULTS.type }, defaults).replace(/^[^?]*\??/, "")}` : formatRoute(next);
	current = next;
	if (address !== (inHash ? location.hash || "#" : location.pathname + location.search)) {
		if (how === "push")
			history.pushState(null, "", address);
		else
			history.replaceState(null, "", address);
	}
	announce();
}

/* Open another page with nothing carried over but what is given. */
export function open(patch: Partial<Route>): void {
	go({ ...DEFAULTS, ...patch });
}

export function href(patch: Partial<Route>): string {
	return formatRoute({ ...DEFAULTS, ...patch });
}

/* Handler for links inside the page; leaves new tabs and windows to the browser. */
export function follow(patch: Partial<Route>): (e: MouseEvent) => void {
	return (e) => {
		if (e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey)
			return;
		e.preventDefault();
		open(patch);
	};
}

addEventListener("popstate", () => {
	current = inHash ? readHash() : parseRoute(location.pathname, location.search);
	announce();
});

export function useRoute(): Route {
	const [r, set] = useState(current);
	useEffect(() => {
		listeners.add(set);
		set(current);
		return () => {
			listeners.delete(set);
		};
	}, []);
	return r;
}
