// A server with a fixed profile, for work on the page and for its screenshot tests. It answers the
// JSON API from memory and serves dist/ under the same Content-Security-Policy as the real one.
//
//   node dev/server.mjs [--port 4050] [--state full|empty|new|out]
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { bigProfile, fixedTree, flamegraph, numbers } from "./profile.mjs";

const dist = join(dirname(fileURLToPath(import.meta.url)), "../dist");
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const ASSETS = {
	"/assets/app.js": ["app.js", "text/javascript; charset=utf-8"],
	"/assets/app.css": ["app.css", "text/css; charset=utf-8"],
	"/assets/favicon.svg": ["favicon.svg", "image/svg+xml"],
};
const UNIT = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

function when(expr, now) {
	const m = /^now(?:-(\d+)([smhdw]))?$/.exec(expr ?? "");
	if (m)
		return m[1] ? now - Number(m[1]) * UNIT[m[2]] : now;
	return Number(expr);
}

/* What the server knows; tests change it while it runs. */
export function newState(kind = "full") {
	const now = Date.now() / 1000;
	const s = {
		kind, account: null, accounts: [], signup: "closed", tokenRequired: false, keys: [], nextKey: 1,
		services: [], hold: null, fail: null, noData: false, bigNodes: 1_000_000,
	};
	if (kind === "new") {
		s.signup = "first";
		return s;
	}
	s.accounts.push({ email: "ada@example.org", password: "correct horse battery", role: "owner" });
	s.account = kind === "out" ? null : s.accounts[0];
	if (kind === "empty")
		return s;
	s.keys.push(
		{ id: s.nextKey++, name: "web hosts", scope: "ingest", prefix: "glim_Ab3d", created: now - 86400 * 12, last_used: now - 4 },
		{ id: s.nextKey++, name: "reports", scope: "read", prefix: "glim_q7Xk", created: now - 86400 * 3, last_used: null });
	s.services.push(
		service("shop-api", now, 3.21, 4.4e9, 3, 37, "score", 1),
		service("mail-worker", now, 0.412, 6.1e8, 1, 9, "parse_headers", 2),
		service("billing", now, 0.087, 2.2e8, 2, 14, "__memcpy_avx_unaligned_erms", 3),
		{ ...service("reports-nightly", now, 0, 0, 0, 0, null, 4), last_seen: now - 40000, spark: Array(30).fill(null) });
	return s;
}

function service(name, now, cores, memory, hosts, processes, top, seed) {
	const rand = numbers(seed);
	let level = cores;
	const spark = Array.from({ length: 30 }, () => {
		level += (rand() - 0.5) * cores * 0.35 + (cores - level) * 0.3;
		return Math.max(0, level);
	});
	return { name, created: now - 864000, first_seen: now - 860000, last_seen: now - 3, first_host: "web-1",
		cores, memory, hosts, processes, top, spark };
}

const tree = fixedTree();

function treeFor(filters) {
	const match = filters.map((f) => /^(\w+)(!=|=~|!~|=)(.*)$/.exec(f)).filter((m) => m && m[1] === "process");
	if (match.length === 0)
		return tree;
	return fixedTree(undefined, (stack) => match.every(([, , op, value]) => {
		const is = op.includes("~") ? new RegExp(`^(${value})$`).test(stack[0].name) : stack[0].name === value;
		return op.startsWith("!") ? !is : is;
	}));
}

let big = null;

function flame(s, q, now) {
	const from = Math.floor(when(q.get("from") ?? "now-1h", now)), until = Math.floor(when(q.get("until") ?? "now", now));
	if (q.get("service") === "big")
		return (big ??= JSON.stringify(bigProfile(s.bigNodes)));
	const root = s.noData || q.get("service") === "reports-nightly" ? { frame: null, total: 0, self: 0, kids: new Map() }
		: treeFor(q.getAll("filter"));
	return flamegraph(q.get("service"), root, from, until, Number(q.get("width") ?? 1200));
}

