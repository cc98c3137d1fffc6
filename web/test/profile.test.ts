import assert from "node:assert/strict";
import { test } from "node:test";
import { moduleKey } from "../src/flame/colour";
import { functionsOf, neighbours, widest } from "../src/flame/functions";
import { findPath, hashOf } from "../src/flame/path";
import { decode, nodeAt, nodeLine, pathOf, processOf, shortPath, stackText } from "../src/flame/profile";
import { matcher, search, steps } from "../src/flame/search";
import { keyTarget } from "../src/flame/walk";
import { sample } from "./sample";

const p = decode(sample());

test("columns are linked into a tree", () => {
	assert.deepEqual([...p.parent], [-1, 0, 1, 2, 3, 3, 2, 6, 2]);
	assert.deepEqual([...p.end], [9, 9, 9, 6, 5, 6, 8, 8, 9]);
	assert.deepEqual([...p.start], [0, 0, 0, 0, 0, 30, 60, 60, 90]);
	assert.equal(p.rows, 5);
	assert.deepEqual([...p.rowNode.subarray(p.rowStart[3], p.rowStart[4])], [3, 6, 8]);
});

test("what is no depth-first walk is refused", () => {
	const bad = sample();
	bad.nodes.depth[3] = 5;
	assert.throws(() => decode(bad), /depth-first/);
	const two = sample();
	two.nodes.depth[8] = 0;
	assert.throws(() => decode(two), /depth-first/);
	const none = sample();
	for (const k of ["depth", "frame", "line", "self", "total"] as const)
		none.nodes[k] = [];
	assert.throws(() => decode(none), /no root/);
});

test("a root alone is a profile", () => {
	const d = sample();
	d.total = 0;
	d.nodes = { depth: [0], frame: [-1], line: [0], self: [0], total: [0] };
	const lone = decode(d);
	assert.equal(lone.rows, 1);
	assert.equal(nodeAt(lone, 0, 0), -1);
	assert.equal(nodeAt(lone, 1, 0), -1);
});

test("hit testing finds the node that covers a point", () => {
	assert.equal(nodeAt(p, 0, 99.9), 0);
	assert.equal(nodeAt(p, 3, 59.9), 3);
	assert.equal(nodeAt(p, 3, 60), 6);
	assert.equal(nodeAt(p, 4, 55), -1); /* own time of a */
	assert.equal(nodeAt(p, 4, 69), 7);
	assert.equal(nodeAt(p, 4, 70), -1);
	assert.equal(nodeAt(p, 3, 100), -1);
	assert.equal(nodeAt(p, 7, 1), -1);
	assert.equal(nodeAt(p, -1, 1), -1);
});

test("names, lines and paths", () => {
	assert.equal(stackText(p, 4), "python3;main;a;b");
	assert.deepEqual(pathOf(p, 7), [0, 1, 2, 6, 7]);
	assert.equal(nodeLine(p, 3), "app.py:12");
	assert.equal(nodeLine(p, 6), "app.py:20"); /* no line seen: where the function starts */
	assert.equal(nodeLine(p, 5), "");
	assert.equal(processOf(p, 7), 1);
	assert.equal(processOf(p, 0), -1);
});

test("long paths keep their end", () => {
	assert.equal(shortPath("/usr/lib/python3.11/json/encoder.py"), "…/json/encoder.py");
	assert.equal(shortPath("shop/db/row.py"), "shop/db/row.py");
	assert.equal(shortPath(""), "");
});

test("a path hash finds its node again in another answer", () => {
	for (let n = 1; n < p.count; n++)
		assert.equal(findPath(p, hashOf(p, n)), n);
	assert.equal(findPath(p, ""), 0);
	assert.equal(findPath(p, "0123456789abcdef"), -1);
	assert.match(hashOf(p, 4), /^[0-9a-f]{16}$/);
	const other = sample(); /* other numbers for the same names */
	other.strings.push("python3");
	other.frames.name[0] = other.strings.length - 1;
	assert.equal(findPath(decode(other), hashOf(p, 4)), 4);
});

