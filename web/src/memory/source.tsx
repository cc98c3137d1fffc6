// A file of source with what its lines did: growth as heat, and the figures.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { bytes, count } from "../format/number";
import type { File, Line } from "./data";
import { rowsOf } from "./data";
import { colour } from "./python";

export interface Place {
	file: string;
	line: number;
}

/* Growth with its sign; nothing where there is none, so that the eye finds what there is. */
function signed(b: number): string {
	return b === 0 ? "" : b > 0 ? `+${bytes(b)}` : `\u2212${bytes(-b)}`;
}

function Figures({ l, most, held }: { l: Line; most: number; held: boolean }) {
	const share = most > 0 ? Math.min(1, Math.abs(l.own) / most) : 0;
	return (
		<>
			<span class="mem-heat" role="presentation">
				{share > 0 && <i class={l.own < 0 ? "mem-less" : "mem-more"} style={{ width: `${Math.max(2, share * 100)}%` }} />}
			</span>
			<span class="num" role="cell">{held ? l.own > 0 && bytes(l.own) : signed(l.own)}</span>
			<span class="num dim" role="cell">{l.increment === l.own ? "" : held ? bytes(l.increment) : signed(l.increment)}</span>
			<span class="num dim mem-wide" role="cell">{l.peak > Math.max(0, l.increment) ? bytes(l.peak) : ""}</span>
			<span class="num dim mem-wide" role="cell">{held ? "" : bytes(l.usage)}</span>
			<span class="num dim" role="cell">{l.occurrences > 0 && count(l.occurrences)}</span>
		</>
	);
}

interface Props {
	file: File;
	most: number; /* what a full bar is */
	held: boolean; /* figures are of blocks that are held, not of growth */
	sampled: boolean; /* figures are of what was seen to run */
	match: ((s: string) => boolean) | null;
	at: Place | null;
}

export function SourceFile({ file, most, held, sampled, match, at }: Props) {
	const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
	const text = file.source?.lines ?? [];
	const coloured = useMemo(() => colour(text), [file]);
	const here = at?.file === file.name ? at.line : 0;
	const hit = (line: number) => match !== null && match(text[line - 1] ?? "");
	const rows = useMemo(() => rowsOf(file, (line) => line === here || hit(line), opened), [file, opened, match, here]);
	const current = useRef<HTMLDivElement>(null);
	useEffect(() => current.current?.scrollIntoView({ block: "center" }), [at]);
	const head = file.source?.missing || (file.source?.changed ? "the file has changed since: these may be other lines" : "");
	return (
		<section class="mem-file" aria-label={file.name}>
			<h2 class="mem-file-head"><span class="clip" title={file.name}>{file.name}</span>
				{file.functions > 0 && <span class="dim">{count(file.functions)} {file.functions === 1 ? "function" : "functions"}</span>}
				<span class="num">{file.growth > 0 ? `${held ? "" : "+"}${bytes(file.growth)}` : ""}</span></h2>
			{head && <p class="notice">{head}</p>}
			<div class="mem-rows" role="table" aria-label={`Lines of ${file.name}`}>
				<div class="mem-row mem-titles" role="row">
					<span role="columnheader" class="num">line</span><span role="presentation" />
					<span role="columnheader" class="num" title="without the functions that the line called">{held ? "held" : "own growth"}</span>
					<span role="columnheader" class="num" title="with them">with callees</span>
					{held ? <><span class="mem-wide" role="presentation" /><span class="mem-wide" role="presentation" /></> : <>
						<span role="columnheader" class="num mem-wide" title="the most above its start while the line ran">{sampled ? "" : "within"}</span>
						<span role="columnheader" class="num mem-wide" title="of the process, the most after the line">in use</span>
					</>}
					<span role="columnheader" class="num" title={held ? "how many blocks" : sampled ? "how often the line was seen to run" : "how often the line ran"}>
						{held ? "blocks" : sampled ? "samples" : "runs"}</span>
					<span role="columnheader">source</span>
				</div>
				{rows.map((row) => {
					if ("from" in row)
						return (
							<div class="mem-row mem-fold" role="row" key={row.from}><span role="cell">
								<button type="button" onClick={() => setOpened(new Set([...opened, row.from]))}>
									{`${row.until - row.from + 1} lines`}
								</button></span>
							</div>
						);
					const l = file.lines.get(row.line), found = hit(row.line);
					const cls = ["mem-row", found ? "mem-hit" : "", row.line === here ? "mem-here" : ""].filter(Boolean).join(" ");
					return (
						<div class={cls} role="row" key={row.line} ref={row.line === here ? current : null} data-line={row.line}>
							<span class="num dim" role="cell">{row.line}</span>
							{l ? <Figures l={l} most={most} held={held} /> : <span class="mem-none" role="cell" />}
							<code role="cell">{(coloured[row.line - 1] ?? []).map((p, i) => <span class={`py-${p.kind}`} key={i}>{p.text}</span>)}</code>
						</div>
					);
				})}
			</div>
		</section>
	);
}
