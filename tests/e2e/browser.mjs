// Starts Debian's Chromium for the tests, and keeps pictures in a folder that is not committed.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const SHOTS = process.env.GLIM_SHOTS ?? join(here, "shots");

export const WIDE = { width: 1440, height: 900 };
export const NARROW = { width: 360, height: 780 };
/* What is waited for comes, or never does: longer than a machine that is full can make it last. */
export const PATIENCE_MS = 120_000;

export async function launch() {
	await mkdir(SHOTS, { recursive: true });
	return chromium.launch({
		executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
		args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync"],
	});
}

/* A page that fails its test when the browser complains: broken policy, script errors, other hosts. */
export async function openPage(browser, url, { size = WIDE, theme = "light", motion = "no-preference", scale = 2 } = {}) {
	const context = await browser.newContext({
		viewport: size, colorScheme: theme, reducedMotion: motion, deviceScaleFactor: scale,
		permissions: ["clipboard-read", "clipboard-write"], timezoneId: "Europe/Berlin",
	});
	context.setDefaultTimeout(PATIENCE_MS);
	const page = await context.newPage();
	const complaints = [];
	page.on("console", (m) => {
		if (["error", "warning"].includes(m.type()) && !/Failed to load resource/.test(m.text()))
			complaints.push(m.text());
	});
	page.on("pageerror", (e) => complaints.push(String(e)));
	page.on("request", (r) => {
		if (!r.url().startsWith(new URL(url).origin) && !r.url().startsWith("data:"))
			complaints.push(`asked another host: ${r.url()}`);
	});
	await page.goto(url);
	return { page, complaints, close: () => context.close() };
}

/* A page that is one file, opened from the disk: run f on it. Complaints of the browser and requests of any kind fail the test. */
export async function openFile(browser, path, { size = WIDE, theme = "light", hash = "" }, f) {
	const context = await browser.newContext({ viewport: size, colorScheme: theme, timezoneId: "Europe/Berlin" });
	context.setDefaultTimeout(PATIENCE_MS);
	const page = await context.newPage();
	const url = pathToFileURL(path).href, complaints = [];
	page.on("console", (m) => ["error", "warning"].includes(m.type()) && complaints.push(m.text()));
	page.on("pageerror", (e) => complaints.push(String(e)));
	page.on("dialog", (d) => { complaints.push(d.message()); d.dismiss(); });
	page.on("request", (r) => r.url().split("#")[0] !== url && complaints.push(`asked for ${r.url()}`));
	await page.goto(url + hash);
	await f(page);
	await context.close();
	assert.deepEqual(complaints, []);
}

/* Its picture; it is no wider than the window, and axe finds nothing. */
export async function picture(page, name) {
	await shot(page, name);
	const spill = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
	assert.ok(spill <= 0, `${name}: ${spill} px wider than the window`);
	await page.evaluate(axeSource);
	const found = await page.evaluate(async () => (await window.axe.run(document)).violations.map((v) => v.id));
	assert.deepEqual(found, [], name);
}

/* Note in the page itself when elements are first there whose text begins so: { what: { at: selector, text } }. Some are
 * shown for half a second, which who asks from outside now and then may miss. */
export function noteShown(page, awaited) {
	return page.evaluate((awaited) => {
		window.shown = [];
		const look = () => {
			for (const [what, { at, text }] of Object.entries(awaited))
				if (!window.shown.some(([known]) => known === what)
					&& [...document.querySelectorAll(at)].some((e) => e.textContent.trim().startsWith(text)))
					window.shown.push([what, Date.now()]);
		};
		new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
		look();
	}, awaited);
}

/* [[what, when in milliseconds]], the first first. */
export function shown(page) {
	return page.evaluate(() => window.shown);
}

export function shot(page, name) {
	return page.screenshot({ path: join(SHOTS, `${name}.png`), animations: "disabled" });
}
