// A button that opens a small panel under itself. Esc and a click elsewhere close it; the focus goes
// in and comes back; arrows walk through what can be chosen.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const EDGE = 8;

/* Keep a panel under its anchor and inside the window. */
export function place(panel: HTMLElement, x: number, top: number, bottom: number, alignRight = false): void {
	const { offsetWidth: w, offsetHeight: h } = panel;
	const wanted = alignRight ? x - w : x;
	const left = Math.max(EDGE, Math.min(wanted, innerWidth - w - EDGE));
	const below = bottom + 4;
	const y = below + h <= innerHeight - EDGE || top < h ? below : top - 4 - h;
	panel.style.left = `${left}px`;
	panel.style.top = `${Math.max(EDGE, Math.min(y, innerHeight - h - EDGE))}px`;
}

/* What an open panel does with keys: arrows, Home, End, Esc, and Tab stays inside. */
export function panelKeys(panel: HTMLElement, close: () => void): (e: KeyboardEvent) => void {
	return (e) => {
		if (e.key === "Escape") {
			e.preventDefault();
			e.stopPropagation();
			return close();
		}
		const all = [...panel.querySelectorAll<HTMLElement>(
			"button:not(:disabled), input:not(:disabled), select, a[href]")];
		if (all.length === 0)
			return;
		const active = document.activeElement;
		const at = all.indexOf(active as HTMLElement);
		const typing = active instanceof HTMLInputElement;
		/* these have a use of their own for the arrows, and a date has parts to tab through */
		const date = typing && active.type === "datetime-local";
		if ((date && at > 0 && at < all.length - 1) || (active instanceof HTMLSelectElement && e.key.startsWith("Arrow")))
			return;
		let to = -1;
		if (e.key === "ArrowDown" || (e.key === "Tab" && !e.shiftKey))
			to = (at + 1) % all.length;
		else if (e.key === "ArrowUp" || e.key === "Tab")
			to = (at - 1 + all.length) % all.length;
		else if (e.key === "Home" && !typing)
			to = 0;
		else if (e.key === "End" && !typing)
			to = all.length - 1;
		if (to < 0)
			return;
		e.preventDefault();
		all[to]?.focus();
	};
}

export interface PopoverProps {
	label: ComponentChildren;
	title: string; /* what the button and the panel are called */
	cls?: string;
	panelCls?: string;
	right?: boolean; /* align the right edges */
	named?: boolean; /* the label has words of its own, which are the name of the button */
	children: (close: () => void) => ComponentChildren;
}

export function Popover({ label, title, cls = "button", panelCls = "", right = false, named = false, children }: PopoverProps) {
	const [open, set] = useState(false);
	const button = useRef<HTMLButtonElement>(null);
	const panel = useRef<HTMLDivElement>(null);
	const close = () => {
		set(false);
		button.current?.focus();
	};

	useLayoutEffect(() => {
		const p = panel.current, b = button.current;
		if (!open || !p || !b)
			return;
		const fit = () => {
			const r = b.getBoundingClientRect();
			place(p, right ? r.right : r.left, r.top, r.bottom, right);
		};
		fit();
		const watch = new ResizeObserver(fit);
		watch.observe(p);
		(p.querySelector<HTMLElement>("[data-first], [aria-pressed=true]") ??
			p.querySelector<HTMLElement>("input, button, a") ?? p).focus({ preventScroll: true });
		return () => watch.disconnect();
	}, [open]);

	useEffect(() => {
		if (!open)
			return;
		const outside = (e: PointerEvent) => {
			const t = e.target as Node;
			if (!panel.current?.contains(t) && !button.current?.contains(t))
				set(false);
		};
		addEventListener("pointerdown", outside, true);
		return () => removeEventListener("pointerdown", outside, true);
	}, [open]);

	return (
		<>
			<button type="button" class={cls} ref={button} aria-haspopup="dialog" aria-expanded={open}
				title={title} aria-label={named ? undefined : title}
				onClick={() => set(!open)}>{label}</button>
			{open && (
				<div class={`panel ${panelCls}`} ref={panel} role="dialog" aria-label={title} tabIndex={-1}
					onKeyDown={(e) => panel.current && panelKeys(panel.current, close)(e)}>
					{children(close)}
				</div>
			)}
		</>
	);
}
