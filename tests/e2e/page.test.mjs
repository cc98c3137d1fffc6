// The page against the fixed profile: pictures, accessibility, keyboard, address, states.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { startFixture } from "../../web/dev/server.mjs";
import { launch, NARROW, noteShown, openPage, shot, shown, WIDE } from "./browser.mjs";

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SERVICE = "/service?service=shop-api";
let browser;

before(async () => {
	browser = await launch();
});
after(() => browser.close());

/* Run `f` with its own server and page; whatever the browser complains about fails the test. */
async function visit(path, options, f) {
	const fixture = await startFixture({ kind: options.kind ?? "full" });
	options.prepare?.(fixture.state);
	const { page, complaints, close } = await openPage(browser, fixture.url + path, options);
	try {
		await f(page, fixture.state, fixture.url);
		assert.deepEqual(complaints, []);
	} finally {
		await close();
		await fixture.close();
	}
}

async function violations(page) {
	/* the policy of the page forbids script tags; the debugger may still evaluate */
	await page.evaluate(axeSource);
	return page.evaluate(async () => {
		const found = await window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
		return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
	});
}

const graph = (page) => page.getByRole("application", { name: /Flame graph/ });
const grid = (page) => page.getByRole("grid");

/* When the view has its data: what each view is waited for. */
const VIEWS = {
	"sign-in": { path: "/", kind: "out", ready: (p) => p.getByRole("button", { name: "Sign in" }) },
	"create-account": { path: "/", kind: "new", ready: (p) => p.getByRole("button", { name: "Create account" }) },
	"first-steps": { path: "/", kind: "empty", ready: (p) => p.getByRole("button", { name: "Make a key" }) },
	"services": { path: "/", ready: (p) => p.getByRole("link", { name: "shop-api" }) },
	"keys": { path: "/keys", ready: (p) => p.getByText("web hosts") },
	"flame": { path: SERVICE, ready: graph },
	"flame-up": { path: `${SERVICE}&root=bottom&colour=module`, ready: graph },
	"search": { path: `${SERVICE}&search=json`, ready: (p) => p.getByText("in 4 functions").or(p.getByText("% total")) },
	"table": { path: `${SERVICE}&view=table`, ready: (p) => p.getByRole("gridcell", { name: /score/ }) },
	"both": { path: `${SERVICE}&view=both&live=1&filter=process%3Dpython3`, ready: (p) => p.getByRole("gridcell", { name: /score/ }) },
	"no-samples": { path: "/service?service=reports-nightly", ready: (p) => p.getByText("No samples in this range") },
	"error": { path: SERVICE, prepare: (s) => { s.fail = "/flamegraph"; }, ready: (p) => p.getByRole("alert") },
};

for (const [name, view] of Object.entries(VIEWS)) {
	test(`${name}: pictures and no accessibility violation`, async () => {
		for (const [width, size] of [["wide", WIDE], ["narrow", NARROW]]) {
			for (const theme of ["light", "dark"]) {
				await visit(view.path, { ...view, size, theme }, async (page) => {
					await view.ready(page).first().waitFor();
					await page.waitForLoadState("networkidle");
					await shot(page, `${name}-${width}-${theme}`);
					assert.deepEqual(await violations(page), [], `${name} ${width} ${theme}`);
					const spill = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
					assert.ok(spill <= 0, `${name} ${width}: ${spill} px wider than the window`);
				});
			}
		}
	});
}

test("details, menus and panels have no accessibility violation", async () => {
	for (const theme of ["light", "dark"]) {
		await visit(SERVICE, { theme }, async (page) => {
			await graph(page).click({ position: { x: 400, y: 230 } });
			await page.getByRole("complementary", { name: "Details of the frame" }).waitFor();
			await shot(page, `details-wide-${theme}`);
			assert.deepEqual(await violations(page), []);
			for (const panel of ["last 1 h", "Add a filter", /^CPU: /, "Light or dark", /^Account/, "Download", "shop-api"]) {
				await page.getByRole("button", { name: panel, exact: typeof panel === "string" && panel !== "Account" }).click();
				await page.getByRole("dialog").waitFor();
				await page.waitForLoadState("networkidle");
				assert.deepEqual(await violations(page), [], String(panel));
				await page.keyboard.press("Escape");
				await page.getByRole("dialog").waitFor({ state: "detached" });
			}
			await page.keyboard.press("?");
			await page.getByRole("heading", { name: "Keys", exact: true }).waitFor();
			await shot(page, `keys-sheet-${theme}`);
			assert.deepEqual(await violations(page), []);
		});
	}
});

