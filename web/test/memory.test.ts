import assert from "node:assert/strict";
import { test } from "node:test";
import { filesOf, heldFiles, holdersOf, matcher, rowsOf, topHolders, topLines } from "../src/memory/data";
import type { Func, Line, Process, Source } from "../src/memory/data";
import { SIZES, ticks, TIMES } from "../src/memory/ticks";
import { colour, pieces } from "../src/memory/python";

const line = (n: number, own: number, more: Partial<Line> = {}): Line =>
	({ line: n, occurrences: 1, usage: 100, increment: own, own, peak: Math.max(0, own), ...more });
const func = (name: string, first: number, last: number, lines: Line[]): Func =>
	({ file: "a.py", function: name, first_line: first, last_line: last, marked: false, calls: 1, entered: 0, lines });
const source = (n: number): Source => ({ file: "a.py", changed: false, missing: "", lines: Array.from({ length: n }, (_, i) => `line ${i + 1}`) });
const run = (functions: Func[]) => ({ functions }) as unknown as Process;

test("lines of functions of one file are joined, what runs within a line is counted once", () => {
	const files = filesOf(run([func("f.<locals>.<genexpr>", 3, 3, [line(3, 5, { occurrences: 9 })]),
		func("f", 2, 4, [line(3, -1, { increment: 4 }), line(4, 7)])]), [source(5)]);
	assert.equal(files.length, 1);
	assert.deepEqual(files[0]?.lines.get(3), { line: 3, occurrences: 1, usage: 100, increment: 4, own: 4, peak: 5 });
	assert.deepEqual(topLines(files, (l) => l.own, 1), [{ file: "a.py", line: 4, bytes: 7 }]);
});

test("what did not run is folded, unless it is asked for", () => {
	const file = filesOf(run([func("f", 20, 22, [line(21, 1)])]), [source(60)])[0]!;
	const none = new Set<number>();
	assert.deepEqual(rowsOf(file, () => false, none), [{ from: 1, until: 17 },
		...[18, 19, 20, 21, 22, 23].map((l) => ({ line: l })), { from: 24, until: 60 }]);
	assert.equal(rowsOf(file, () => false, new Set([1])).length, 23 + 1);
	assert.ok(rowsOf(file, (l) => l === 40, none).some((r) => "line" in r && r.line === 40));
	assert.deepEqual(rowsOf({ ...file, source: undefined }, () => false, none), [{ line: 21 }]);
	/* the file became shorter: what ran behind its end is there */
	assert.deepEqual(rowsOf({ ...file, source: source(3) }, () => false, none).slice(-1), [{ line: 21 }]);
});

test("who holds what, with callees once a stack", () => {
	const f = (l: number) => ({ function: "f", file: "a.py", line: l });
	const stacks = [{ bytes: 6, blocks: 2, stack: [f(3), f(2), f(2)] }, { bytes: 1, blocks: 1, stack: [f(2)] },
		{ bytes: 9, blocks: 1, stack: [] }];
	const files = heldFiles({ bytes: 16, blocks: 4, stacks }, [source(5)]);
	assert.deepEqual([files[0]?.lines.get(2)?.own, files[0]?.lines.get(2)?.increment, files[0]?.growth], [1, 7, 7]);
	assert.deepEqual(topHolders(stacks, 2).map((t) => [t.line, t.bytes]), [[0, 9], [3, 6]]);
});

test("stacks that share their callers", () => {
	const stacks = [{ bytes: 6, blocks: 2, stack: 2 }, { bytes: 1, blocks: 1, stack: 1 }, { bytes: 9, blocks: 1, stack: -1 }];
	const holders = holdersOf({ bytes: 16, blocks: 4, stacks, callers: [-1, 0, 0], nodes: [0, 1, 1], frames: [[1, 3], [0, 2]],
		functions: [["g", "b.py"], ["f", "a.py"]] });
	const [g, f] = [{ function: "g", file: "b.py", line: 2 }, { function: "f", file: "a.py", line: 3 }];
	assert.deepEqual(holders.stacks.map((s) => s.stack), [[g, f], [g, f], []]);
	assert.deepEqual(holders.stacks.map((s) => s.bytes), [6, 1, 9]);
});

test("axes have three to five round values, all in one unit", () => {
	assert.deepEqual(ticks(89 * 2 ** 20, 5, SIZES).map((t) => t.text), ["0", "20 MiB", "40 MiB", "60 MiB", "80 MiB"]);
	assert.deepEqual(ticks(2 ** 31, 5, SIZES).map((t) => t.text), ["0", "0.5 GiB", "1 GiB", "1.5 GiB", "2 GiB"]);
	assert.deepEqual(ticks(300, 5, TIMES).map((t) => t.text), ["0", "1 min", "2 min", "3 min", "4 min", "5 min"]);
	assert.deepEqual(ticks(0.001, 5, TIMES).map((t) => t.text), ["0", "0.2 ms", "0.4 ms", "0.6 ms", "0.8 ms", "1 ms"]);
	for (let max = 1000; max < 1e15; max *= 1.007) {
		const all = ticks(max, 5, SIZES);
		assert.ok(all.length >= 4 && all.length <= 6 && (all.at(-1)?.at ?? max) <= max * 1.000001, `${max}`);
	}
});

test("search", () => {
	assert.equal(matcher(""), null);
	assert.equal(matcher("/(/"), undefined);
	assert.ok(matcher("Cache(")?.("x = cache(1)"));
	assert.ok(matcher("/^ca.*\\d/")?.("Cache 1") && !matcher("/^ca/")?.("a cache"));
});

test("Python in colours, nothing lost", () => {
	const lines = ["@profile", "def naïve(x):  # it's", "    '''doc \"", "    end''' + f'{x}' + \"a\\\"#b\"", "    return 0x1f, None", "\ts = 'open"];
	const all = colour(lines);
	all.forEach((p, i) => assert.equal(p.map((x) => x.text).join(""), lines[i]));
	const kinds = (i: number) => all[i]?.map((p) => [p.kind, p.text]);
	assert.deepEqual(kinds(0), [["name", "@profile"]]);
	assert.deepEqual(kinds(1), [["word", "def"], ["text", " "], ["name", "naïve"], ["text", "(x):  "], ["comment", "# it's"]]);
	assert.deepEqual(kinds(2), [["text", "    "], ["string", "'''doc \""]]);
	assert.deepEqual(kinds(3)?.[0], ["string", "    end'''"]);
	assert.equal(pieces("x = 'open", "").open, "");
});
