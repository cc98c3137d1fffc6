// Line icons on a 16 px grid, drawn for this page.
const PATHS = {
	copy: "M5.5 5.5V3.2c0-.4.3-.7.7-.7h6.6c.4 0 .7.3.7.7v6.6c0 .4-.3.7-.7.7h-2.3M3.2 5.5h6.6c.4 0 .7.3.7.7v6.6c0 .4-.3.7-.7.7H3.2a.7.7 0 0 1-.7-.7V6.2c0-.4.3-.7.7-.7Z",
	check: "m3 8.5 3.2 3.2L13 4.8",
	close: "m4 4 8 8m0-8-8 8",
	down: "m4.5 6.5 3.5 3.5 3.5-3.5",
	left: "M9.5 4 5.5 8l4 4",
	right: "m6.5 4 4 4-4 4",
	plus: "M8 3.5v9M3.5 8h9",
	search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Zm3.3-1.2 3.2 3.2",
	help: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Zm-1.8-7.6c0-1 .8-1.7 1.8-1.7s1.8.7 1.8 1.6c0 1.3-1.8 1.4-1.8 2.7m0 2v.3",
	sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6ZM8 1.5V3m0 10v1.5M1.5 8H3m10 0h1.5M3.4 3.4l1 1m7.2 7.2 1 1m0-9.2-1 1m-7.2 7.2-1 1",
	moon: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8Z",
	screen: "M2.5 3.5h11v7h-11zM6 13h4M8 10.5V13",
	user: "M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Zm-4.7 5.3a4.8 4.8 0 0 1 9.4 0",
	key: "M9.2 6.8a3.3 3.3 0 1 1-2 2m0 0-.4.4-4.3 4.3m4.7-4.7L3.9 12m0 0 1.5 1.5",
	more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
	save: "M8 2.5v7m0 0L5 6.7m3 2.8 3-2.8M3 11v2.3h10V11",
	flip: "M5 2.5v11m0 0-2.2-2.2M5 13.5l2.2-2.2M11 13.5v-11m0 0L8.8 4.7M11 2.5l2.2 2.2",
	reset: "M3 3v3.2h3.2M3.3 6.2A5.2 5.2 0 1 1 2.8 9",
	back: "M13 8H3m0 0 4-4M3 8l4 4",
	warn: "M8 2.5 14 13H2L8 2.5Zm0 4v3m0 1.7v.3",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
	return (
		<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
			<path d={PATHS[name]} fill="none" stroke="currentColor" stroke-width="1.4"
				stroke-linecap="round" stroke-linejoin="round" />
		</svg>
	);
}

export function Brand() {
	return (
		<svg class="brand-mark" viewBox="0 0 16 16" width="18" height="18" aria-hidden="true">
			<rect x="1.5" y="2" width="13" height="3.4" rx=".8" class="glow-1" />
			<rect x="1.5" y="6.3" width="9" height="3.4" rx=".8" class="glow-2" />
			<rect x="1.5" y="10.6" width="4.6" height="3.4" rx=".8" class="glow-3" />
		</svg>
	);
}