function series(s, q, now) {
	const from = when(q.get("from") ?? "now-1h", now), until = when(q.get("until") ?? "now", now);
	const step = Math.max(10, Math.ceil((until - from) / 240 / 10) * 10);
	const metric = q.get("metric");
	const times = [];
	for (let t = Math.floor(from / step) * step; t <= until; t += step)
		times.push(t);
	const none = s.noData || q.get("service") === "reports-nightly";
	const wave = (base, swing, seed) => times.map((t) => none ? null
		: Math.max(0, base + swing * (Math.sin(t / 700) + 0.5 * Math.sin(t / 93 + seed)) + swing * 0.3 * numbers(Math.floor(t / step) + seed)()));
	const answer = (unit, lines) => ({ metric, unit, step, times, series: lines });
	const one = (unit, values) => answer(unit, [{ labels: {}, values }]);
	switch (metric) {
	case "cpu": return one("cores", wave(3.1, 0.6, 1));
	case "process.cpu": return one("cores", wave(2.1, 0.5, 5));
	case "memory": return one("bytes", wave(4.1e9, 2e8, 2));
	case "process.memory": return one("bytes", wave(1.4e9, 4e7, 6));
	case "samples": return answer("samples", [
		{ labels: { outcome: "complete" }, values: times.map(() => 600) },
		{ labels: { outcome: "Python frames could not be read" }, values: times.map(() => 3) }]);
	case "remarks": return answer("samples", [
		{ labels: { remark: "frames found by frame pointer alone" }, values: times.map(() => 9) }]);
	case "lost": return answer("samples", [{ labels: { reason: "ring buffer full" }, values: times.map((_, i) => i % 60 === 0 ? 4 : 0) }]);
	default: return answer("", []);
	}
}

const VALUES = {
	host: [["web-1", 4.1e11], ["web-3", 2.3e11], ["web-2", 1.2e11]],
	process: [["python3", 9.4e11], ["postgres", 1e11], ["nginx", 6e10], ["ksoftirqd/1", 1e10]],
	thread: [["worker-0", 3e11], ["worker-1", 2.6e11], ["worker-2", 2.4e11], ["MainThread", 4e10]],
	pid: Array.from({ length: 37 }, (_, i) => [String(1200 + i * 17), 4e11 / (i + 1)]),
};

class Problem extends Error {
	constructor(status, code, message) {
		super(message);
		this.status = status;
		this.code = code;
	}
}

function accounts(s, method, path, body) {
	if (method === "POST" && path === "/accounts") {
		if (s.signup === "closed")
			throw new Problem(403, "forbidden", "New accounts are closed on this server.");
		if (s.tokenRequired && body.token !== "one-time")
			throw new Problem(403, "forbidden", "The token of the one-time link is missing or wrong.");
		const a = { email: body.email, password: body.password, role: s.signup === "first" ? "owner" : "member" };
		s.accounts.push(a);
		s.account = a;
		s.signup = "closed";
		return [201, { account: { email: a.email, role: a.role } }];
	}
	if (method === "POST" && path === "/session") {
		const a = s.accounts.find((x) => x.email === body.email && x.password === body.password);
		if (!a)
			throw new Problem(401, "unauthorized", "The e-mail or the password is wrong.");
		s.account = a;
		return [200, { account: { email: a.email, role: a.role } }];
	}
	return null;
}

function keys(s, method, path, body) {
	if (path === "/keys" && method === "GET")
		return [200, { keys: s.keys }];
	if (path === "/keys" && method === "POST") {
		const kept = { id: s.nextKey++, name: body.name, scope: body.scope, prefix: "glim_Zz9y", created: Date.now() / 1000, last_used: null };
		s.keys.push(kept);
		return [201, { ...kept, key: "glim_Zz9yT4kPq0vN8sLw2mXr6cJd1hBf5gAe" }];
	}
	const m = /^\/keys\/(\d+)$/.exec(path);
	if (m && method === "DELETE") {
		s.keys = s.keys.filter((x) => x.id !== Number(m[1]));
		return [204];
	}
	return null;
}

