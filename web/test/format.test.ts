import assert from "node:assert/strict";
import { test } from "node:test";
import { contrast, heatIndex, oklch, palette, SHADES } from "../src/flame/colour";
import { TextFitter } from "../src/flame/text";
import { ago, bytes, cores, count, duration, percent, sig3 } from "../src/format/number";

test("three significant digits", () => {
	const cases: [number, string][] = [[0, "0"], [1, "1"], [0.5, "0.5"], [3.14159, "3.14"], [31.4159, "31.4"], [314.159, "314"],
		[9.999, "10"], [99.99, "100"], [0.98765, "0.988"], [0.0004, "<0.001"], [NaN, "–"], [-2.5, "-2.5"], [0.99996, "1"]];
	for (const [x, text] of cases)
		assert.equal(sig3(x), text);
});

test("units", () => {
	assert.equal(count(144), "144");
	assert.equal(count(999.6), "1 k");
	assert.equal(count(12345), "12.3 k");
	assert.equal(count(2.5e6), "2.5 M");
	assert.equal(bytes(0), "0 B");
	assert.equal(bytes(1023.9), "1 KiB");
	assert.equal(bytes(123456789), "118 MiB");
	assert.equal(bytes(4.1 * 2 ** 30), "4.1 GiB");
	assert.equal(cores(1), "1 core");
	assert.equal(cores(1.25), "1.25 cores");
	assert.equal(duration(1.5e9), "1.5 s");
	assert.equal(duration(5e4), "50 µs");
	assert.equal(duration(3e8), "300 ms");
	assert.equal(duration(6e11), "10 min");
});

test("shares", () => {
	const cases: [number, string][] = [[0, "0 %"], [1, "100 %"], [0.5, "50.0 %"], [0.0123, "1.23 %"], [0.00001, "<0.01 %"],
		[0.99999, "100 %"], [0.09999, "10.0 %"], [NaN, "–"]];
	for (const [x, text] of cases)
		assert.equal(percent(x), text);
});

test("how long ago", () => {
	assert.equal(ago(100, 104), "now");
	assert.equal(ago(100, 130), "30 s ago");
	assert.equal(ago(0, 600), "10 min ago");
	assert.equal(ago(0, 7200), "2 h ago");
	assert.equal(ago(0, 86400 * 3), "3 d ago");
	assert.equal(ago(200, 100), "now"); /* a host whose clock runs ahead */
});

test("text on every shade has enough contrast", () => {
	for (const theme of ["light", "dark"] as const) {
		const p = palette(theme);
		for (const fill of p.fill) {
			assert.ok(contrast(fill, p.text) >= 4.5, `${theme} ${fill}: ${contrast(fill, p.text)}`);
			assert.ok(contrast(fill, p.textDim) >= 4.5, `${theme} dim text on ${fill}: ${contrast(fill, p.textDim)}`);
		}
		for (const fill of p.fillDim)
			assert.ok(contrast(fill, p.textFaint) >= 4.5, `${theme} faint text on ${fill}`);
		assert.ok(contrast(p.ground, p.accent) >= 3);
	}
});

test("colours", () => {
	assert.deepEqual(oklch(1, 0, 0), [255, 255, 255]);
	assert.deepEqual(oklch(0, 0, 0), [0, 0, 0]);
	assert.equal(Math.round(contrast("#000000", "#ffffff")), 21);
	const first = heatIndex(0, 100);
	assert.equal(heatIndex(100, 100), first + SHADES - 1);
	assert.equal(heatIndex(0, 0), first);
	assert.ok(heatIndex(100, 100) < palette("light").fill.length);
});

test("text is cut between glyphs", () => {
	const fit = new TextFitter((t) => [...t].filter((c) => !/\p{M}/u.test(c)).length * 10);
	assert.equal(fit.fit("hello", 50), "hello");
	assert.equal(fit.fit("hello", 49), "hel…");
	assert.equal(fit.fit("hello", 20), ""); /* one letter and dots say nothing */
	assert.equal(fit.fit("", 20), "");
	assert.equal(fit.fit("a😀😀😀", 30), "a😀…");
	assert.equal(fit.fit("ae\u0301oooo", 40), "ae\u0301o…");
	assert.equal(fit.fit("aee\u0301ooo", 30), "ae…");
});
