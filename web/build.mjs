// Builds the page (index.html, app.js, app.css, favicon.svg), or a page that is one file, into which
// the program writes a profile (standalone.html) or the memory of lines (memory_page.html). The names are
// stable because the program embeds them; the output depends on nothing but the sources and the locked
// packages.
//
//	node build.mjs [page|standalone|memory_page [OUT]]	the page into dist/ unless told otherwise
import { build } from "esbuild";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const LIMITS = { page: 150_000, standalone: 60_000, memory_page: 30_000 }; // gzip bytes of everything together
const root = dirname(fileURLToPath(import.meta.url));

function bundle(entryPoints, more) {
	return build({
		absWorkingDir: root,
		entryPoints,
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
		...more,
	});
}

async function page(out) {
	await bundle({ app: "src/main.tsx" }, { outdir: out });
	await copyFile(join(root, "src/index.html"), join(out, "index.html"));
	await copyFile(join(root, "src/favicon.svg"), join(out, "favicon.svg"));
	return ["index.html", "app.js", "app.css", "favicon.svg"];
}

/* Script and style go into the page; @TITLE@ and @DATA@ are the program's. */
async function inOneFile(name, out) {
	const { outputFiles } = await bundle({ [name]: `src/${name}.tsx` }, { outdir: out, write: false });
	const text = (end) => outputFiles.find((f) => f.path.endsWith(end)).text.trim();
	const script = text(".js").replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
	const html = await readFile(join(root, "src/standalone.html"), "utf8");
	await writeFile(join(out, `${name}.html`), html.replace("@STYLE@", () => text(".css")).replace("@SCRIPT@", () => script));
	return [`${name}.html`];
}

async function make(name, out) {
	await rm(out, { recursive: true, force: true });
	await mkdir(out, { recursive: true });
	const files = await (name === "page" ? page(out) : inOneFile(name, out));
	let sum = 0;
	for (const file of files) {
		const size = gzipSync(await readFile(join(out, file)), { level: 9 }).length;
		console.log(`${file.padEnd(16)} ${String(size).padStart(7)} bytes gzip`);
		sum += size;
	}
	if (sum > LIMITS[name]) {
		console.error(`${name} weighs ${sum} bytes, more than ${LIMITS[name]}`);
		process.exit(1);
	}
}

const [name = "page", out = join(root, "dist")] = process.argv.slice(2);
await make(name, out);