test("the keyboard alone goes the whole way", async () => {
	await visit("/", { kind: "new", motion: "reduce" }, async (page, state) => {
		const type = (text) => page.keyboard.type(text);
		const press = (...keys) => keys.reduce((p, k) => p.then(() => page.keyboard.press(k)), Promise.resolve());
		const tabTo = async (role, name) => {
			const target = page.getByRole(role, { name, exact: true });
			await target.waitFor();
			for (let i = 0; i < 40; i++) {
				if (await target.evaluate((e) => e === document.activeElement))
					return;
				await press("Tab");
			}
			assert.fail(`Tab never reached ${role} ${name}`);
		};
		await page.getByRole("heading", { name: "Create your account" }).waitFor();
		await type("ada@example.org");
		await press("Tab");
		await type("short");
		await press("Enter");
		await page.getByText("Use at least 10 characters.").waitFor();
		await type(" but now long enough");
		await press("Enter");
		await tabTo("button", "Make a key");
		await press("Enter");
		await tabTo("textbox", "Name of the service");
		await type("shop-api");
		await press("Enter");
		await page.getByText("waiting for the first sample from shop-api").waitFor();
		await tabTo("button", "Copy");
		await press("Enter");
		const line = await page.evaluate(() => navigator.clipboard.readText());
		assert.equal(line, `curl -fsSL ${new URL(page.url()).origin}/install.sh | sudo GLIM_KEY=glim_Zz9yT4kPq0vN8sLw2mXr6cJd1hBf5gAe sh -s -- --service shop-api`);
		await noteShown(page, { "who came": { at: "[role=status]", text: "first sample from web-1" } });
		const now = Date.now() / 1000;
		Object.assign(state.services[0], { first_seen: now, last_seen: now, first_host: "web-1" });
		await graph(page).waitFor();
		assert.deepEqual((await shown(page)).map(([what]) => what), ["who came"]);
		assert.match(page.url(), /service=shop-api.*live=1/);

		/* in the graph */
		await tabTo("application", /Flame graph/);
		await press("ArrowDown", "ArrowDown", "ArrowDown");
		await page.getByText("__libc_start_main, native").waitFor({ state: "attached" });
		await press("Enter");
		assert.match(page.url(), /zoom=[0-9a-f]{16}/);
		await page.getByRole("complementary").waitFor();
		await press(".");
		await page.getByRole("menu").waitFor();
		await press("Escape");
		await press("Escape");
		await page.getByRole("complementary").waitFor({ state: "detached" });
		await press("r");
		assert.doesNotMatch(page.url(), /zoom=/);
		await press("/");
		await type("score");
		await press("Enter");
		await page.getByText(/16\.2 % total/).waitFor();
		await press("Escape", "Escape", "t");
		await grid(page).waitFor();
		await tabTo("grid", /Functions/);
		await press("ArrowDown", "Enter");
		await page.getByRole("complementary").waitFor();
		assert.equal(await page.locator("[role=row][aria-selected=true]").count(), 1);
		await press("g", "h");
		await page.getByRole("link", { name: "shop-api" }).waitFor();
	});
});

test("everything that narrows is in the address and Back undoes it", async () => {
	await visit(SERVICE, { motion: "reduce" }, async (page) => {
		await graph(page).waitFor();
		await graph(page).click({ position: { x: 400, y: 230 } });
		await page.getByRole("navigation", { name: /Path/ }).getByText("list_orders").waitFor();
		const zoomed = page.url();
		await page.keyboard.press("/");
		await page.keyboard.type("json");
		await page.getByText(/30\.0 % total/).waitFor();
		const searched = page.url();
		await page.keyboard.press("Tab");
		await page.getByRole("button", { name: "Both" }).click();
		await page.getByRole("button", { name: "Add a filter" }).click();
		await page.getByRole("button", { name: "process", exact: true }).click();
		await page.getByRole("button", { name: /^python3 [0-9.]+ %/ }).click();
		await page.getByRole("button", { name: "Remove the filter process=python3" }).waitFor();
		assert.match(page.url(), /filter=process=python3/);
		await page.goBack();
		await page.getByRole("button", { name: "Remove the filter process=python3" }).waitFor({ state: "detached" });
		await page.goBack();
		await grid(page).waitFor({ state: "detached" });
		assert.equal(page.url(), searched);
		await page.goBack();
		assert.equal(await page.getByRole("textbox", { name: /Search/ }).inputValue(), "");
		assert.equal(page.url(), zoomed);

		/* the same link shows the same view */
		await page.reload();
		await page.getByRole("navigation", { name: /Path/ }).getByText("list_orders").waitFor();
		await page.goBack();
		await page.getByRole("button", { name: "Reset" }).waitFor({ state: "detached" });
	});
});

