// A range without samples: say why that may be and what to do next.
import * as api from "../api/client";
import { follow, go, href } from "../state/location";
import type { Route } from "../state/route";
import { useQuery } from "../state/query";
import { moment, widen } from "../state/time";
import { pickRange } from "./service_bar";
import { Empty } from "../ui/state";

export function NoData({ r }: { r: Route }) {
	const q = useQuery("services", (signal) => api.services(signal));
	const service = q.data?.find((s) => s.name === r.service);
	const last = service?.last_seen ?? null;
	const start = { page: "start", service: r.service } as const;
	if (q.data && (!service || last === null))
		return (
			<Empty title={`Nothing has come from ${r.service} yet`}>
				<p>Install the agent on a host and give it this name; the samples show up here within seconds.</p>
				<p><a class="button primary" href={href(start)} onClick={follow(start)}>Show me how</a></p>
			</Empty>
		);
	return (
		<Empty title="No samples in this range">
			<p>
				{last !== null && <>The last sample of {r.service} came on <time title={moment(last).utc}>{moment(last).local}</time>. </>}
				{r.filters.length > 0 ? "It may be the filters that leave nothing over." : "An idle service takes no samples; look at a longer time."}
			</p>
			<p class="actions">
				{r.filters.length > 0 && <button type="button" class="button primary" onClick={() => go({ filters: [] })}>Remove the filters</button>}
				<button type="button" class="button" onClick={() => pickRange(widen(r, Date.now() / 1000))}>Look at a longer time</button>
				{last !== null && <button type="button" class="button" onClick={() => pickRange({ from: String(Math.floor(last - 900)), until: String(Math.ceil(last + 60)) })}>Go to the last sample</button>}
			</p>
		</Empty>
	);
}
