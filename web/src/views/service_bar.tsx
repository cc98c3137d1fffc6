// The service's part of the top line: which service, which time, live, which filters.
import * as api from "../api/client";
import type { Selection } from "../api/client";
import { go, open } from "../state/location";
import type { Route } from "../state/route";
import { useQuery } from "../state/query";
import { isRelative, shift } from "../state/time";
import type { Range } from "../state/time";
import { Icon } from "../ui/icons";
import { Popover } from "../ui/popover";
import { Filters } from "./filters";
import { RangePicker } from "./range_picker";

export function pickRange(range: Range): void {
	go({ from: range.from, until: range.until, ...(isRelative(range) ? {} : { live: false }) });
}

export function shiftRange(r: Route, direction: -1 | 1): void {
	pickRange(shift(r, direction, Date.now() / 1000));
}

export function toggleLive(r: Route): void {
	if (r.live)
		go({ live: false });
	else
		go({ live: true, ...(isRelative(r) ? {} : { from: "now-15m", until: "now" }) });
}

function Services({ r }: { r: Route }) {
	return (
		<>
			<h1 class="hear">{r.service}</h1>
			<Popover title="Choose a service" cls="button service-pick" named label={<><span class="clip">{r.service}</span><Icon name="down" /></>}>
				{(close) => <ServiceChoices now={r.service} pick={(service) => {
					close();
					open({ page: "service", service, from: r.from, until: r.until, live: r.live, view: r.view });
				}} />}
			</Popover>
		</>
	);
}

function ServiceChoices({ now, pick }: { now: string; pick: (name: string) => void }) {
	const q = useQuery("services", (signal) => api.services(signal));
	const names = (q.data ?? []).filter((s) => s.first_seen !== null).map((s) => s.name);
	return (
		<div class="filter-values">
			{(names.length > 0 ? names : [now]).map((n) => (
				<button type="button" class="choice" aria-pressed={n === now} key={n} onClick={() => pick(n)}>
					<span class="clip">{n}</span>{n === now && <Icon name="check" />}
				</button>
			))}
		</div>
	);
}

export function ServiceBar({ r, selection }: { r: Route; selection: Selection }) {
	return (
		<>
			<Services r={r} />
			<RangePicker range={r} pick={pickRange} shift={(d) => shiftRange(r, d)} />
			<button type="button" class="button live" aria-pressed={r.live} title="Follow what comes in ( l )" onClick={() => toggleLive(r)}>
				<span class="live-dot" aria-hidden="true" />live
			</button>
			<Filters filters={r.filters} selection={selection} type={r.type}
				change={(filters) => go({ filters, zoom: "", window: null })} />
		</>
	);
}
