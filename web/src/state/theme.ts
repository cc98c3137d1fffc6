// Light or dark: the system decides until the reader does.
import { useEffect, useState } from "preact/hooks";

export type Choice = "system" | "light" | "dark";
export type Theme = "light" | "dark";

const STORE = "glim.theme";
const media = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function stored(): Choice {
	try {
		const t = localStorage.getItem(STORE);
		return t === "light" || t === "dark" ? t : "system";
	} catch {
		return "system"; /* storage may be forbidden; the choice then lasts until the reload */
	}
}

let choice = stored();

export function theme(): Theme {
	if (choice !== "system")
		return choice;
	return media.matches ? "dark" : "light";
}

function apply(): void {
	document.documentElement.dataset["theme"] = theme();
	for (const l of [...listeners])
		l();
}

export function choose(c: Choice): void {
	choice = c;
	try {
		if (c === "system")
			localStorage.removeItem(STORE);
		else
			localStorage.setItem(STORE, c);
	} catch {
		/* see stored() */
	}
	apply();
}

export function startTheme(): void {
	media.addEventListener("change", apply);
	apply();
}

export function useTheme(): { theme: Theme; choice: Choice } {
	const [, turn] = useState(0);
	useEffect(() => {
		const f = () => turn((n) => n + 1);
		listeners.add(f);
		return () => {
			listeners.delete(f);
		};
	}, []);
	return { theme: theme(), choice };
}
