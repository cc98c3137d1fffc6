// Draws a profile on a canvas. Only rows on the screen are drawn, and in a row only what is at least
// half a pixel wide; the rest of it is one hatched run. Nothing here knows of the page around it.
import { isGone, turn } from "./change";
import { changeIndex, heatIndex } from "./colour";
import type { Colour } from "../state/route";
import type { Palette } from "./colour";
import { frameName, lastBefore, nodeAt, nodeLine, REST, ROOT } from "./profile";
import type { Profile } from "./profile";
import { TextFitter } from "./text";

export const ROW = 20;
const BOX = ROW - 1;
const NARROW = 0.5; /* CSS pixels under which frames join a hatched run */
const HATCHED = 4; /* runs narrower than this have the colour of their first frame */
const TEXT_FROM = 22;
const PAD = 5;
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
const EASE_MS = 150;

export interface Scene {
	profile: Profile;
	colours: Uint8Array; /* palette index by frame */
	by: Colour; /* self and change are of the node, the others of its frame */
	matched: Uint8Array | null; /* by frame */
	palette: Palette;
	up: boolean; /* root at the bottom */
	zoomed: number; /* node that fills the width */
	selected: number;
	selectedFrame: number; /* every node of this function is outlined, -1 none */
}

let shared: TextFitter | null = null;

/* Letters are measured once for all graphs; a page may do so while it waits for the data. */
export function fitter(): TextFitter {
	if (!shared) {
		const ctx = document.createElement("canvas").getContext("2d");
		if (!ctx)
			throw new Error("This browser has no canvas.");
		ctx.font = FONT;
		shared = new TextFitter((t) => ctx.measureText(t).width);
	}
	return shared;
}

export class FlameCanvas {
	private readonly ctx: CanvasRenderingContext2D;
	private readonly fitter = fitter();
	private scene: Scene | null = null;
	private hatch: CanvasPattern | null = null;
	private goneHatch: CanvasPattern | null = null;
	private hatchOf: Palette | null = null;
	private width = 0;
	private height = 0;
	private ratio = 1;
	private x0 = 0;
	private x1 = 1;
	private top = 0;
	private hovered = -1;
	private frameId = 0;
	private easing: { from: [number, number]; to: [number, number]; begun: number } | null = null;
	private filled = "";

	constructor(private readonly canvas: HTMLCanvasElement, private readonly painted: () => void) {
		const ctx = canvas.getContext("2d", { alpha: false });
		if (!ctx)
			throw new Error("This browser has no canvas.");
		this.ctx = ctx;
	}

	stop(): void {
		cancelAnimationFrame(this.frameId);
		this.frameId = 0;
	}

	resize(width: number, height: number, ratio: number): void {
		this.width = width;
		this.height = height;
		this.ratio = ratio;
		this.canvas.width = Math.round(width * ratio);
		this.canvas.height = Math.round(height * ratio);
		this.hatchOf = null;
		this.draw(); /* at once: a resized canvas is empty */
	}

	show(scene: Scene): void {
		if (this.scene?.profile !== scene.profile)
			this.hovered = -1;
		this.scene = scene;
		this.ask();
	}

	scroll(top: number): void {
		this.top = top;
		this.ask();
	}

	/* Show [x0, x1] of the profile, in its unit. */
	look(x0: number, x1: number, ease: boolean): void {
		if (ease && this.width > 0) {
			this.easing = { from: [this.x0, this.x1], to: [x0, x1], begun: performance.now() };
		} else {
			this.easing = null;
			this.x0 = x0;
			this.x1 = x1;
		}
		this.ask();
	}

	view(): [number, number] {
		return this.easing ? this.easing.to : [this.x0, this.x1];
	}

	hover(node: number): void {
		if (node !== this.hovered) {
			this.hovered = node;
			this.ask();
		}
	}

	contentHeight(): number {
		return this.scene ? this.scene.profile.rows * ROW : 0;
	}

	/* Node under a point of the canvas, -1 for none. */
	at(x: number, y: number): number {
		const s = this.scene;
		if (!s || this.width === 0)
			return -1;
		const depth = this.rowAt(y);
		return nodeAt(s.profile, depth, this.x0 + x * (this.x1 - this.x0) / this.width);
	}

	/* Where a node is on the canvas, clipped to its width. */
	box(node: number): { left: number; right: number; top: number; bottom: number } {
		const s = this.scene as Scene, p = s.profile;
		const k = this.width / (this.x1 - this.x0);
		const left = ((p.start[node] as number) - this.x0) * k;
		const right = left + (p.sum[node] as number) * k;
		const top = this.rowTop(p.depth[node] as number);
		return {
			left: Math.max(0, left), right: Math.min(this.width, right),
			top, bottom: top + BOX,
		};
	}

