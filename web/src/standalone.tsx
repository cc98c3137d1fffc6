// Entry of the page that is one file: the flame graph of a recording, its data inside, no server.
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/forms.css";
import "./styles/service.css";
import "./styles/flame.css";
import "./styles/standalone.css";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import type { FlameData } from "./api/types";
import type { Change } from "./flame/change";
import { much } from "./flame/describe";
import { decode, measureOf } from "./flame/profile";
import type { Profile } from "./flame/profile";
import { count, duration } from "./format/number";
import { startKeys } from "./state/keys";
import { go, stayInFile, useRoute } from "./state/location";
import { startTheme } from "./state/theme";
import { Brand } from "./ui/icons";
import { ThemeSwitch } from "./ui/theme_switch";
import { Explorer } from "./views/explorer";

const TYPES: Record<string, string> = {
	cpu: "CPU", wall: "Wall time", offcpu: "Off CPU", alloc: "Allocated", inuse: "In use", lock: "Locks",
};

/* Of two recordings: how much each holds. */
function sides(data: FlameData, p: Profile, c: Change): string[] {
	const before = data.samples_before ?? 0;
	const side = (when: string, weight: number, samples: number) => {
		const amount = measureOf(p) === "count" ? "" : `${much(p, weight)}, `;
		return `${when}: ${amount}${count(samples)} samples`;
	};
	return [side("before", c.before, before), side("after", c.after, data.samples - before)];
}

function facts(data: FlameData, p: Profile): string[] {
	if (p.change)
		return sides(data, p, p.change);
	const all = p.sum[0] as number;
	const list = [measureOf(p) === "count" ? "" : much(p, all), `${count(data.samples)} samples`];
	if (data.until > data.from)
		list.push(`${duration((data.until - data.from) * 1e9)} of recording`);
	if (data.from > 0)
		list.push(new Date(data.from * 1000).toLocaleString());
	return list.filter((t) => t !== "");
}

function Page({ data, profile }: { data: FlameData; profile: Profile }) {
	const r = useRoute();
	useEffect(() => startKeys({
		"f": () => go({ view: "flame" }),
		"t": () => go({ view: "table" }),
		"b": () => go({ view: "both" }),
	}), []);
	return (
		<div class="service standalone">
			<header class="bar">
				<span class="brand"><Brand /><span>glim</span></span>
				<div class="bar-middle">
					<h1 class="bar-title">{TYPES[data.type] ?? data.type}{profile.change && ", compared"}</h1>
					<p class="dim clip">{facts(data, profile).join("  ·  ")}</p>
				</div>
				<div class="bar-end"><ThemeSwitch /></div>
			</header>
			<main class="service-main">
				{profile.total > 0 ? <Explorer r={r} profile={profile} selection={null} />
					: <p class="fn-none">There is no sample in this recording.</p>}
			</main>
		</div>
	);
}

const element = document.getElementById("data"), root = document.getElementById("app");
if (element && root) {
	const data = JSON.parse(element.textContent || "null") as FlameData;
	const profile = decode(data);
	stayInFile({ type: data.type }, profile.change ? "change" : "runtime");
	startTheme();
	root.textContent = "";
	render(<Page data={data} profile={profile} />, root);
}
