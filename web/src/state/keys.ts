// Single keys of the page, and pairs like `g h`. They rest while the reader types or a panel is open.

export type KeyMap = Record<string, () => void>;

const PAIR_MS = 900;
const maps: KeyMap[] = [];
let first = "", firstAt = 0;

function busy(target: EventTarget | null): boolean {
	const t = target as HTMLElement | null;
	return t instanceof HTMLInputElement || t instanceof HTMLTextAreaElement ||
		t instanceof HTMLSelectElement || t?.closest(".panel, dialog") != null;
}

function lookUp(key: string): (() => void) | undefined {
	for (let i = maps.length - 1; i >= 0; i--) {
		const f = maps[i]?.[key];
		if (f)
			return f;
	}
	return undefined;
}

function handle(e: KeyboardEvent): void {
	if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || busy(e.target))
		return;
	const now = performance.now();
	const pair = now - firstAt < PAIR_MS ? lookUp(`${first} ${e.key}`) : undefined;
	first = e.key;
	firstAt = now;
	const f = pair ?? lookUp(e.key);
	if (f) {
		e.preventDefault();
		f();
	}
}

addEventListener("keydown", handle);

/* Add keys; the map given last wins. The answer takes them away again. */
export function startKeys(map: KeyMap): () => void {
	maps.push(map);
	return () => {
		maps.splice(maps.indexOf(map), 1);
	};
}