	/* The scroll position that brings the row of a node on the screen. */
	scrollFor(node: number): number {
		const s = this.scene as Scene;
		const depth = s.profile.depth[node] as number;
		const y = s.up ? this.contentHeight() - (depth + 1) * ROW : depth * ROW;
		if (y < this.top)
			return Math.max(0, y - ROW);
		if (y + ROW > this.top + this.height)
			return y + 2 * ROW - this.height;
		return this.top;
	}

	private rowAt(y: number): number {
		const s = this.scene as Scene;
		const row = Math.floor((y + this.top - this.rise()) / ROW);
		return s.up ? s.profile.rows - 1 - row : row;
	}

	private rowTop(depth: number): number {
		const s = this.scene as Scene;
		const row = s.up ? s.profile.rows - 1 - depth : depth;
		return row * ROW - this.top + this.rise();
	}

	/* With the root at the bottom a short profile stands on the lower edge. */
	private rise(): number {
		return this.scene?.up ? Math.max(0, this.height - this.contentHeight()) : 0;
	}

	private ask(): void {
		if (this.frameId === 0)
			this.frameId = requestAnimationFrame(() => {
				this.frameId = 0;
				this.step();
				this.draw();
			});
	}

	private step(): void {
		const e = this.easing;
		if (!e)
			return;
		const t = Math.min(1, (performance.now() - e.begun) / EASE_MS);
		const k = 1 - (1 - t) ** 3;
		this.x0 = e.from[0] + (e.to[0] - e.from[0]) * k;
		this.x1 = e.from[1] + (e.to[1] - e.from[1]) * k;
		if (t < 1)
			this.ask();
		else
			this.easing = null;
	}

	private draw(): void {
		const { ctx, scene } = this;
		if (!scene || this.width === 0)
			return;
		const p = scene.profile;
		ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
		ctx.font = FONT;
		ctx.textBaseline = "middle";
		this.prepareHatch(scene.palette);
		this.filled = "";
		this.fill(scene.palette.ground);
		ctx.fillRect(0, 0, this.width, this.height);
		const a = this.rowAt(0), b = this.rowAt(this.height);
		const first = Math.max(0, Math.min(a, b)), last = Math.min(p.rows - 1, Math.max(a, b));
		for (let d = first; d <= last; d++)
			this.drawRow(scene, d);
		this.outline(scene, this.hovered, 1);
		this.outline(scene, scene.selected, 2);
		this.painted();
	}

	private fill(colour: string): void {
		if (colour !== this.filled) {
			this.ctx.fillStyle = colour;
			this.filled = colour;
		}
	}

	private drawRow(s: Scene, depth: number): void {
		const p = s.profile;
		const lo = p.rowStart[depth] as number, hi = p.rowStart[depth + 1] as number;
		const k = this.width / (this.x1 - this.x0);
		const y = this.rowTop(depth);
		let runFrom = -1, runTo = -1, runNode = -1;
		for (let i = Math.max(lo, lastBefore(p, lo, hi, this.x0)); i < hi; i++) {
			const node = p.rowNode[i] as number;
			const left = ((p.start[node] as number) - this.x0) * k;
			if (left >= this.width)
				break;
			let right = left + (p.sum[node] as number) * k;
			if (right <= 0)
				continue;
			if (right - left >= NARROW && p.frame[node] !== REST) {
				this.drawBox(s, node, left, right, y);
				continue;
			}
			if (right - left < NARROW) {
				/* jump over everything that begins within the next pixel */
				let j = lastBefore(p, i, hi, this.x0 + (left + 1) / k);
				while (j > i && (p.sum[p.rowNode[j] as number] as number) * k >= NARROW)
					j--;
				i = Math.max(i, j);
				const end = p.rowNode[i] as number;
				right = ((p.start[end] as number) + (p.sum[end] as number) - this.x0) * k;
			}
			if (left > runTo + 1) {
				this.drawRun(s, runNode, runFrom, runTo, y);
				runFrom = left;
				runNode = node;
			}
			runTo = right;
		}
		this.drawRun(s, runNode, runFrom, runTo, y);
	}

	private drawRun(s: Scene, first: number, from: number, to: number, y: number): void {
		const left = Math.max(0, from), right = Math.min(this.width, to);
		if (right <= left)
			return;
		if (right - left < HATCHED || !this.hatch) {
			this.fillNode(s, first); /* too narrow for lines: its first frame speaks for all */
		} else {
			this.ctx.fillStyle = this.hatch;
			this.filled = "";
		}
		this.ctx.fillRect(left, y, Math.max(right - left, 0.5), BOX);
	}

