// Widths of text on the canvas. A string is measured once; what has to be cut is cut between whole
// glyphs by a table of character widths.

const ELLIPSIS = "…";
const MARK = /\p{M}|\u200d/u;

export class TextFitter {
	private readonly ascii = new Float32Array(128);
	private readonly other = new Map<string, number>();
	private readonly whole = new Map<string, number>();
	private readonly cut = new Map<string, string>();
	private readonly dots: number;

	constructor(private readonly measure: (text: string) => number) {
		for (let c = 32; c < 127; c++)
			this.ascii[c] = measure(String.fromCharCode(c));
		this.dots = measure(ELLIPSIS);
	}

	private glyph(c: string): number {
		const code = c.charCodeAt(0);
		if (code < 128)
			return this.ascii[code] as number;
		if (MARK.test(c))
			return 0;
		let w = this.other.get(c);
		if (w === undefined) {
			w = this.measure(c);
			this.other.set(c, w);
		}
		return w;
	}

	width(text: string): number {
		let w = this.whole.get(text);
		if (w === undefined) {
			w = this.measure(text);
			this.whole.set(text, w);
		}
		return w;
	}

	/* The longest beginning that fits, with dots when something is missing; "" when nothing fits. */
	fit(text: string, room: number): string {
		if (this.width(text) <= room)
			return text;
		const key = `${Math.floor(room)} ${text}`;
		let known = this.cut.get(key);
		if (known === undefined) {
			known = this.shorten(text, Math.floor(room) - this.dots);
			if (this.cut.size > 20000)
				this.cut.clear();
			this.cut.set(key, known);
		}
		return known;
	}

	private shorten(text: string, room: number): string {
		let w = 0, end = 0, glyphs = 0;
		for (const c of text) {
			w += this.glyph(c);
			if (w > room)
				break;
			end += c.length;
			glyphs++;
		}
		/* never part a letter from the marks that sit on it */
		while (end < text.length && end > 0 && MARK.test(String.fromCodePoint(text.codePointAt(end) ?? 32)))
			end--;
		return glyphs < 2 ? "" : text.slice(0, end) + ELLIPSIS;
	}
}
