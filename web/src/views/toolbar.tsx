// Above the graph: which view, the search and what it found, colour, direction, downloads.
import type { RefObject } from "preact";
import { downloadUrl } from "../api/client";
import type { Selection } from "../api/client";
import type { Matches } from "../flame/search";
import { changeIndex, kindFill, palette } from "../flame/colour";
import { KIND, KIND_NAME } from "../flame/profile";
import { percent } from "../format/number";
import { go } from "../state/location";
import type { Colour, Route, View } from "../state/route";
import { useTheme } from "../state/theme";
import { Icon } from "../ui/icons";
import { Popover } from "../ui/popover";

const VIEWS: readonly [View, string, string][] = [["flame", "Flame", "f"], ["table", "Table", "t"], ["both", "Both", "b"]];
const COLOURS: readonly [Colour, string][] = [["runtime", "by runtime"], ["module", "by module"], ["self", "by own time"]];
const COMPARED: readonly [Colour, string][] = [["change", "by change"], ...COLOURS];
const CHANGES: readonly [number, string][] = [[-0.6, "less"], [0, "same"], [0.6, "more"], [1, "new"]];
const LEGEND = [KIND.python, KIND.native, KIND.kernel, KIND.mark] as const;

function Legend() {
	const { theme } = useTheme();
	return (
		<ul class="legend" aria-label="Colours of the runtimes">
			{LEGEND.map((k) => <li key={k}><span class="dot" style={{ background: kindFill(theme, k) }} />{k === KIND.mark ? "cut" : KIND_NAME[k]}</li>)}
		</ul>
	);
}

function ChangeLegend() {
	const { theme } = useTheme();
	const { fill, gone: [ground, lines] } = palette(theme);
	const hatch = `repeating-linear-gradient(-45deg, ${ground} 0 2px, ${lines} 2px 4px)`;
	return (
		<ul class="legend" aria-label="Colours of the changes">
			<li><span class="dot" style={{ background: hatch }} />gone</li>
			{CHANGES.map(([by, name]) => <li key={name}><span class="dot" style={{ background: fill[changeIndex(by)] }} />{name}</li>)}
		</ul>
	);
}

export interface ToolbarProps {
	compared: boolean; /* two recordings in one graph */
	r: Route;
	selection: Selection | null;
	matches: Matches | null;
	problem: string;
	shown: number; /* weight of the shown root */
	input: RefObject<HTMLInputElement | null>;
	step: (by: 1 | -1) => void;
}

function Found({ matches, problem, shown, compared }: Pick<ToolbarProps, "matches" | "problem" | "shown" | "compared">) {
	if (problem !== "")
		return <span class="found found-bad" role="status">{problem}</span>;
	if (!matches)
		return null;
	const share = (w: number) => percent(shown > 0 ? w / shown : 0);
	return (
		<span class="found" role="status">
			{matches.frames === 0 ? "no match"
				: <><b>{share(matches.total)}</b> total, {share(matches.self)} self{compared && " of both"}<span class="wide-only"> in {matches.frames} {matches.frames === 1 ? "function" : "functions"}</span></>}
		</span>
	);
}

function Search({ r, matches, problem, shown, compared, input, step }: ToolbarProps) {
	const type = (search: string) => go({ search }, r.search === "" || search === "" ? "push" : "replace");
	return (
		<div class="search" role="search">
			<label class="search-box">
				<Icon name="search" /><span class="hear">Search functions and files</span>
				<input ref={input} type="text" value={r.search} placeholder="search or /regex/" autoComplete="off" spellcheck={false}
					onInput={(e) => type(e.currentTarget.value)}
					onKeyDown={(e) => {
						if (e.key === "Enter") {
							e.preventDefault();
							step(e.shiftKey ? -1 : 1);
						} else if (e.key === "Escape") {
							e.preventDefault();
							e.stopPropagation();
							if (r.search !== "")
								type("");
							else
								e.currentTarget.blur();
						}
					}} />
				{r.search === "" ? <kbd>/</kbd>
					: <button type="button" aria-label="Clear the search" onClick={() => type("")}><Icon name="close" /></button>}
			</label>
			<Found matches={matches} problem={problem} shown={shown} compared={compared} />
		</div>
	);
}

export function Toolbar(props: ToolbarProps) {
	const { r, selection } = props;
	return (
		<div class="toolbar">
			<div class="segments" role="group" aria-label="View">
				{VIEWS.map(([v, name, key]) => (
					<button type="button" key={v} aria-pressed={r.view === v} title={`${name} ( ${key} )`} onClick={() => go({ view: v })}>{name}</button>
				))}
			</div>
			<Search {...props} />
			<div class="toolbar-end">
				{r.colour === "runtime" && <Legend />}
				{r.colour === "change" && <ChangeLegend />}
				<label class="pick"><span class="hear">Colour</span>
					<select value={r.colour} onChange={(e) => go({ colour: e.currentTarget.value as Colour })}>
						{(props.compared ? COMPARED : COLOURS).map(([c, name]) => <option key={c} value={c}>{name}</option>)}
					</select>
				</label>
				<button type="button" class="button quiet square" aria-pressed={r.up} aria-label="Root at the bottom"
					title={r.up ? "Root on top" : "Root at the bottom"} onClick={() => go({ up: !r.up })}><Icon name="flip" /></button>
				{selection && <Popover title="Download" cls="button quiet square" right label={<Icon name="save" />}>
					{(close) => (
						<>
							<div class="panel-title">Download what is shown</div>
							<a class="choice" href={downloadUrl(selection, r.type, "folded")} download={`${r.service}.folded`} onClick={() => close()}>folded stacks</a>
							<a class="choice" href={downloadUrl(selection, r.type, "pprof")} download={`${r.service}.pb.gz`} onClick={() => close()}>pprof</a>
						</>
					)}
				</Popover>}
			</div>
		</div>
	);
}
