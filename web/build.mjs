// Builds the page into dist/: index.html, app.js, app.css, favicon.svg. The names are stable because
// the server embeds them; the output depends on nothing but the sources and the locked packages.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const LIMIT = 150_000; // gzip bytes of everything together
const root = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(root, "dist");

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
	absWorkingDir: root,
	entryPoints: { app: "src/main.tsx" },
	outdir: out,
	bundle: true,
	minify: true,
	format: "iife",
	target: ["es2022"],
	charset: "utf8",
	legalComments: "none",
	jsx: "automatic",
	jsxImportSource: "preact",
	define: { "process.env.NODE_ENV": '"production"' },
	logLevel: "warning",
});
await copyFile(join(root, "src/index.html"), join(out, "index.html"));
await copyFile(join(root, "src/favicon.svg"), join(out, "favicon.svg"));

let sum = 0;
for (const name of ["index.html", "app.js", "app.css", "favicon.svg"]) {
	const size = gzipSync(await readFile(join(out, name)), { level: 9 }).length;
	console.log(`${name.padEnd(12)} ${String(size).padStart(7)} bytes gzip`);
	sum += size;
}
console.log(`${"together".padEnd(12)} ${String(sum).padStart(7)} bytes gzip`);
if (sum > LIMIT) {
	console.error(`the page weighs more than ${LIMIT} bytes`);
	process.exit(1);
}
