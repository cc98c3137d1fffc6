import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULTS, formatFilter, formatRoute, parseFilter, parseRoute } from "../src/state/route";
import type { Route } from "../src/state/route";
import { between, fromField, isRelative, isTime, rangeLabel, resolve, shift, toField, widen } from "../src/state/time";

const parse = (address: string) => {
	const [path, query] = address.split("?");
	return parseRoute(path ?? "/", query ?? "");
};

test("an address and its state are the same thing", () => {
	const full: Route = {
		page: "service", service: "shop.api-2", type: "offcpu", from: "1700000000", until: "1700003600", live: false,
		filters: ["process=python3", "thread!~worker-.* &x"], view: "both", zoom: "0123456789abcdef", window: [0.25, 0.3125],
		search: "/^a+b$/", colour: "module", up: true, detail: 64, sort: "-total",
	};
	assert.deepEqual(parse(formatRoute(full)), full);
	assert.deepEqual(parse(formatRoute({ ...DEFAULTS, page: "keys" })), { ...DEFAULTS, page: "keys" });
});

test("defaults are left out", () => {
	assert.equal(formatRoute(DEFAULTS), "/");
	assert.equal(formatRoute({ ...DEFAULTS, page: "service", service: "a" }), "/service?service=a");
	assert.equal(formatRoute({ ...DEFAULTS, page: "start", service: "a" }), "/start?service=a");
});

test("a wrong address falls back to defaults", () => {
	assert.deepEqual(parse("/nowhere"), DEFAULTS);
	const r = parse("/service?service=a&from=yesterday&view=pie&zoom=xyz&window=0.5,0.2&detail=-4&colour=red");
	assert.deepEqual(r, { ...DEFAULTS, page: "service", service: "a" });
	assert.equal(parse("/service?window=0.1,0.2,0.3").window, null);
	assert.equal(parse("/service?window=0,2").window, null);
	assert.equal(parse("/service?detail=1e9").detail, 64);
});

test("filters", () => {
	assert.deepEqual(parseFilter("process=python3"), { label: "process", op: "=", value: "python3" });
	assert.deepEqual(parseFilter("thread!~a=b"), { label: "thread", op: "!~", value: "a=b" });
	assert.deepEqual(parseFilter("host=~web-.*"), { label: "host", op: "=~", value: "web-.*" });
	assert.deepEqual(parseFilter("host!="), { label: "host", op: "!=", value: "" });
	assert.equal(parseFilter("no filter"), null);
	for (const f of ["a=b", "a!=b", "a=~b", "a!~b"])
		assert.equal(formatFilter(parseFilter(f) as NonNullable<ReturnType<typeof parseFilter>>), f);
});

test("time expressions", () => {
	assert.equal(resolve("now", 1000), 1000);
	assert.equal(resolve("now-15m", 1000), 100);
	assert.equal(resolve("now-1w", 604800), 0);
	assert.equal(resolve("1700000000.5", 0), 1700000000.5);
	assert.ok(Number.isNaN(resolve("now+1h", 0)));
	for (const bad of ["", "now-", "now-1y", "-5", "1e9", "now-1h;"])
		assert.ok(!isTime(bad), bad);
	assert.ok(isRelative({ from: "now-1h", until: "now" }));
	assert.ok(!isRelative({ from: "now-2h", until: "now-1h" }));
});

test("shifting keeps the length and never passes now", () => {
	const now = 1_000_000;
	assert.deepEqual(shift({ from: "now-1h", until: "now" }, -1, now), { from: "992800", until: "996400" });
	assert.deepEqual(shift({ from: "990000", until: "993600" }, 1, now), { from: "993600", until: "997200" });
	assert.deepEqual(shift({ from: "995000", until: "998600" }, 1, now), { from: "996400", until: "1000000" });
});

test("widening doubles, dragging keeps a least length", () => {
	const now = 1_000_000;
	assert.deepEqual(widen({ from: "now-1h", until: "now" }, now), { from: "now-6h", until: "now" });
	assert.deepEqual(widen({ from: "now-30d", until: "now" }, now), { from: "now-30d", until: "now" });
	assert.deepEqual(widen({ from: "900000", until: "900100" }, now), { from: "899950", until: "900150" });
	assert.deepEqual(widen({ from: "999900", until: "1000000" }, now), { from: "999800", until: "1000000" });
	assert.deepEqual(between(200, 100), { from: "100", until: "200" });
	assert.deepEqual(between(100, 101), { from: "95", until: "106" });
});

test("range labels", () => {
	assert.equal(rangeLabel({ from: "now-1h", until: "now" }, 0), "last 1 h");
	assert.equal(rangeLabel({ from: "now-3h", until: "now" }, 0), "last 3h");
	assert.equal(rangeLabel({ from: "1700000000", until: "1700003600" }, 0, "UTC"), "14 Nov, 22:13 – 23:13");
	assert.equal(rangeLabel({ from: "1700000000", until: "1700086400" }, 0, "UTC"), "14 Nov, 22:13 – 15 Nov, 22:13");
	assert.equal(fromField(toField(1700000000)), 1700000000);
});
