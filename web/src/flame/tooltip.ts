// The tooltip of the graph. Built once and filled by hand, so that it keeps up with the pointer.
import type { Description } from "./describe";

const GAP = 6;

function el(tag: string, cls: string, parent: HTMLElement): HTMLElement {
	const e = document.createElement(tag);
	e.className = cls;
	parent.append(e);
	return e;
}

export class Tooltip {
	private readonly box = document.createElement("div");
	private readonly name: HTMLElement;
	private readonly line: HTMLElement;
	private readonly heads: HTMLElement[] = [];
	private readonly cells: HTMLElement[] = [];
	private readonly hint: HTMLElement;

	constructor(parent: HTMLElement) {
		this.box.className = "tip";
		this.box.setAttribute("aria-hidden", "true"); /* the live line says the same */
		this.name = el("div", "tip-name", this.box);
		this.line = el("div", "tip-line", this.box);
		const table = el("div", "tip-grid", this.box);
		el("span", "tip-head", table);
		for (let i = 0; i < 4; i++)
			this.heads.push(el("span", "tip-head", table));
		for (const row of ["self", "total"]) {
			el("span", "tip-head", table).textContent = row;
			for (let i = 0; i < 4; i++)
				this.cells.push(el("span", "tip-cell", table));
		}
		this.hint = el("div", "tip-hint", this.box);
		this.hide();
		parent.append(this.box);
	}

	remove(): void {
		this.box.remove();
	}

	hide(): void {
		this.box.hidden = true;
	}

	/* Show beside the pointer, below the row it speaks of, or above it when there is no room. */
	show(d: Description, hint: string, x: number, rowTop: number, rowBottom: number): void {
		this.name.textContent = d.name;
		this.line.textContent = [d.runtime, d.line].filter((t) => t !== "").join("  ·  ");
		this.line.hidden = this.line.textContent === "";
		d.heads.forEach((v, i) => {
			(this.heads[i] as HTMLElement).textContent = v;
		});
		[...d.self, ...d.total].forEach((v, i) => {
			(this.cells[i] as HTMLElement).textContent = v;
		});
		this.hint.textContent = hint;
		this.hint.hidden = hint === "";
		this.box.hidden = false;
		const { offsetWidth: w, offsetHeight: h } = this.box;
		const left = Math.max(GAP, Math.min(x + 12, innerWidth - w - GAP));
		const below = rowBottom + GAP;
		const top = below + h <= innerHeight - GAP ? below : Math.max(GAP, rowTop - GAP - h);
		this.box.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
	}
}
