// Python source as coloured pieces. State that crosses lines is the quote of a string that is open.

export type Kind = "text" | "word" | "string" | "comment" | "number" | "name";
export interface Piece {
	kind: Kind;
	text: string;
}

const WORDS = new Set(("and as assert async await break case class continue def del elif else except exec finally for from global " +
	"if import in is lambda match nonlocal not or pass print raise return try while with yield None True False").split(" "));
const TOKEN = /([rbuftRBUFT]{0,3})("""|'''|"|')|#.*|[\p{L}_][\p{L}\p{N}_]*|\d[\w.]*|@[\w.]+|\s+|./gu;

/* Where an open string ends: behind its quote, or -1. */
function endOf(line: string, from: number, quote: string): number {
	for (let i = from; i < line.length; i++) {
		if (line[i] === "\\")
			i++;
		else if (line.startsWith(quote, i))
			return i + quote.length;
	}
	return -1;
}

export function pieces(line: string, open: string): { pieces: Piece[]; open: string } {
	const out: Piece[] = [];
	let at = 0;
	const add = (kind: Kind, until: number) => {
		const text = line.slice(at, until), last = out[out.length - 1];
		if (last && last.kind === kind)
			last.text += text;
		else if (text !== "")
			out.push({ kind, text });
		at = until;
	};
	const string = (quote: string, from: number): string => {
		const end = endOf(line, from, quote);
		add("string", end < 0 ? line.length : end);
		return end < 0 && quote.length === 3 ? quote : "";
	};
	if (open !== "") {
		open = string(open, 0);
		if (open !== "")
			return { pieces: out, open };
	}
	let defined = false;
	while (at < line.length) {
		TOKEN.lastIndex = at;
		const m = TOKEN.exec(line) as RegExpExecArray, t = m[0], end = m.index + t.length;
		if (m[2] !== undefined) {
			open = string(m[2], end);
			if (open !== "")
				return { pieces: out, open };
			continue;
		}
		const c = t[0] as string;
		const kind: Kind = c === "#" ? "comment" : WORDS.has(t) ? "word" : defined && /[\p{L}_]/u.test(c) || (c === "@" && t.length > 1) ? "name"
			: /\d/.test(c) ? "number" : "text";
		defined = t === "def" || t === "class" || (defined && /\s/.test(c));
		add(kind, end);
	}
	return { pieces: out, open: "" };
}

/* All lines of a file. */
export function colour(lines: readonly string[]): Piece[][] {
	let open = "";
	return lines.map((l) => {
		const done = pieces(l, open);
		open = done.open;
		return done.pieces;
	});
}