test("dragging in a chart selects the range, a double click widens it", async () => {
	await visit(SERVICE, {}, async (page) => {
		await graph(page).waitFor();
		const box = await page.locator(".u-over").first().boundingBox();
		const y = box.y + box.height / 2;
		await page.mouse.move(box.x + box.width * 0.25, y);
		await page.mouse.down();
		await page.mouse.move(box.x + box.width * 0.4, y, { steps: 4 });
		await page.mouse.move(box.x + box.width * 0.5, y, { steps: 4 });
		await page.mouse.up();
		await page.waitForURL(/from=\d+&until=\d+/);
		const range = () => {
			const q = new URL(page.url()).searchParams;
			return Number(q.get("until")) - Number(q.get("from"));
		};
		assert.ok(Math.abs(range() - 900) < 30, `a quarter of an hour was dragged: ${range()} s`);
		const before = range();
		await page.mouse.dblclick(box.x + box.width * 0.5, y);
		await page.waitForURL((u) => Number(u.searchParams.get("until")) - Number(u.searchParams.get("from")) > before * 1.8);
	});
});

test("the pointer: tooltip beside the frame, zoom with Ctrl and wheel, drag to pan", async () => {
	await visit(SERVICE, { motion: "reduce" }, async (page) => {
		await graph(page).waitFor();
		const box = await graph(page).boundingBox();
		await page.mouse.move(box.x + 400, box.y + 230);
		const tip = page.locator(".tip");
		await tip.waitFor();
		assert.match(await tip.innerText(), /list_orders[\s\S]*Python[\s\S]*shop\/views\/orders\.py:52[\s\S]*samples[\s\S]*39\.5 %/);
		const at = await tip.boundingBox();
		assert.ok(at.y >= box.y + 239, "the tooltip stands below the row of the pointer");
		await page.keyboard.down("Control");
		await page.mouse.wheel(0, -400);
		await page.keyboard.up("Control");
		await page.waitForURL(/window=0\.\d+,0\.\d+/);
		const zoomed = page.url();
		await page.mouse.down();
		await page.mouse.move(box.x + 300, box.y + 230, { steps: 5 });
		await page.mouse.up();
		await page.waitForURL((u) => u.href !== zoomed);
		assert.match(page.url(), /window=/);
		assert.doesNotMatch(page.url(), /zoom=/);
		await page.mouse.click(box.x + 300, box.y + 230, { button: "right" });
		await page.getByRole("menuitem", { name: /Copy name/ }).click();
		assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "list_orders");
	});
});

test("the hatched rest can be entered", async () => {
	await visit(`${SERVICE}&search=hook_`, { motion: "reduce" }, async (page) => {
		await graph(page).waitFor();
		await page.getByText("no match").waitFor(); /* they are all inside the rest */
		/* the rest is the last child of plugin_hook: walk there by keyboard */
		await page.keyboard.press("/");
		await page.getByRole("textbox", { name: /Search/ }).fill("plugin_hook");
		await page.keyboard.press("Enter");
		await graph(page).focus();
		await page.keyboard.press("ArrowDown");
		await page.getByText("(too narrow to show)").waitFor({ state: "attached" });
		await page.keyboard.press("Enter");
		await page.waitForURL(/detail=8/);
		await page.getByRole("textbox", { name: /Search/ }).fill("hook_");
		await page.getByText(/in \d{3} functions/).waitFor();
	});
});

