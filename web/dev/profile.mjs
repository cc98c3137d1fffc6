// The fixed profile of the screenshots and page tests: always the same stacks, in the form of the API.

const NATIVE = 1, KERNEL = 2, PYTHON = 3, MARK = 4, PROCESS = 5;
const PERIOD = 50_000_000;

/* A small generator of numbers that are always the same (mulberry32). */
export function numbers(seed) {
	let a = seed >>> 0;
	return () => {
		a = (a + 0x6d2b79f5) >>> 0;
		let t = Math.imul(a ^ (a >>> 15), 1 | a);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

const py = (name, file, start, line = start + 4) => ({ name, file, start, line, kind: PYTHON, module: "" });
const so = (name, module, file = "", start = 0) => ({ name, file, start, line: start ? start + 3 : 0, kind: NATIVE, module });
const k = (name) => ({ name, file: "", start: 0, line: 0, kind: KERNEL, module: "[kernel]" });
const mark = (name) => ({ name, file: "", start: 0, line: 0, kind: MARK, module: "" });
const proc = (name) => ({ name, file: "", start: 0, line: 0, kind: PROCESS, module: "" });

const LIBC = "/lib/x86_64-linux-gnu/libc.so.6", PYBIN = "/usr/bin/python3.11", SSL = "/lib/x86_64-linux-gnu/libssl.so.3";
const syscall = [k("entry_SYSCALL_64_after_hwframe"), k("do_syscall_64")];
const worker = [
	proc("python3"), so("_start", PYBIN), so("__libc_start_main", LIBC), so("Py_BytesMain", PYBIN),
	py("<module>", "shop/serve.py", 1, 88), py("main", "shop/serve.py", 61, 74),
	py("Worker.run", "shop/worker.py", 40, 57), py("Worker.handle", "shop/worker.py", 66, 81),
	py("App.__call__", "shop/app.py", 22, 39), py("Router.dispatch", "shop/router.py", 18, 44),
];
const orders = [...worker, py("list_orders", "shop/views/orders.py", 31, 52)];
const search = [...worker, py("search_products", "shop/views/search.py", 20, 47)];
const basket = [...worker, py("update_basket", "shop/views/basket.py", 55, 71)];
const fetchRows = [py("Query.all", "shop/db/query.py", 120, 138), py("Cursor.execute", "shop/db/cursor.py", 44, 60), py("Cursor._fetch", "shop/db/cursor.py", 88, 97)];
const encode = [py("render_json", "shop/render.py", 12, 30), py("JSONEncoder.encode", "json/encoder.py", 183, 200), py("JSONEncoder.iterencode", "json/encoder.py", 204, 258)];

const STACKS = [
	[[...orders, ...fetchRows, so("PQgetResult", "/usr/lib/libpq.so.5"), so("pqWaitTimed", "/usr/lib/libpq.so.5"), so("poll", LIBC), ...syscall, k("__x64_sys_poll"), k("do_sys_poll"), k("schedule_hrtimeout_range")], 210],
	[[...orders, ...fetchRows, py("Row.from_tuple", "shop/db/row.py", 14, 25)], 690],
	[[...orders, ...fetchRows, py("Row.from_tuple", "shop/db/row.py", 14, 25), py("parse_money", "shop/money.py", 8, 15), py("Decimal.__new__", "decimal.py", 520, 533)], 820],
	[[...orders, ...fetchRows, py("Row.from_tuple", "shop/db/row.py", 14, 25), py("parse_time", "shop/times.py", 30, 36), so("datetime_strptime", PYBIN)], 540],
	[[...orders, ...encode, so("c_make_encoder", "/usr/lib/python3.11/lib-dynload/_json.so")], 940],
	[[...orders, ...encode, py("JSONEncoder.default", "shop/render.py", 41, 49)], 430],
	[[...orders, py("with_totals", "shop/views/orders.py", 80, 93), py("<genexpr>", "shop/views/orders.py", 92, 92)], 610],
	[[...orders, py("check_session", "shop/auth.py", 19, 33), py("hmac_verify", "shop/auth.py", 60, 66), so("EVP_DigestVerify", "/lib/x86_64-linux-gnu/libcrypto.so.3"), so("sha256_block_data_order_avx2", "/lib/x86_64-linux-gnu/libcrypto.so.3")], 320],
	[[...search, py("rank", "shop/search/rank.py", 10, 48), py("score", "shop/search/rank.py", 70, 83)], 1480],
	[[...search, py("rank", "shop/search/rank.py", 10, 48), py("score", "shop/search/rank.py", 70, 85), so("math_log", PYBIN)], 390],
	[[...search, py("rank", "shop/search/rank.py", 10, 52), so("list_sort", PYBIN), so("unsafe_latin_compare", PYBIN)], 350],
	[[...search, py("tokenise", "shop/search/text.py", 5, 19), py("Pattern.findall", "re.py", 240, 240), so("_sre_SRE_Pattern_findall", PYBIN), so("sre_ucs1_match", PYBIN)], 760],
	[[...search, ...encode, so("c_make_encoder", "/usr/lib/python3.11/lib-dynload/_json.so")], 310],
	[[...basket, py("apply_discounts", "shop/pricing.py", 44, 90), py("Discount.applies", "shop/pricing.py", 120, 131)], 480],
	[[...basket, py("apply_discounts", "shop/pricing.py", 44, 97), py("apply_discounts", "shop/pricing.py", 44, 90), py("Discount.applies", "shop/pricing.py", 120, 131)], 130],
	[[...basket, ...fetchRows, py("Row.from_tuple", "shop/db/row.py", 14, 25)], 170],
	[[...worker, py("log_request", "shop/log.py", 9, 21), py("Handler.emit", "logging/__init__.py", 1080, 1093), so("write", LIBC), ...syscall, k("ksys_write"), k("vfs_write"), k("ext4_buffered_write_iter"), k("copy_user_enhanced_fast_string")], 230],
	[[...worker.slice(0, 8), so("gc_collect_main", PYBIN), so("deduce_unreachable", PYBIN), so("visit_decref", PYBIN)], 460],
	[[...worker.slice(0, 7), py("Socket.accept", "shop/net.py", 71, 80), so("accept4", LIBC), ...syscall, k("__sys_accept4"), k("inet_csk_accept")], 140],
	[[...worker.slice(0, 4), mark("[cut: Python frames could not be read]")], 60],
	[[proc("postgres"), so("_start", "/usr/lib/postgresql/15/bin/postgres"), so("main", "/usr/lib/postgresql/15/bin/postgres", "main.c", 59), so("PostmasterMain", "/usr/lib/postgresql/15/bin/postgres", "postmaster.c", 576), so("ServerLoop", "/usr/lib/postgresql/15/bin/postgres", "postmaster.c", 1684), so("PostgresMain", "/usr/lib/postgresql/15/bin/postgres", "postgres.c", 4061), so("exec_simple_query", "/usr/lib/postgresql/15/bin/postgres", "postgres.c", 968), so("PortalRun", "/usr/lib/postgresql/15/bin/postgres", "pquery.c", 681), so("ExecSeqScan", "/usr/lib/postgresql/15/bin/postgres", "nodeSeqscan.c", 96), so("heap_getnextslot", "/usr/lib/postgresql/15/bin/postgres", "heapam.c", 1339)], 730],
	[[proc("postgres"), so("_start", "/usr/lib/postgresql/15/bin/postgres"), so("main", "/usr/lib/postgresql/15/bin/postgres", "main.c", 59), so("PostmasterMain", "/usr/lib/postgresql/15/bin/postgres", "postmaster.c", 576), so("ServerLoop", "/usr/lib/postgresql/15/bin/postgres", "postmaster.c", 1684), so("PostgresMain", "/usr/lib/postgresql/15/bin/postgres", "postgres.c", 4061), so("ReadCommand", "/usr/lib/postgresql/15/bin/postgres", "postgres.c", 470), so("recv", LIBC), ...syscall, k("__sys_recvfrom"), k("tcp_recvmsg"), k("skb_copy_datagram_iter")], 260],
	[[proc("nginx"), so("_start", "/usr/sbin/nginx"), so("main", "/usr/sbin/nginx", "nginx.c", 195), so("ngx_worker_process_cycle", "/usr/sbin/nginx", "ngx_process_cycle.c", 700), so("ngx_epoll_process_events", "/usr/sbin/nginx", "ngx_epoll_module.c", 784), so("ngx_ssl_handshake_handler", "/usr/sbin/nginx"), so("SSL_do_handshake", SSL), so("tls_construct_server_hello", SSL)], 290],
	[[proc("nginx"), so("_start", "/usr/sbin/nginx"), so("main", "/usr/sbin/nginx", "nginx.c", 195), so("ngx_worker_process_cycle", "/usr/sbin/nginx", "ngx_process_cycle.c", 700), so("ngx_epoll_process_events", "/usr/sbin/nginx", "ngx_epoll_module.c", 784), so("writev", LIBC), ...syscall, k("do_writev"), k("sock_write_iter"), k("tcp_sendmsg_locked"), k("tcp_write_xmit"), k("__dev_queue_xmit")], 340],
	[[proc("ksoftirqd/1"), k("ret_from_fork"), k("smpboot_thread_fn"), k("run_ksoftirqd"), k("__do_softirq"), k("net_rx_action"), k("napi_poll")], 110],
];

/* Many short stacks below the real ones, so that there is something narrow to enter. */
function dust(rand) {
	const out = [];
	for (let i = 0; i < 900; i++) {
		const under = [...search.slice(0, 10 + (i % 2)), py("plugin_hook", "shop/plugins.py", 12, 20)];
		out.push([[...under, py(`hook_${String(i).padStart(3, "0")}`, `shop/plugins/p${i % 40}.py`, 10 + (i % 7) * 20), py("call", "shop/plugins.py", 40)], 0.02 + rand() * 0.6]);
	}
	return out;
}

function insert(root, stack, weight) {
	let at = root;
	at.total += weight;
	for (const f of stack) {
		const key = `${f.kind}\n${f.name}\n${f.file}\n${f.start}\n${f.module}`;
		let next = at.kids.get(key);
		if (!next) {
			next = { frame: f, key, total: 0, self: 0, kids: new Map() };
			at.kids.set(key, next);
		}
		next.total += weight;
		at = next;
	}
	at.self += weight;
}

export function fixedTree(scale = 19.5, keep = () => true) {
	const root = { frame: null, key: "", total: 0, self: 0, kids: new Map() };
	for (const [stack, samples] of [...STACKS, ...dust(numbers(7))])
		if (keep(stack))
			insert(root, stack, Math.round(samples * PERIOD * scale));
	return root;
}

class Columns {
	strings = [""];
	stringIds = new Map([["", 0]]);
	frameIds = new Map();
	frames = { name: [], file: [], start: [], kind: [], module: [] };
	nodes = { depth: [], frame: [], line: [], self: [], total: [] };

	string(text) {
		let id = this.stringIds.get(text);
		if (id === undefined) {
			id = this.strings.push(text) - 1;
			this.stringIds.set(text, id);
		}
		return id;
	}

	frame(node) {
		let id = this.frameIds.get(node.key);
		if (id === undefined) {
			const f = node.frame;
			id = this.frames.name.push(this.string(f.name)) - 1;
			this.frames.file.push(this.string(f.file));
			this.frames.start.push(f.start);
			this.frames.kind.push(f.kind);
			this.frames.module.push(this.string(f.module));
			this.frameIds.set(node.key, id);
		}
		return id;
	}

	add(depth, frame, line, self, total) {
		this.nodes.depth.push(depth);
		this.nodes.frame.push(frame);
		this.nodes.line.push(line);
		this.nodes.self.push(self);
		this.nodes.total.push(total);
	}
}

function walk(c, node, depth, least) {
	c.add(depth, node.frame ? c.frame(node) : -1, node.frame?.line ?? 0, node.self, node.total);
	const kids = [...node.kids.values()].sort((a, b) => a.frame.name < b.frame.name ? -1 : a.frame.name > b.frame.name ? 1 : 0);
	let rest = 0;
	for (const kid of kids) {
		if (kid.total < least)
			rest += kid.total;
		else
			walk(c, kid, depth + 1, least);
	}
	if (rest > 0)
		c.add(depth + 1, -2, 0, rest, rest);
}

export function flamegraph(service, root, from, until, width) {
	const c = new Columns();
	walk(c, root, 0, width > 0 ? root.total / width / 2 : 0);
	return {
		service, type: "cpu", unit: "nanoseconds", from, until, seconds: until - from, total: root.total,
		samples: Math.round(root.total / PERIOD), period: PERIOD, truncated_stacks: 60 / 11700,
		strings: c.strings, frames: c.frames, nodes: c.nodes,
	};
}

/* `count` nodes in random shape: what the graph must stay quick with. */
export function bigProfile(count) {
	const rand = numbers(11);
	const c = new Columns();
	const kinds = [PYTHON, PYTHON, NATIVE, KERNEL];
	const names = 4000;
	for (let i = 0; i < names; i++) {
		c.frames.name.push(c.string(`function_${i}`));
		c.frames.file.push(c.string(`pkg/module_${i % 300}.py`));
		c.frames.start.push(1 + i % 900);
		c.frames.kind.push(kinds[i % 4]);
		c.frames.module.push(0);
	}
	const total = 1e15;
	/* rows of nodes; each node is split among a few children until there are enough */
	let row = [{ total, self: 0, kids: [], frame: -1 }];
	const root = row[0];
	let made = 1;
	while (made < count) {
		const next = [];
		for (const n of row) {
			const kids = 1 + Math.floor(rand() * 3.4);
			n.self = n.total * 0.04;
			let left = n.total - n.self;
			for (let j = 0; j < kids && made < count; j++, made++) {
				const part = j === kids - 1 ? left * 0.97 : left * (0.2 + rand() * 0.5);
				left -= part;
				const kid = { total: part, self: part, kids: [], frame: Math.floor(rand() * names) };
				n.kids.push(kid);
				next.push(kid);
			}
			n.self += left;
		}
		row = next;
	}
	const stack = [[root, 0]];
	while (stack.length > 0) {
		const [n, depth] = stack.pop();
		c.add(depth, n.frame, 0, Math.round(n.self), Math.round(n.total));
		for (let j = n.kids.length - 1; j >= 0; j--)
			stack.push([n.kids[j], depth + 1]);
	}
	return {
		service: "big", type: "cpu", unit: "nanoseconds", from: 0, until: 3600, seconds: 3600, total,
		samples: total / PERIOD, period: PERIOD, truncated_stacks: 0, strings: c.strings, frames: c.frames, nodes: c.nodes,
	};
}
