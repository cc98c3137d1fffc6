// What we write opens in the real speedscope, started as its command does: with a script to load.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { launch, PATIENCE_MS, WIDE } from "./browser.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const glim = process.env.GLIM ?? join(here, "../../build/glim");
const release = join(dirname(createRequire(import.meta.url).resolve("speedscope/package.json")), "dist/release");
let browser, dir;

before(async () => {
	browser = await launch();
	dir = await mkdtemp(join(tmpdir(), "glim-speedscope-"));
});
after(async () => {
	await browser.close();
	await rm(dir, { recursive: true });
});

/* [[total, self, name]] of the first profile, and what the toolbar calls it. */
async function open(folded) {
	const profile = join(dir, "x.speedscope.json");
	const script = join(dir, "load.js");
	execFileSync(glim, ["report", "-", "-o", profile], { input: folded });
	const bytes = await readFile(profile);
	await writeFile(script, `speedscope.loadFileFromBase64("x.speedscope.json", "${bytes.toString("base64")}")`);
	const page = await (await browser.newContext({ viewport: WIDE })).newPage();
	page.setDefaultTimeout(PATIENCE_MS);
	const complaints = [];
	page.on("pageerror", (e) => complaints.push(String(e)));
	page.on("dialog", (d) => { complaints.push(d.message()); d.dismiss(); });
	page.on("console", (m) => m.type() === "error" && complaints.push(m.text()));
	await page.goto(`${pathToFileURL(join(release, "index.html"))}#view=sandwich&localProfilePath=${script.slice(1)}`);
	await page.getByText("Symbol Name").waitFor();
	const rows = await page.locator("tbody tr, table tr").evaluateAll((trs) => trs
		.map((tr) => [...tr.children].map((td) => td.innerText.trim())).filter((r) => r[0] !== "Total"));
	const text = await page.evaluate(() => document.body.innerText);
	await page.close();
	assert.deepEqual(complaints, []);
	return { rows, text };
}

test("stacks, weights and names arrive", async () => {
	const { rows, text } = await open("p;main;work;read_[k] 30\np;main;work 10\np;main 60\n");
	assert.deepEqual(rows.map((r) => r.map((c) => c.replace(/\s+/g, " "))).sort((a, b) => a[2].localeCompare(b[2])), [
		["100 (100%)", "60 (60%)", "main"],
		["30 (30%)", "30 (30%)", "read_[k]"],
		["40 (40%)", "10 (10%)", "work"],
	]);
	assert.match(text, /^p$/m);
});

test("one profile a process, the busiest first", async () => {
	const { text } = await open("small;f 1\nbig;g 5\nunknown;h 2\n");
	assert.match(text, /big \(1\/3\)/);
});

test("names of strangers, empty stacks, and nothing at all", async () => {
	const { rows } = await open("p;</script><b>\u2028\"\\ 3\np 2\n");
	assert.deepEqual(rows.map((r) => r[2]), ["</script><b>\u2028\"\\".trim()]);
	const nothing = await open("p;f 0\n");
	assert.deepEqual(nothing.rows, [["No symbols found."]]);
});