	private drawBox(s: Scene, node: number, l: number, r: number, y: number): void {
		const { ctx } = this;
		const p = s.profile, f = p.frame[node] as number, pal = s.palette;
		const left = Math.max(0, l), right = Math.min(this.width, r);
		/* a gap between neighbours as long as it does not eat them up */
		const w = right - left > 3 ? right - left - 1 : right - left;
		const isMatch = s.matched !== null && f >= 0 && s.matched[f] === 1;
		const dim = this.fillNode(s, node);
		ctx.fillRect(left, y, w, BOX);
		if (isMatch || (f >= 0 && f === s.selectedFrame)) {
			this.fill(pal.match);
			ctx.fillRect(left, y + BOX - 2, w, 2);
		}
		if (w >= TEXT_FROM)
			this.drawText(s, node, f, left, w, y, dim);
	}

	/* Take the colour of a node; answers whether it is a dim one: no match, or above what is zoomed. */
	private fillNode(s: Scene, node: number): boolean {
		const p = s.profile, f = p.frame[node] as number;
		const dim = s.matched !== null ? f < 0 || s.matched[f] !== 1
			: node < s.zoomed && s.zoomed < (p.end[node] as number);
		if (p.change && !dim && this.goneHatch && isGone(p.change, node)) {
			this.ctx.fillStyle = this.goneHatch;
			this.filled = "";
		} else {
			this.fill((dim ? s.palette.fillDim : s.palette.fill)[this.colourOf(s, node, f)] as string);
		}
		return dim;
	}

	private colourOf(s: Scene, node: number, f: number): number {
		const p = s.profile;
		if (p.change && s.by === "change")
			return changeIndex(turn(p.change, node));
		if (f < 0)
			return 2;
		return s.by === "self" ? heatIndex(p.self[node] as number, p.sum[node] as number)
			: s.colours[f] as number;
	}

	private drawText(s: Scene, node: number, f: number, left: number, w: number, y: number,
			dim: boolean): void {
		const room = w - 2 * PAD;
		const name = f === ROOT ? `all of ${s.profile.service}` : frameName(s.profile, f);
		const text = this.fitter.fit(name, room);
		if (text === "")
			return;
		const middle = y + BOX / 2 + 0.5;
		this.fill(dim ? s.palette.textFaint : s.palette.text);
		this.ctx.fillText(text, left + PAD, middle);
		if (text !== name || room < 120)
			return;
		const used = this.fitter.width(name) + 8;
		const line = nodeLine(s.profile, node);
		const space = room - used;
		if (line === "" || space < 40)
			return;
		const rest = [line, line.slice(line.lastIndexOf("/") + 1)].find((t) => this.fitter.width(t) <= space);
		if (rest !== undefined) {
			this.fill(dim ? s.palette.textFaint : s.palette.textDim);
			this.ctx.fillText(rest, left + PAD + used, middle);
		}
	}

	private outline(s: Scene, node: number, width: number): void {
		if (node < 0 || node >= s.profile.count)
			return;
		const b = this.box(node);
		if (b.right <= b.left || b.bottom < 0 || b.top > this.height)
			return;
		const { ctx } = this;
		const w = Math.max(b.right - b.left - (b.right - b.left > 3 ? 1 : 0), 2);
		ctx.strokeStyle = width > 1 ? s.palette.accent : s.palette.text;
		ctx.lineWidth = width;
		ctx.strokeRect(b.left + width / 2, b.top + width / 2, Math.max(w - width, 1), BOX - width);
	}

	private prepareHatch(pal: Palette): void {
		if (this.hatchOf === pal)
			return;
		this.hatchOf = pal;
		this.hatch = this.makeHatch(pal.rest);
		this.goneHatch = this.makeHatch(pal.gone);
	}

	private makeHatch([ground, lines]: readonly [string, string]): CanvasPattern | null {
		const size = 6 * this.ratio;
		const tile = document.createElement("canvas");
		tile.width = tile.height = Math.round(size);
		const c = tile.getContext("2d");
		if (!c)
			return null;
		c.scale(tile.width / 6, tile.height / 6);
		c.fillStyle = ground;
		c.fillRect(0, 0, 6, 6);
		c.strokeStyle = lines;
		c.lineWidth = 1.2;
		c.beginPath();
		for (const d of [-6, 0, 6]) {
			c.moveTo(d - 1, 7);
			c.lineTo(d + 7, -1);
		}
		c.stroke();
		const pattern = this.ctx.createPattern(tile, "repeat");
		pattern?.setTransform(new DOMMatrix().scale(1 / this.ratio));
		return pattern;
	}
}
