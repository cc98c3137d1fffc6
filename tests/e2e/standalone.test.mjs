// The page that is one file: glim report -o x.html, opened from the disk.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { launch, NARROW, openFile, picture, WIDE } from "./browser.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const glim = process.env.GLIM ?? join(here, "../../build/glim");
const FOLDED = "web;main (app.py:3);handle (app.py:12);parse 60\nweb;main (app.py:3);handle (app.py:12);read_[k] 25\n"
	+ "db;main;scan 15\n";
let browser, dir;

before(async () => {
	browser = await launch();
	dir = await mkdtemp(join(tmpdir(), "glim-html-"));
});
after(async () => {
	await browser.close();
	await rm(dir, { recursive: true });
});

function compare(before, after) {
	const path = join(dir, "diff.html"), sides = [join(dir, "a.folded"), join(dir, "b.folded")];
	[before, after].forEach((folded, i) => writeFileSync(sides[i], folded));
	execFileSync(glim, ["diff", ...sides, "-o", path]);
	return path;
}

function write(folded) {
	if (Array.isArray(folded))
		return compare(...folded);
	const path = join(dir, "x.html");
	execFileSync(glim, ["report", "-", "-o", path], { input: folded });
	return path;
}

/* Run f on the page, of one profile or of [before, after]. */
function open(folded, options, f) {
	return openFile(browser, write(folded), options, f);
}

const graph = (page) => page.getByRole("application", { name: /Flame graph/ });
const rows = (page) => page.getByRole("grid").locator(".fn-body .fn-row").evaluateAll((trs) => trs.map((tr) =>
	[...tr.querySelectorAll(".weight .num")].map((c) => c.textContent).concat(tr.querySelector(".fn-text").textContent)));

test("the figures are those of the profile", async () => {
	await open(FOLDED, { hash: "#view=table" }, async (page) => {
		await page.getByRole("gridcell", { name: /parse/ }).waitFor();
		const shown = await rows(page);
		assert.equal(shown[0][2], "parse");
		assert.deepEqual(shown.filter((r) => !["web", "db"].includes(r[2])).sort(), [
			["60.0 %", "60.0 %", "parse"], ["25.0 %", "25.0 %", "read"], ["15.0 %", "15.0 %", "scan"],
			["0 %", "85.0 %", "handle"], ["0 %", "15.0 %", "main"], ["0 %", "85.0 %", "main"],
		].sort());
		assert.match(await page.locator("header").innerText(), /CPU[^]*100 samples/);
	});
});

async function draw(page, name) {
	await graph(page).waitFor();
	await picture(page, name);
}

test("pictures and no accessibility violation", async () => {
	for (const [width, size] of [["wide", WIDE], ["narrow", NARROW]])
		for (const theme of ["light", "dark"])
			await open(FOLDED, { size, theme }, (page) => draw(page, `standalone-${width}-${theme}`));
});

/* Twice as long after; parse is half of before and a quarter of after, read is gone, cache is new. */
const BEFORE = "web;main;handle;parse 50\nweb;main;handle;read 25\ndb;scan 25\n";
const AFTER = "web;main;handle;parse 50\nweb;main;handle;cache 100\ndb;scan 50\n";

test("a comparison: changes in points, the largest first", async () => {
	await open([BEFORE, AFTER], { hash: "#view=table" }, async (page) => {
		await page.getByRole("gridcell", { name: /parse/ }).waitFor();
		const shown = await rows(page);
		assert.deepEqual(shown.slice(0, 3), [
			["+50.0", "+50.0", "cache"], ["\u221225.0", "\u221225.0", "parse"], ["\u221225.0", "\u221225.0", "read"],
		]);
		assert.ok(shown.slice(3).every(([self, total]) => self === "0" && total === "0"), shown);
		assert.match(await page.locator("header").innerText(), /CPU, compared[^]*before: 100 samples[^]*after: 200 samples/);
	});
});

test("a comparison: what is gone keeps its place, and what is new says so", async () => {
	await open([BEFORE, AFTER], {}, async (page) => {
		await graph(page).focus();
		/* web, main, handle, parse, each the heaviest; beside it cache and read */
		for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowLeft"])
			await page.keyboard.press(key);
		await page.getByText(/^cache, native, new, total 0 % before, 50.0 % after/).waitFor({ state: "attached" });
		await page.keyboard.press("ArrowRight");
		await page.keyboard.press("ArrowRight");
		await page.getByText(/^read, native, gone, total 25.0 % before, 0 % after/).waitFor({ state: "attached" });
		await page.getByRole("combobox", { name: "Colour" }).selectOption("runtime");
		assert.match(page.url(), /#colour=runtime$/);
		await page.goBack();
		assert.doesNotMatch(page.url(), /colour/);
	});
});

test("a comparison: pictures and no accessibility violation", async () => {
	for (const [width, size] of [["wide", WIDE], ["narrow", NARROW]])
		for (const theme of ["light", "dark"])
			await open([BEFORE, AFTER], { size, theme, hash: "#view=both" }, (page) => draw(page, `diff-${width}-${theme}`));
});

test("search, zoom, details, Back, and a choice of colours", async () => {
	await open(FOLDED, {}, async (page) => {
		await graph(page).waitFor();
		await page.keyboard.press("/");
		await page.keyboard.type("parse");
		await page.getByText("60.0 % total").waitFor();
		await graph(page).click({ position: { x: 900, y: 30 } }); /* web, 85 of 100 */
		await page.getByRole("complementary", { name: "Details of the frame" }).waitFor();
		assert.match(page.url(), /#zoom=[0-9a-f]{16}&search=parse$/);
		await page.goBack();
		assert.doesNotMatch(page.url(), /zoom/);
		await page.reload();
		await page.getByText("60.0 % total").waitFor(); /* the address keeps the search */
		await page.getByRole("button", { name: "Light or dark" }).click();
		await page.getByRole("button", { name: "Dark", exact: true }).click();
		assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
	});
});

test("names of strangers are text", async () => {
	const name = "</script><script>alert(1)</script><!--\u2028&lt@SCRIPT@@DATA@";
	await open(`p;${name} 3\n`, { hash: "#view=table" }, async (page) => {
		await page.getByRole("gridcell", { name: /script/ }).waitFor();
		assert.ok((await rows(page)).some((r) => r[2] === name));
	});
});

test("a recording without samples says so", async () => {
	await open("p;f 0\n", {}, (page) => page.getByText("There is no sample").waitFor());
});

test("the page is small", async () => {
	const size = gzipSync(await readFile(write("p;f 1\n"))).length;
	assert.ok(size < 60_000, `${size} bytes`);
});
