// What the program wrote into the page: processes, their functions, lines of source. Lines of all functions
// of a file are put together; nothing here draws.

export interface Line {
	line: number;
	occurrences: number; /* of a watched process: samples */
	usage: number; /* bytes of the process, the most after the line */
	increment: number; /* with callees */
	own: number; /* without */
	peak: number; /* above its start, within the line */
}
export interface Func {
	file: string;
	function: string;
	first_line: number;
	last_line: number;
	marked: boolean;
	calls: number;
	entered: number;
	lines: Line[];
}
export interface Frame {
	function: string;
	file: string;
	line: number;
}
export interface Holder {
	bytes: number;
	blocks: number;
	stack: Frame[]; /* innermost first */
}
export interface Holders {
	bytes: number;
	blocks: number;
	stacks: Holder[]; /* without the lightest ones */
}
/* As the program wrote them: what stacks share is there once. */
export interface InternedHolders {
	bytes: number;
	blocks: number;
	stacks: { bytes: number; blocks: number; stack: number }[]; /* the node of the innermost, -1: none */
	callers: number[]; /* of each node the one that called it, -1: none */
	nodes: number[]; /* of each the number of its frame */
	frames: [number, number][]; /* of each the number of its function, and the line */
	functions: [string, string][]; /* of each its name and file */
}
export interface Peak {
	bytes: number;
	seconds: number;
	file?: string;
	function?: string;
	line?: number;
}
export interface Process {
	pid: number;
	parent: number;
	command: string;
	python: string;
	measure: "resident" | "allocated";
	watched: boolean; /* only from outside: what lines did is sampled */
	start: number;
	end: number | null;
	events: number;
	peak: Peak;
	peak_resident: number | null;
	functions: Func[];
	timeline: { seconds: number[]; resident: (number | null)[]; allocated: (number | null)[] };
	at_peak?: InternedHolders;
	leaks?: InternedHolders;
	looks?: number; /* of a watched process whose lines are known */
	remarks: string[];
}
export interface Source {
	file: string;
	changed: boolean;
	missing: string; /* why there are no lines; empty: there are */
	lines: string[];
}
export interface Run {
	start: number;
	processes: Process[];
	sources: Source[];
	damaged: number;
}

/* Their stacks whole. A node's caller comes before it. */
export function holdersOf({ bytes, blocks, stacks, callers, nodes, frames: places, functions }: InternedHolders): Holders {
	const frames = places.map(([f, line]): Frame => ({ function: functions[f]?.[0] ?? "", file: functions[f]?.[1] ?? "", line }));
	const whole = (node: number): Frame[] => {
		const stack: Frame[] = [];
		for (let at = node, frame; at >= 0 && (frame = frames[nodes[at] ?? -1]); at = callers[at] ?? -1)
			stack.push(frame);
		return stack;
	};
	return { bytes, blocks, stacks: stacks.map((s) => ({ ...s, stack: whole(s.stack) })) };
}

export interface File {
	name: string;
	source: Source | undefined;
	lines: Map<number, Line>;
	heads: Map<number, Func>; /* by first line */
	functions: number;
	growth: number; /* of its lines' own, what grew */
}

/* Two functions share a line. What runs within it (a lambda, a generator expression) is among the callees of the
 * line around it: its growth with callees is in that already, and how often it ran is another question. */
function join(a: Line | undefined, b: Line, within: boolean): Line {
	return a ? {
		line: b.line, occurrences: a.occurrences + (within ? 0 : b.occurrences), usage: Math.max(a.usage, b.usage),
		increment: a.increment + (within ? 0 : b.increment), own: a.own + b.own, peak: Math.max(a.peak, b.peak),
	} : b;
}

const WITHIN = /<(genexpr|lambda)>$/;

/* The files of a process, the one that grew most first. */
export function filesOf(p: Process, sources: readonly Source[]): File[] {
	const files = new Map<string, File>();
	const order = [...p.functions].sort((a, b) => Number(WITHIN.test(a.function)) - Number(WITHIN.test(b.function)));
	for (const f of order) {
		let file = files.get(f.file);
		if (!file) {
			file = { name: f.file, source: sources.find((s) => s.file === f.file), lines: new Map(), heads: new Map(),
				functions: 0, growth: 0 };
			files.set(f.file, file);
		}
		file.functions++;
		if (!file.heads.has(f.first_line))
			file.heads.set(f.first_line, f);
		const within = WITHIN.test(f.function);
		for (const l of f.lines) {
			file.lines.set(l.line, join(file.lines.get(l.line), l, within));
			file.growth += Math.max(0, l.own);
		}
	}
	return [...files.values()].sort((a, b) => b.growth - a.growth || (a.name < b.name ? -1 : 1));
}

