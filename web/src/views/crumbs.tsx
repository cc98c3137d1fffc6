// The path from the root to the zoomed frame; each part leads back to itself.
import { describe } from "../flame/describe";
import { nodeName, pathOf, ROOT, samplesOf } from "../flame/profile";
import type { Profile } from "../flame/profile";
import { count } from "../format/number";
import { Icon } from "../ui/icons";

const HEAD = 2, TAIL = 3;

export function Crumbs({ profile: p, node, zoom, reset, free }:
		{ profile: Profile; node: number; zoom: (node: number) => void; reset: () => void; free: boolean }) {
	const path = pathOf(p, node);
	const cut = path.length > HEAD + TAIL + 1;
	const parts = cut ? [...path.slice(0, HEAD), -1, ...path.slice(-TAIL)] : path;
	return (
		<nav class="crumbs" aria-label="Path of the zoomed frame">
			<ol>
				{parts.map((n, i) => (
					<li key={n}>
						{n < 0 ? <span class="dim" title={path.slice(HEAD, -TAIL).map((x) => nodeName(p, x)).join(" › ")}>… {path.length - HEAD - TAIL} more</span>
							: i === parts.length - 1 ? <span aria-current="true" class="clip">{p.frame[n] === ROOT ? `all of ${p.service}` : nodeName(p, n)}</span>
							: <button type="button" class="crumb clip" onClick={() => zoom(n)}>{p.frame[n] === ROOT ? `all of ${p.service}` : nodeName(p, n)}</button>}
					</li>
				))}
			</ol>
			<span class="crumbs-sum">{p.change ? describe(p, node, node).total.slice(0, 2).join(" \u2192 ")
				: `${count(samplesOf(p, p.sum[node] as number))} samples`}</span>
			{(node > 0 || free) && <button type="button" class="button quiet small" title="Show everything ( r )" onClick={reset}><Icon name="reset" />Reset</button>}
		</nav>
	);
}
