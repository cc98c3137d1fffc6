// Mouse, pen and finger on the graph: hover, click, drag to pan, Ctrl and wheel to zoom.
import type { FlameCanvas } from "./canvas";

export interface PointerActions {
	hover: (node: number, x: number) => void;
	pick: (node: number) => void;
	menu: (node: number, x: number, y: number) => void;
	settle: (x0: number, x1: number) => void; /* a free view has come to rest */
	total: () => number;
}

const SLOP = 4; /* pixels that a click may move */
const REST_MS = 250;
const ZOOM_STEP = 0.0022;
const NARROWEST = 1e-9; /* of the total */

export class Pointer {
	private from: { x: number; y: number; x0: number; x1: number; top: number } | null = null;
	private dragged = false;
	private timer = 0;
	private readonly off = new AbortController();

	constructor(private readonly box: HTMLElement, private readonly canvas: HTMLCanvasElement,
			private readonly flame: FlameCanvas, private readonly actions: PointerActions) {
		const on = <K extends keyof HTMLElementEventMap>(type: K,
				f: (e: HTMLElementEventMap[K]) => void, passive = true) =>
			canvas.addEventListener(type, f, { signal: this.off.signal, passive });
		on("pointermove", (e) => this.move(e));
		on("pointerdown", (e) => this.down(e));
		on("pointerup", (e) => this.up(e));
		on("pointercancel", () => this.cancel());
		on("pointerleave", () => this.actions.hover(-1, 0));
		on("wheel", (e) => this.wheel(e), false);
		on("contextmenu", (e) => this.context(e), false);
	}

	stop(): void {
		clearTimeout(this.timer);
		this.off.abort();
	}

	private point(e: MouseEvent): [number, number] {
		const r = this.canvas.getBoundingClientRect();
		return [e.clientX - r.left, e.clientY - r.top];
	}

	private move(e: PointerEvent): void {
		const f = this.from;
		if (!f) {
			if (e.pointerType !== "touch")
				this.actions.hover(this.flame.at(...this.point(e)), e.clientX);
			return;
		}
		const dx = e.clientX - f.x, dy = e.clientY - f.y;
		if (!this.dragged && Math.hypot(dx, dy) < SLOP)
			return;
		if (!this.dragged) {
			this.dragged = true;
			this.canvas.setPointerCapture(e.pointerId);
			this.canvas.classList.add("dragging");
			this.actions.hover(-1, 0);
		}
		this.pan(f.x0, f.x1, -dx * (f.x1 - f.x0) / this.canvas.clientWidth);
		if (e.pointerType !== "touch")
			this.box.scrollTop = f.top - dy;
	}

	private down(e: PointerEvent): void {
		if (e.button !== 0)
			return;
		const [x0, x1] = this.flame.view();
		this.from = { x: e.clientX, y: e.clientY, x0, x1, top: this.box.scrollTop };
		this.dragged = false;
	}

	private up(e: PointerEvent): void {
		if (!this.from)
			return;
		const [x0, x1] = [this.from.x0, this.from.x1];
		const dragged = this.dragged;
		this.cancel();
		if (!dragged) {
			const node = this.flame.at(...this.point(e));
			if (node >= 0)
				this.actions.pick(node);
		} else {
			const [a, b] = this.flame.view();
			if (a !== x0 || b !== x1)
				this.actions.settle(a, b);
		}
	}

	private cancel(): void {
		this.from = null;
		this.dragged = false;
		this.canvas.classList.remove("dragging");
	}

	private context(e: MouseEvent): void {
		const node = this.flame.at(...this.point(e));
		if (node < 0)
			return;
		e.preventDefault();
		this.actions.menu(node, e.clientX, e.clientY);
	}

	private pan(x0: number, x1: number, by: number): void {
		const total = this.actions.total();
		const d = Math.max(-x0, Math.min(by, total - x1));
		this.flame.look(x0 + d, x1 + d, false);
	}

	private wheel(e: WheelEvent): void {
		const [x0, x1] = this.flame.view();
		const width = this.canvas.clientWidth;
		if (e.ctrlKey || e.metaKey) {
			e.preventDefault();
			const total = this.actions.total();
			const at = x0 + this.point(e)[0] / width * (x1 - x0);
			const want = (x1 - x0) * Math.exp(e.deltaY * ZOOM_STEP * (e.deltaMode === 1 ? 16 : 1));
			const length = Math.min(total, Math.max(want, total * NARROWEST));
			const left = at - (at - x0) / (x1 - x0) * length;
			const a = Math.max(0, Math.min(left, total - length));
			this.flame.look(a, a + length, false);
		} else if (e.deltaX !== 0 && Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
			e.preventDefault();
			this.pan(x0, x1, e.deltaX / width * (x1 - x0));
		} else {
			return;
		}
		clearTimeout(this.timer);
		this.timer = window.setTimeout(() => this.actions.settle(...this.flame.view()), REST_MS);
	}
}
