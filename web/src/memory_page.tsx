// Entry of the page of `glim mem --html`: memory of lines, the run inside, no server.
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/memory.css";
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { bytes, count, duration, percent } from "./format/number";
import { filesOf, heldFiles, holdersOf, matcher, topHolders, topLines } from "./memory/data";
import type { File, Line, Process, Run, Top } from "./memory/data";
import { SourceFile } from "./memory/source";
import type { Place } from "./memory/source";
import { Timeline } from "./memory/timeline";
import { startKeys } from "./state/keys";
import { startTheme } from "./state/theme";
import { Brand, Icon } from "./ui/icons";
import { ThemeSwitch } from "./ui/theme_switch";

const TOPS = 12;

function facts(p: Process): string {
	return [p.peak.bytes > 0 && `peak ${bytes(p.peak.bytes)} ${p.measure}`, p.end !== null && duration((p.end - p.start) * 1e9),
		p.events > 0 && `${count(p.events)} lines run`, p.looks && `${count(p.looks)} samples`, p.python && `Python ${p.python}`].filter(Boolean).join("  ·  ");
}

/* What a line took by itself while it ran: not what the functions that it called did. */
function within(l: Line): number {
	return 100 * Math.abs(l.increment - l.own) > l.peak ? 0 : l.peak;
}

function textOf(files: readonly File[], top: Top): string {
	const file = files.find((f) => f.name === top.file);
	return file?.source?.lines[top.line - 1]?.trim() ?? "";
}

function Tops({ title, tops, all, files, onPlace, none }: {
	title: string; tops: Top[]; all: number; files: readonly File[]; onPlace: (p: Place) => void; none: string;
}) {
	const most = tops[0]?.bytes ?? 0;
	return (
		<section class="mem-tops">
			<h2>{title}</h2>
			{tops.length === 0 && <p class="hint">{none}</p>}
			<ol>
				{tops.map((t) => (
					<li key={`${t.file}:${t.line}`}>
						<button type="button" disabled={!t.line} onClick={() => onPlace({ file: t.file, line: t.line })}>
							<span class="mem-top-bar" style={{ width: `${100 * t.bytes / most}%` }} />
							<code class="clip">{textOf(files, t) || "(its source is not here)"}</code>
							<span class="dim clip">{t.line ? `${t.file.replace(/^.*\//, "")}:${t.line}` : "native"}</span>
							<span class="num">{bytes(t.bytes)}</span>
							<span class="num dim">{all > 0 ? percent(t.bytes / all) : ""}</span>
						</button>
					</li>
				))}
			</ol>
		</section>
	);
}

function Search({ text, onText, found, onStep }: { text: string; onText: (s: string) => void; found: string; onStep: (by: number) => void }) {
	const input = useRef<HTMLInputElement>(null);
	const step = useRef(onStep);
	step.current = onStep;
	useEffect(() => startKeys({
		"/": () => input.current?.focus(),
		"n": () => step.current(1),
		"N": () => step.current(-1),
	}), []);
	return (
		<div class="mem-search" role="search">
			<label><Icon name="search" /><span class="hear">Search the sources</span>
				<input ref={input} type="text" value={text} placeholder="search or /regex/" autoComplete="off" spellcheck={false}
					onInput={(e) => onText(e.currentTarget.value)}
					onKeyDown={(e) => {
						if (e.key === "Enter")
							onStep(e.shiftKey ? -1 : 1);
						if (e.key !== "Escape")
							return;
						onText("");
						e.currentTarget.blur();
					}} />
				<kbd>/</kbd></label>
			<span class="dim num" aria-live="polite">{found}</span>
		</div>
	);
}

/* Every line that the search finds, in the order of the page. */
function useHits(files: readonly File[], match: ((s: string) => boolean) | null): Place[] {
	return useMemo(() => match === null ? [] : files.flatMap((f) =>
		(f.source?.lines ?? []).flatMap((s, i) => match(s) ? [{ file: f.name, line: i + 1 }] : [])), [files, match]);
}