test("a function that calls itself counts once in its total", () => {
	const f = functionsOf(p, 0);
	assert.equal(f.total[2], 70); /* a: 60, and 10 below b */
	assert.equal(f.self[2], 20);
	assert.equal(f.total[3], 60);
	assert.equal(f.self[3], 50);
	assert.deepEqual([...f.frame], [3, 2, 4, 0, 1]);
	assert.equal(f.places[2], 2);
	assert.equal(f.line[2], 10);
	const unknown = sample();
	unknown.frames.start[2] = 0;
	assert.equal(functionsOf(decode(unknown), 0).line[2], 12); /* of the heavier of its two nodes */
	const under = functionsOf(p, 6);
	assert.deepEqual([...under.frame].sort(), [2, 3]);
	assert.equal(under.total[3], 30);
});

test("callers and callees", () => {
	const n = neighbours(p, 3, 0, 8);
	assert.deepEqual(n.callers, [{ frame: 2, weight: 30 }, { frame: 1, weight: 30 }]);
	assert.deepEqual(n.callees, [{ frame: 2, weight: 10 }]);
	assert.equal(neighbours(p, 1, 0, 2).callees.length, 2);
	assert.equal(widest(p, 2, 0), 3);
	assert.equal(widest(p, 4, 6), -1);
});

test("search: text, regular expressions, shares", () => {
	assert.equal(matcher("").match, null);
	assert.ok(matcher("MAI").match?.("main"));
	assert.ok(matcher("/^a$/").match?.("a"));
	assert.ok(!matcher("/^a$/").match?.("aa"));
	assert.ok(matcher("/A/i").match?.("a"));
	assert.ok(!matcher("/A/").match?.("a"));
	assert.equal(matcher("/(/").match, null);
	assert.notEqual(matcher("/(/").error, "");
	assert.ok(matcher("/").match?.("a/b"));
	const m = search(p, matcher("/^b$/").match as (s: string) => boolean, 0);
	assert.deepEqual([m.total, m.self, m.frames], [60, 50, 1]);
	const nested = search(p, matcher("/^[ab]$/").match as (s: string) => boolean, 0);
	assert.equal(nested.total, 90); /* what is inside a match is not counted again */
	assert.deepEqual(steps(p, m, 0), [4, 6]);
	const file = search(p, matcher("app.py").match as (s: string) => boolean, 0);
	assert.equal(file.frames, 3);
});

test("arrow keys walk through the tree", () => {
	assert.equal(keyTarget(p, 0, "ArrowDown"), 1);
	assert.equal(keyTarget(p, 2, "ArrowDown"), 3);
	assert.equal(keyTarget(p, 3, "ArrowRight"), 6);
	assert.equal(keyTarget(p, 6, "ArrowLeft"), 3);
	assert.equal(keyTarget(p, 3, "ArrowLeft"), -1);
	assert.equal(keyTarget(p, 5, "ArrowRight"), 7);
	assert.equal(keyTarget(p, 4, "ArrowDown"), -1);
	assert.equal(keyTarget(p, 0, "ArrowUp"), -1);
	assert.equal(keyTarget(p, 0, "x"), -1);
});

test("the module of a frame is its library or the folder of its file", () => {
	const d = sample();
	d.strings.push("/usr/lib/libssl.so.3", "/srv/shop/views/orders.py");
	d.frames.module[4] = d.strings.length - 2;
	d.frames.file[3] = d.strings.length - 1;
	const q = decode(d);
	assert.equal(moduleKey(q, 4), "libssl.so.3");
	assert.equal(moduleKey(q, 3), "views");
	assert.equal(moduleKey(q, 2), "app.py");
	assert.equal(moduleKey(q, 0), "");
});