/* The same of who holds blocks: own is what a line holds itself, increment what it and its callees do, and
 * occurrences are blocks. Files whose source is not here are left out. */
export function heldFiles(holders: Holders, sources: readonly Source[]): File[] {
	const files = new Map<string, File>();
	for (const { bytes, blocks, stack } of holders.stacks) {
		const seen = new Set<string>();
		stack.forEach((f, i) => {
			const source = sources.find((s) => s.file === f.file), place = `${f.line}:${f.file}`;
			if (!source || seen.has(place))
				return;
			seen.add(place);
			const file = files.get(f.file) ?? { name: f.file, source, lines: new Map(), heads: new Map(), functions: 0, growth: 0 };
			const l = file.lines.get(f.line) ?? { line: f.line, occurrences: 0, usage: 0, increment: 0, own: 0, peak: 0 };
			l.increment += bytes;
			l.own += i === 0 ? bytes : 0;
			l.occurrences += i === 0 ? blocks : 0;
			file.growth += i === 0 ? bytes : 0;
			file.lines.set(f.line, l);
			files.set(f.file, file);
		});
	}
	return [...files.values()].sort((a, b) => b.growth - a.growth || (a.name < b.name ? -1 : 1));
}

export interface Top {
	file: string;
	line: number;
	bytes: number;
}

/* The n lines with most of something, as long as it is more than nothing. */
export function topLines(files: readonly File[], of: (l: Line) => number, n: number): Top[] {
	const all: Top[] = [];
	for (const file of files)
		for (const l of file.lines.values())
			if (of(l) > 0)
				all.push({ file: file.name, line: l.line, bytes: of(l) });
	return all.sort((a, b) => b.bytes - a.bytes).slice(0, n);
}

/* The n lines that hold most. */
export function topHolders(holders: readonly Holder[], n: number): Top[] {
	const lines = new Map<string, Top>();
	for (const h of holders) {
		const leaf = h.stack[0];
		const key = leaf ? `${leaf.file}:${leaf.line}` : "";
		const top = lines.get(key) ?? { file: leaf?.file ?? "", line: leaf?.line ?? 0, bytes: 0 };
		top.bytes += h.bytes;
		lines.set(key, top);
	}
	return [...lines.values()].sort((a, b) => b.bytes - a.bytes).slice(0, n);
}

export type Row = { line: number } | { from: number; until: number };

const AROUND = 2;
const LEAST_FOLD = 4;

/* Rows to show: measured lines, first lines of functions, wanted ones and what stands around them; the rest
 * between them is folded, unless it is opened. Without a source there is nothing around. */
export function rowsOf(file: File, wanted: (line: number) => boolean, opened: ReadonlySet<number>): Row[] {
	const count = file.source?.lines.length ?? 0;
	if (count === 0)
		return [...file.lines.keys()].sort((a, b) => a - b).map((line) => ({ line }));
	const show = new Uint8Array(count + 2);
	const near = (line: number) => show.fill(1, Math.max(1, line - AROUND), Math.min(count, line + AROUND) + 1);
	for (const line of [...file.lines.keys(), ...file.heads.keys()])
		near(line);
	for (let i = 1; i <= count; i++)
		if (wanted(i))
			near(i);
	const rows: Row[] = [];
	for (let i = 1; i <= count; i++) {
		let end = i;
		while (end <= count && !show[end])
			end++;
		if (end - i >= LEAST_FOLD && !opened.has(i)) {
			rows.push({ from: i, until: end - 1 });
			i = end - 1;
			continue;
		}
		for (end = Math.max(end, i + 1); i < end; i++)
			rows.push({ line: i });
		i--;
	}
	for (const line of [...file.lines.keys()].filter((l) => l > count).sort((a, b) => a - b))
		rows.push({ line });
	return rows;
}

/* What a search box means: /regex/ or words; null: nothing, undefined: no regular expression. */
export function matcher(text: string): ((s: string) => boolean) | null | undefined {
	if (text === "")
		return null;
	const regex = /^\/(.+?)\/?$/.exec(text);
	if (!regex) {
		const low = text.toLowerCase();
		return (s) => s.toLowerCase().includes(low);
	}
	try {
		const r = new RegExp(regex[1] as string, "i");
		return (s) => r.test(s);
	} catch {
		return undefined;
	}
}