function Body({ run, process }: { run: Run; process: Process }) {
	const [peak, leaks] = useMemo(() => [process.at_peak && holdersOf(process.at_peak), process.leaks && holdersOf(process.leaks)], [process]);
	const holders = peak ?? leaks;
	const files = useMemo(() => holders ? heldFiles(holders, run.sources) : filesOf(process, run.sources), [process]);
	const [text, setText] = useState("");
	const [at, setAt] = useState<Place | null>(null);
	const match = useMemo(() => matcher(text), [text]);
	const hits = useHits(files, match ?? null);
	const grown = useMemo(() => topLines(files, (l) => l.own, TOPS), [files]);
	const held = useMemo(() => peak ? topHolders(peak.stacks, TOPS) : topLines(files, within, TOPS), [files]);
	const leaked = useMemo(() => topHolders(leaks?.stacks ?? [], TOPS), [process]);
	const most = grown[0]?.bytes ?? 0;
	const growth = files.reduce((sum, f) => sum + f.growth, 0);
	const step = (by: number) => {
		const i = hits.findIndex((h) => h.file === at?.file && h.line === at.line);
		const next = hits[i < 0 ? (by > 0 ? 0 : hits.length - 1) : (i + by + hits.length) % hits.length];
		if (next)
			setAt({ ...next });
	};
	const found = match === undefined ? "not a regular expression" : match === null ? "" : `${count(hits.length)} ${hits.length === 1 ? "line" : "lines"}`;
	const p = process.peak;
	return (
		<main class="mem-main">
			{process.remarks.map((r) => <p class="notice" key={r}><Icon name="warn" />{r}</p>)}
			{process.end === null && !process.watched && <p class="notice"><Icon name="warn" />It ended without a word (killed, or became another program): what was measured until then is shown.</p>}
			<Timeline process={process} onPeak={() => p.line && setAt({ file: p.file ?? "", line: p.line })} />
			<div class="mem-split">
				<aside class="mem-side">
					{!holders && <Tops title="Grew most" tops={grown} all={growth} files={files} onPlace={setAt} none="No line grew." />}
					{peak && <Tops title="Held at the peak" tops={held} all={peak.bytes} files={files} onPlace={setAt} none="Nothing was held." />}
					{!holders && !process.watched && <Tops title="Highest within one run of a line" tops={held} all={p.bytes} files={files} onPlace={setAt} none="No line took anything." />}
					{leaks && <Tops title="Never freed" tops={leaked} all={leaks.bytes} files={files} onPlace={setAt} none="All of it was freed." />}
				</aside>
				<div class="mem-files">
					<Search text={text} onText={setText} found={found} onStep={step} />
					{files.length === 0 && <p class="empty">No line of the program's own code was measured.</p>}
					{files.map((f) => <SourceFile key={f.name} file={f} most={most} held={!!holders} sampled={process.watched} match={match ?? null} at={at} />)}
				</div>
			</div>
		</main>
	);
}

function Page({ run }: { run: Run }) {
	const best = run.processes.reduce((b, p, i) => p.peak.bytes > (run.processes[b]?.peak.bytes ?? 0) ? i : b, 0);
	const [index, setIndex] = useState(best);
	const process = run.processes[index];
	return (
		<div class="mem-page">
			<header class="bar">
				<span class="brand"><Brand /><span>glim</span></span>
				<div class="bar-middle">
					<h1 class="bar-title mem-title">Memory by line</h1>
					{run.processes.length > 1 ? (
						<select aria-label="Process" value={index} onChange={(e) => setIndex(Number(e.currentTarget.value))}>
							{run.processes.map((p, i) => <option value={i} key={i}>{`${p.pid}  ${p.command}`.slice(0, 80)}</option>)}
						</select>
					) : <code class="clip">{process?.command}</code>}
					<p class="dim clip mem-facts">{process && facts(process)}</p>
				</div>
				<div class="bar-end"><ThemeSwitch /></div>
			</header>
			{process ? <Body run={run} process={process} key={index} /> : <p class="empty">No process was measured.</p>}
		</div>
	);
}

const element = document.getElementById("data"), root = document.getElementById("app");
if (element && root) {
	const run = JSON.parse(element.textContent || "null") as Run;
	startTheme();
	root.textContent = "";
	render(<Page run={run} />, root);
}
