// Two recordings in one graph: widths, changes and what only one of them has.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onlyIn, turn } from "../src/flame/change";
import { changeIndex, contrast, palette } from "../src/flame/colour";
import { describe } from "../src/flame/describe";
import { functionsOf } from "../src/flame/functions";
import { decode } from "../src/flame/profile";
import { points } from "../src/format/number";
import { sample } from "./sample";

/* Of the 100: 20 are before. a 60 was 12 (self 2: b 10), b 30 was 8. */
function compared(absolute = false) {
	const data = sample();
	return {
		...data, total_before: 20, samples_before: 2, absolute,
		nodes: {
			...data.nodes,
			self_before: [0, 0, 0, 2, 10, 0, 8, 0, 0],
			total_before: [20, 20, 20, 12, 10, 0, 8, 0, 0],
		},
	};
}

test("widths are the mean of both shares, and children fill their parents", () => {
	const p = decode(compared());
	/* a: (12 of 20 and 48 of 80) are 60 % each; b under it: 50 % and 25 % */
	assert.ok(Math.abs((p.sum[0] as number) - 100) < 1e-9);
	assert.ok(Math.abs((p.sum[3] as number) - 60) < 1e-9);
	assert.ok(Math.abs((p.sum[4] as number) - 37.5) < 1e-9);
	for (let n = 0; n < p.count; n++) {
		let sum = p.self[n] as number;
		for (let c = n + 1; c < (p.end[n] as number); c++)
			if (p.parent[c] === n)
				sum += p.sum[c] as number;
		assert.ok(Math.abs(sum - (p.sum[n] as number)) < 1e-9, `node ${n}`);
	}
});

test("amounts are compared as they are when that was asked for", () => {
	const p = decode(compared(true));
	assert.ok(Math.abs((p.sum[3] as number) - 60) < 1e-9);
	assert.equal(describe(p, 3, 0).total[2], "+45.0"); /* 12 and 48 of 80 */
});

test("changes of functions and of nodes", () => {
	const p = decode(compared()), c = p.change!, f = functionsOf(p, 0);
	assert.equal(points(f.change!.self[3] as number), "\u221250.0"); /* b: 18 of 20, then 32 of 80 */
	assert.equal(turn(c, 3), 0);
	assert.ok(turn(c, 4) < 0);
	assert.equal(turn(c, 5), 1);
	assert.equal(onlyIn(c, 5), "new");
	assert.equal(onlyIn(c, 4), "");
	assert.deepEqual(describe(p, 3, 0).heads, ["before", "after", "change", "cores"]);
	assert.equal(describe(p, 3, 0).total[2], "0");
});

test("text can be read on every colour of a change", () => {
	for (const theme of ["light", "dark"] as const) {
		const { fill, gone, text, textDim } = palette(theme);
		for (const by of [-1, -0.6, -0.2, 0, 0.2, 0.6, 1])
			assert.ok(contrast(fill[changeIndex(by)] as string, textDim) >= 4.5, `${theme} ${by}`);
		for (const colour of gone)
			assert.ok(contrast(colour, text) >= 4.5, `${theme} ${colour}`);
		assert.notEqual(fill[changeIndex(-1)], fill[changeIndex(1)]);
	}
});

test("points have a sign", () => {
	assert.deepEqual([0.123, -0.01234, 0, 0.00001].map(points), ["+12.3", "\u22121.23", "0", "0"]);
});
