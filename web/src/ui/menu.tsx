// A menu at a point of the screen: right click on a frame, or its key.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { panelKeys, place } from "./popover";

export interface MenuItem {
	label: string;
	hint?: string;
	run: () => void;
}

export function Menu({ title, items, x, y, close }:
		{ title: string; items: readonly MenuItem[]; x: number; y: number; close: () => void }) {
	const panel = useRef<HTMLDivElement>(null);
	const before = useRef(document.activeElement as HTMLElement | null);

	useLayoutEffect(() => {
		const p = panel.current as HTMLDivElement;
		place(p, x, y, y);
		p.querySelector("button")?.focus();
		return () => before.current?.focus({ preventScroll: true });
	}, [x, y]);

	useEffect(() => {
		const outside = (e: PointerEvent) => {
			if (!panel.current?.contains(e.target as Node))
				close();
		};
		addEventListener("pointerdown", outside, true);
		addEventListener("blur", close);
		return () => {
			removeEventListener("pointerdown", outside, true);
			removeEventListener("blur", close);
		};
	}, [close]);

	return (
		<div class="panel menu" role="menu" aria-label={title} ref={panel}
			onKeyDown={(e) => panel.current && panelKeys(panel.current, close)(e)}>
			<div class="menu-title" role="presentation">{title}</div>
			{items.map((i) => (
				<button type="button" role="menuitem" class="choice" key={i.label}
					onClick={() => {
						close();
						i.run();
					}}>
					<span>{i.label}</span>{i.hint && <kbd>{i.hint}</kbd>}
				</button>
			))}
		</div>
	);
}
