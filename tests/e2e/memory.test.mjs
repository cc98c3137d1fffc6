// The page of glim mem --html, opened from the disk.
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
const STRANGE = "</script><script>alert(1)</script><!--&lt@SCRIPT@@DATA@";
const SOURCE = `import os
kept = []

def take(n):
    kept.append(bytearray(n))

def pass_on():
    take(8 << 20)
    take(8 << 20)
    big = bytearray(64 << 20)
    del big
${"\n".repeat(30)}
def strange():
    return "${STRANGE}"

pass_on()
strange()
child = os.fork()
if not child:
    take(1 << 20)
    os._exit(0)
os.waitpid(child, 0)
`;
let browser, dir, lines, held;

function run(name, ...options) {
	const path = join(dir, name);
	execFileSync(glim, ["mem", ...options, "--html", path, "-o", join(dir, "out.txt"), "--python", "/usr/bin/python3", join(dir, "app.py")],
		{ stdio: "ignore" });
	return path;
}

before(async () => {
	browser = await launch();
	dir = await mkdtemp(join(tmpdir(), "glim-mem-"));
	writeFileSync(join(dir, "app.py"), SOURCE);
	lines = run("lines.html", "--allocated");
	held = run("held.html", "--peak", "--leaks");
});
after(async () => {
	await browser.close();
	await rm(dir, { recursive: true });
});

const row = (page, line) => page.locator(`.mem-row[data-line="${line}"]`);

test("the figures are those of the lines", async () => {
	await openFile(browser, lines, {}, async (page) => {
		assert.match(await row(page, 5).innerText(), /^5\s+\+16 MiB\s[^]*\s2\s+kept.append/);
		assert.match(await row(page, 10).innerText(), /\+64 MiB/);
		assert.match(await row(page, 11).innerText(), /\u221264 MiB/);
		assert.match(await page.locator("header").innerText(), /app\.py[^]*peak 8\d(\.\d)? MiB allocated/);
		const first = page.getByRole("heading", { name: "Grew most" }).locator("..").getByRole("button").first();
		assert.match(await first.innerText(), /big = bytearray[^]*app\.py:10[^]*64 MiB/);
		await first.click();
		assert.match(await page.locator(".mem-here").innerText(), /big = bytearray/);
	});
});

test("the axis of memory has round values", async () => {
	for (const size of [WIDE, NARROW])
		await openFile(browser, lines, { size }, async (page) => {
			const texts = await page.locator(".mem-tick").allTextContents();
			assert.ok(texts.length >= 4 && texts.length <= 6 && texts[0] === "0", texts.join());
			assert.ok(texts.slice(1).every((t) => /^\d+ MiB$/.test(t)), texts.join());
		});
});

test("search with the keyboard opens what is folded", async () => {
	await openFile(browser, lines, {}, async (page) => {
		await page.getByRole("button", { name: /^\d+ lines$/ }).first().waitFor();
		await page.keyboard.press("/");
		await page.keyboard.type("take(");
		await page.getByText("4 lines", { exact: true }).waitFor();
		await page.keyboard.press("Enter");
		assert.match(await page.locator(".mem-here").innerText(), /def take/);
		await page.keyboard.press("Enter");
		assert.match(await page.locator(".mem-here").innerText(), /take\(8/);
		await page.getByRole("textbox").fill("/(/");
		await page.getByText("not a regular expression").waitFor();
		await page.keyboard.press("Escape");
		assert.equal(await page.locator(".mem-hit").count(), 0);
	});
});

test("each process has its own figures", async () => {
	await openFile(browser, lines, {}, async (page) => {
		await page.getByRole("combobox", { name: "Process" }).selectOption({ index: 1 });
		await page.waitForFunction(() => /\+1 MiB/.test(document.querySelector('.mem-row[data-line="5"]')?.textContent ?? ""));
		assert.equal(await page.getByText("64 MiB").count(), 0);
	});
});

test("who held what, and what was never freed", async () => {
	await openFile(browser, held, {}, async (page) => {
		const section = (name) => page.getByRole("heading", { name }).locator("..").getByRole("button").first();
		assert.match(await section("Held at the peak").innerText(), /big = bytearray[^]*64 MiB/);
		assert.match(await section("Never freed").innerText(), /kept\.append[^]*16 MiB/);
		assert.match(await row(page, 8).innerText(), /8 MiB/); /* with callees */
	});
});

test("sources of strangers are text", async () => {
	await openFile(browser, lines, {}, (page) => page.getByText(STRANGE).waitFor());
});

test("pictures and no accessibility violation", async () => {
	for (const [name, path] of [["lines", lines], ["held", held]])
		for (const [width, size] of [["wide", WIDE], ["narrow", NARROW]])
			for (const theme of ["light", "dark"])
				await openFile(browser, path, { size, theme }, async (page) => {
					await row(page, 5).waitFor();
					await picture(page, `memory-${name}-${width}-${theme}`);
				});
});

test("the page is small", async () => {
	const size = gzipSync(await readFile(lines)).length;
	assert.ok(size < 40_000, `${size} bytes`);
});
