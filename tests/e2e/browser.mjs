// Starts Debian's Chromium for the tests, and keeps pictures in a folder that is not committed.
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
export const SHOTS = process.env.GLIM_SHOTS ?? join(here, "shots");

export const WIDE = { width: 1440, height: 900 };
export const NARROW = { width: 360, height: 780 };

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

export function shot(page, name) {
	return page.screenshot({ path: join(SHOTS, `${name}.png`), animations: "disabled" });
}
