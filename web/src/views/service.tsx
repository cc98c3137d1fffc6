// One service: facts, charts, flame graph and table over the same time and the same filters.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import * as api from "../api/client";
import type { PageProps } from "../app";
import { fitter } from "../flame/canvas";
import { decode } from "../flame/profile";
import { go, useRoute } from "../state/location";
import { useQuery } from "../state/query";
import { Bar } from "../ui/bar";
import { Failed, FlameSkeleton } from "../ui/state";
import { chartScope, Charts } from "./charts";
import { Explorer } from "./explorer";
import { Facts } from "./facts";
import { NoData } from "./no_data";
import { ServiceBar, shiftRange, toggleLive } from "./service_bar";
import { startKeys } from "../state/keys";
import { route } from "../state/location";

const LIVE_MS = 10_000;
const FIRST_MS = 1_000; /* while the first sample of a live range is awaited */
const STEP_PX = 200;

/* The width that the server is asked for; in steps, so that a resize does not always ask again. */
function useWidth(): number {
	const measure = () => Math.ceil(innerWidth / STEP_PX) * STEP_PX;
	const [w, set] = useState(measure);
	useEffect(() => {
		const f = () => set(measure());
		addEventListener("resize", f);
		return () => removeEventListener("resize", f);
	}, []);
	return w;
}

function useServiceKeys(): void {
	useEffect(() => startKeys({
		"f": () => go({ view: "flame" }),
		"t": () => go({ view: "table" }),
		"b": () => go({ view: "both" }),
		"[": () => shiftRange(route(), -1),
		"]": () => shiftRange(route(), 1),
		"l": () => toggleLive(route()),
	}), []);
}

export function ServiceView(props: PageProps) {
	const r = useRoute();
	const width = useWidth() * r.detail;
	const seen = useRef(false);
	const selection = useMemo(() => ({ service: r.service, from: r.from, until: r.until, filters: r.filters }),
		[r.service, r.from, r.until, r.filters]);
	const scope = useMemo(() => chartScope(r.filters), [r.filters]);
	/* samples are counted a host, before anybody knows of which process they are */
	const counted = useMemo(() => ({ ...selection, filters: selection.filters.filter((f) => /^host\b/.test(f)) }), [selection]);
	const metrics = useMemo(() => ({ ...selection, filters: scope.used }), [selection, scope]);
	const every = r.live ? LIVE_MS : 0;
	const key = JSON.stringify([selection, r.type]);
	useServiceKeys();

	const flame = useQuery(`flame ${key} ${width}`, async (signal) => {
		const data = await api.flamegraph(selection, r.type, width, signal);
		performance.clearMarks("glim:data");
		performance.mark("glim:data");
		return decode(data);
	}, r.live ? (seen.current ? LIVE_MS : FIRST_MS) : 0);
	const cpu = useQuery(`cpu ${key}`, (s) => api.series(metrics, `${scope.metric}cpu`, "", s), every);
	const memory = useQuery(`memory ${key}`, (s) => api.series(metrics, `${scope.metric}memory`, "", s), every);
	const profile = flame.data;
	seen.current = profile !== undefined && profile.total > 0;

	useEffect(() => void fitter(), []); /* the letters are measured while the data is on its way */
	useEffect(() => {
		document.title = `${r.service} · Glim`;
		return () => {
			document.title = "Glim";
		};
	}, [r.service]);

	return (
		<div class="service">
			<Bar {...props}><ServiceBar r={r} selection={selection} /></Bar>
			<div class={`progress ${flame.loading ? "progress-on" : ""}`} role="presentation" />
			<main class="service-main">
				<Facts profile={profile} memory={memory.data} selection={selection} series={counted} type={r.type} every={every} />
				<Charts range={r} cpu={cpu} memory={memory} left={scope.left} />
				{flame.error && <Failed what="The profile could not be loaded." error={flame.error} retry={flame.reload}
					{...(profile ? { kept: "What you see is the last one that came." } : {})} />}
				{profile && profile.total > 0 && <Explorer r={r} profile={profile} selection={selection} />}
				{profile && profile.total === 0 && !flame.error && <NoData r={r} />}
				{!profile && !flame.error && <div class="explorer">{flame.loading && <FlameSkeleton />}</div>}
			</main>
		</div>
	);
}