test("loading shows no spinner at once, errors offer a retry that works", async () => {
	await visit(SERVICE, { prepare: (s) => { s.fail = "/flamegraph"; } }, async (page, state) => {
		const alert = page.getByRole("alert");
		await alert.waitFor();
		assert.match(await alert.innerText(), /could not be loaded/);
		state.fail = null;
		await page.getByRole("button", { name: "Try again" }).click();
		await graph(page).waitFor();
		/* what is there stays while the next answer is awaited or fails */
		state.fail = "/flamegraph";
		await page.keyboard.press("[");
		await alert.waitFor();
		assert.match(await alert.innerText(), /last one that came/);
		assert.ok(await graph(page).isVisible());
	});
	let goOn;
	await visit(SERVICE, { prepare: (s) => { s.hold = { path: "/flamegraph", until: new Promise((f) => { goOn = f; }) }; } }, async (page) => {
		await page.getByRole("status", { name: "Loading the profile" }).waitFor();
		goOn();
		await graph(page).waitFor();
	});
});

test("a session that ends asks for the password and comes back to the same view", async () => {
	await visit(`${SERVICE}&view=table`, {}, async (page, state) => {
		await grid(page).waitFor();
		state.account = null;
		await page.keyboard.press("[");
		await page.getByRole("heading", { name: "Sign in" }).waitFor();
		await page.getByLabel("E-mail").fill("ada@example.org");
		await page.getByLabel("Password").fill("wrong password");
		await page.getByRole("button", { name: "Sign in" }).click();
		await page.getByText("do not belong together").waitFor();
		await page.getByLabel("Password").fill("correct horse battery");
		await page.getByRole("button", { name: "Sign in" }).click();
		await grid(page).waitFor();
		assert.match(page.url(), /view=table/);
	});
});

test("the secret of the one-time link leaves the address at once", async () => {
	const prepare = (s) => { s.tokenRequired = true; };
	for (const link of ["/#token=one-time", "/?token=one-time"]) {
		await visit(link, { kind: "new", prepare }, async (page) => {
			await page.getByLabel("E-mail").fill("ada@example.org");
			assert.doesNotMatch(page.url(), /one-time/);
			await page.getByLabel("Password").fill("correct horse battery");
			await page.getByRole("button", { name: "Create account" }).click();
			await page.getByRole("button", { name: "Make a key" }).waitFor();
		});
	}
	await visit("/", { kind: "new", prepare }, async (page) => {
		await page.getByLabel("Token of the one-time link").fill("wrong");
		await page.getByLabel("E-mail").fill("ada@example.org");
		await page.getByLabel("Password").fill("correct horse battery");
		await page.getByRole("button", { name: "Create account" }).click();
		await page.getByText("missing or wrong").waitFor();
	});
});

test("keys are made, shown once and revoked", async () => {
	await visit("/keys", {}, async (page) => {
		await page.getByLabel("Name").fill("batch");
		await page.getByLabel("May").selectOption("read");
		await page.getByRole("button", { name: "Make key" }).click();
		await page.getByText("Copy the key now.").waitFor();
		await page.getByRole("row", { name: /batch read/ }).waitFor();
		await page.reload();
		await page.getByRole("row", { name: /batch read/ }).waitFor();
		assert.equal(await page.getByText("glim_Zz9yT4kPq0vN").count(), 0);
		await page.getByRole("button", { name: "Revoke batch" }).click();
		await page.getByRole("button", { name: "Revoke for good" }).click();
		await page.getByRole("row", { name: /batch read/ }).waitFor({ state: "detached" });
	});
});

test("the reader's choice of light or dark stays", async () => {
	await visit("/", { theme: "dark" }, async (page) => {
		const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
		await page.getByRole("link", { name: "shop-api" }).waitFor();
		assert.equal(await theme(), "dark");
		await page.getByRole("button", { name: "Light or dark" }).click();
		await page.getByRole("button", { name: "Light", exact: true }).click();
		assert.equal(await theme(), "light");
		await page.reload();
		await page.getByRole("link", { name: "shop-api" }).waitFor();
		assert.equal(await theme(), "light");
		await page.emulateMedia({ colorScheme: "light" });
		await page.getByRole("button", { name: "Light or dark" }).click();
		await page.getByRole("button", { name: "As the system" }).click();
		await page.emulateMedia({ colorScheme: "dark" });
		await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
	});
});