function data(s, path, q, now) {
	switch (path) {
	case "/labels": return [200, { labels: ["host", "pid", "process", "thread"] }];
	case "/flamegraph":
		if (q.get("format") === "folded")
			return [200, "shop-api;main 1\n"];
		return [200, flame(s, q, now)];
	case "/series": return [200, series(s, q, now)];
	}
	const m = /^\/labels\/(\w+)\/values$/.exec(path);
	if (m)
		return [200, { values: (s.noData || q.get("service") === "reports-nightly" ? [] : VALUES[m[1]] ?? []).map(([value, weight]) => ({ value, weight })), truncated: false }];
	return null;
}

function answer(s, method, path, q, body) {
	const now = Date.now() / 1000;
	if (path === "/status")
		return [200, { version: "0.1.0", signup: s.signup, token_required: s.tokenRequired }];
	const free = accounts(s, method, path, body);
	if (free)
		return free;
	if (!s.account)
		throw new Problem(401, "unauthorized", "Sign in first.");
	if (s.fail && path.startsWith(s.fail))
		throw new Problem(500, "internal", "The store could not be read.");
	if (path === "/me")
		return [200, { account: { email: s.account.email, role: s.account.role } }];
	if (path === "/session" && method === "DELETE") {
		s.account = null;
		return [204];
	}
	if (path === "/services" && method === "GET")
		return [200, { services: s.services }];
	if (path === "/services" && method === "POST") {
		if (s.services.some((x) => x.name === body.name))
			throw new Problem(409, "conflict", "A service of this name exists.");
		s.services.push({ name: body.name, created: now, first_seen: null, last_seen: null, first_host: null,
			cores: 0, memory: 0, hosts: 0, processes: 0, top: null, spark: Array(30).fill(null) });
		return [201, { name: body.name }];
	}
	const found = keys(s, method, path, body) ?? data(s, path, q, now);
	if (!found)
		throw new Problem(404, "not_found", "There is no such thing here.");
	return found;
}

async function bodyOf(req) {
	const parts = [];
	for await (const p of req)
		parts.push(p);
	return parts.length ? JSON.parse(Buffer.concat(parts).toString()) : {};
}

async function api(s, req, res, url) {
	if (s.hold && url.pathname.endsWith(s.hold.path))
		await s.hold.until; /* a promise */
	let status = 200, out;
	try {
		[status, out] = answer(s, req.method, url.pathname.slice(7), url.searchParams, await bodyOf(req));
	} catch (e) {
		status = e.status ?? 500;
		out = { error: { code: e.code ?? "internal", message: e.message } };
	}
	res.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
	res.end(out === undefined ? "" : typeof out === "string" ? out : JSON.stringify(out));
}

async function page(req, res, url) {
	const asset = ASSETS[url.pathname];
	const [name, type] = asset ?? ["index.html", "text/html; charset=utf-8"];
	if (!asset && url.pathname.includes(".")) {
		res.writeHead(404);
		return res.end();
	}
	res.writeHead(200, { "Content-Type": type, "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-cache" });
	res.end(await readFile(join(dist, name)));
}

/* Start on a free port (or the given one); answers { url, state, close }. */
export function startFixture({ kind = "full", port = 0 } = {}) {
	const state = newState(kind);
	const server = createServer((req, res) => {
		const url = new URL(req.url, "http://localhost");
		(url.pathname.startsWith("/api/v1/") ? api(state, req, res, url) : page(req, res, url)).catch((e) => {
			console.error(e);
			res.destroy();
		});
	});
	return new Promise((done, failed) => {
		server.on("error", failed);
		server.listen(port, "127.0.0.1", () => done({
			url: `http://127.0.0.1:${server.address().port}`,
			state,
			close: () => new Promise((f) => {
				server.close(f);
				server.closeAllConnections();
			}),
		}));
	});
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
	const option = (name, fallback) => {
		const i = process.argv.indexOf(`--${name}`);
		return i > 0 ? process.argv[i + 1] : fallback;
	};
	const f = await startFixture({ kind: option("state", "full"), port: Number(option("port", 4050)) });
	console.log(`the page with a fixed profile: ${f.url}`);
}
