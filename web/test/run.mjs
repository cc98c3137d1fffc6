// Bundles the unit tests with the build's own compiler and runs them with node's test runner.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = mkdtempSync(join(tmpdir(), "glim-web-test-"));
const names = readdirSync(here).filter((f) => f.endsWith(".test.ts"));
await build({
	entryPoints: names.map((f) => join(here, f)),
	outdir: out, outExtension: { ".js": ".mjs" }, bundle: true, platform: "node", format: "esm", target: "node18",
	jsx: "automatic", jsxImportSource: "preact", logLevel: "warning",
});
const run = spawnSync(process.execPath, ["--test", ...names.map((f) => join(out, f.replace(/\.ts$/, ".mjs")))], { stdio: "inherit" });
rmSync(out, { recursive: true, force: true });
process.exit(run.status ?? 1);
