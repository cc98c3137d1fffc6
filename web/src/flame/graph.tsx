// The flame graph as a component: gives the canvas its size and scene, and turns pointer and keys
// into selections and zooms. What is zoomed and searched belongs to the address, not to this file.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Colour } from "../state/route";
import { useTheme } from "../state/theme";
import { FlameCanvas, ROW } from "./canvas";
import { frameColours, palette } from "./colour";
import { describe, spoken } from "./describe";
import { REST } from "./profile";
import type { Profile } from "./profile";
import { Pointer } from "./pointer";
import { keyTarget } from "./walk";
import { Tooltip } from "./tooltip";

export interface GraphProps {
	profile: Profile;
	zoomed: number;
	window: readonly [number, number] | null;
	matched: Uint8Array | null;
	selected: number;
	selectedFrame: number;
	colour: Colour;
	up: boolean;
	onSelect: (node: number) => void;
	onZoom: (node: number) => void;
	onWindow: (w: [number, number]) => void;
	onRest: (node: number) => void;
	restHint: string;
	onMenu: (node: number, x: number, y: number) => void;
}

const still = matchMedia("(prefers-reduced-motion: reduce)");

function range(p: Profile, zoomed: number, free: readonly [number, number] | null): [number, number] {
	const all = Math.max(p.sum[0] as number, 1);
	if (free)
		return [free[0] * all, free[1] * all];
	const from = p.start[zoomed] as number;
	return [from, from + Math.max(p.sum[zoomed] as number, all * 1e-12)];
}

export function Graph(props: GraphProps) {
	const { profile, zoomed, selected } = props;
	const { theme } = useTheme();
	const scroller = useRef<HTMLDivElement>(null);
	const canvas = useRef<HTMLCanvasElement>(null);
	const flame = useRef<FlameCanvas | null>(null);
	const latest = useRef(props);
	latest.current = props;
	const shownProfile = useRef<Profile | null>(null);
	const measured = useRef(true);
	const [height, setHeight] = useState(0);
	const colours = useMemo(() => frameColours(profile, props.colour), [profile, props.colour]);

	useLayoutEffect(() => {
		const box = scroller.current as HTMLDivElement, c = canvas.current as HTMLCanvasElement;
		const f = new FlameCanvas(c, () => {
			if (!measured.current) {
				measured.current = true;
				performance.measure("glim:data-to-paint", "glim:data");
			}
		});
		flame.current = f;
		const tip = new Tooltip(document.body);
		const pointer = new Pointer(box, c, f, {
			hover(node, x) {
				f.hover(node);
				if (node < 0)
					return tip.hide();
				const { profile: p, zoomed: z, restHint } = latest.current;
				const at = c.getBoundingClientRect(), b = f.box(node);
				const hint = p.frame[node] === REST ? restHint : "";
				tip.show(describe(p, node, z), hint, x, at.top + b.top, at.top + b.bottom);
			},
			pick(node) {
				const { profile: p, onRest, onSelect, onZoom } = latest.current;
				tip.hide(); /* its figures speak of the view before */
				if (p.frame[node] === REST)
					return onRest(node);
				onSelect(node);
				onZoom(node);
			},
			menu: (node, x, y) => latest.current.onMenu(node, x, y),
			settle(a, b) {
				const all = latest.current.profile.sum[0] as number;
				if (all > 0)
					latest.current.onWindow([a / all, b / all]);
			},
			total: () => latest.current.profile.sum[0] as number,
		});
		const fit = () => {
			const w = box.clientWidth, h = box.clientHeight;
			c.style.width = `${w}px`;
			c.style.height = `${h}px`;
			f.resize(w, h, devicePixelRatio || 1);
			setHeight(h);
		};
		const observer = new ResizeObserver(fit);
		observer.observe(box);
		fit();
		const scrolled = () => f.scroll(box.scrollTop);
		box.addEventListener("scroll", scrolled, { passive: true });
		return () => {
			observer.disconnect();
			box.removeEventListener("scroll", scrolled);
			pointer.stop();
			tip.remove();
			f.stop();
		};
	}, []);

	useLayoutEffect(() => {
		const f = flame.current as FlameCanvas;
		const fresh = shownProfile.current !== profile;
		if (fresh)
			measured.current = performance.getEntriesByName("glim:data").length === 0;
		f.show({
			profile, colours, by: props.colour, matched: props.matched,
			palette: palette(theme), up: props.up, zoomed, selected,
			selectedFrame: props.selectedFrame,
		});
	}, [profile, colours, props.colour, props.matched, theme, props.up, zoomed, selected,
		props.selectedFrame]);

	useLayoutEffect(() => {
		const f = flame.current as FlameCanvas;
		const [a, b] = range(profile, zoomed, props.window);
		const [x0, x1] = f.view();
		const fresh = shownProfile.current !== profile;
		shownProfile.current = profile;
		if (fresh || a !== x0 || b !== x1)
			f.look(a, b, !fresh && !still.matches);
	}, [profile, zoomed, props.window]);

	useEffect(() => {
		const box = scroller.current as HTMLDivElement;
		if (selected >= 0)
			box.scrollTop = (flame.current as FlameCanvas).scrollFor(selected);
		else if (props.up)
			box.scrollTop = box.scrollHeight;
	}, [profile, selected, props.up]);

	const onKey = (e: KeyboardEvent) => {
		if (e.ctrlKey || e.metaKey || e.altKey)
			return;
		const at = selected >= 0 ? selected : zoomed;
		if (e.key === "Enter" || e.key === " ") {
			e.preventDefault();
			if (profile.frame[at] === REST)
				props.onRest(at);
			else
				props.onZoom(at);
			return;
		}
		if (e.key === "." || e.key === "ContextMenu" || (e.key === "F10" && e.shiftKey)) {
			e.preventDefault();
			const b = (flame.current as FlameCanvas).box(at);
			const r = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
			props.onMenu(at, r.left + b.left + 8, r.top + b.bottom + 2);
			return;
		}
		const to = keyTarget(profile, at, props.up ? flip(e.key) : e.key);
		if (to >= 0) {
			e.preventDefault();
			props.onSelect(to);
		}
	};

	return (
		<div class="flame" ref={scroller} tabIndex={0} role="application" onKeyDown={onKey}
			aria-label="Flame graph. Arrows move between frames, Enter zooms, full stop opens the menu of a frame. The table holds the same figures."
			aria-describedby="flame-at">
			<canvas class="flame-canvas" ref={canvas} aria-hidden="true" />
			<Spacer height={Math.max(0, profile.rows * ROW - height)} />
			<p class="hear" id="flame-at" aria-live="polite">
				{selected >= 0 && selected < profile.count ? spoken(profile, selected, zoomed) : ""}
			</p>
		</div>
	);
}

function flip(key: string): string {
	return key === "ArrowUp" ? "ArrowDown" : key === "ArrowDown" ? "ArrowUp" : key;
}

/* Gives the scroll bar its length; the canvas itself is never taller than the screen. */
function Spacer({ height }: { height: number }) {
	return <div class="flame-spacer" style={{ height: `${height}px` }} />;
}
