// A small line of one value over time. Gaps stay gaps.
const W = 88, H = 20;

function path(values: readonly (number | null)[]): { line: string; area: string } {
	const max = Math.max(1e-9, ...values.map((v) => v ?? 0));
	const dx = W / Math.max(1, values.length - 1);
	let line = "", area = "", from = -1;
	const close = (to: number) => {
		if (from >= 0)
			area += `L${(to * dx).toFixed(1)} ${H}L${(from * dx).toFixed(1)} ${H}Z`;
		from = -1;
	};
	values.forEach((v, i) => {
		if (v === null)
			return close(i - 1);
		const p = `${(i * dx).toFixed(1)} ${(H - 1.5 - v / max * (H - 3)).toFixed(1)}`;
		line += (from < 0 ? "M" : "L") + p;
		area += (from < 0 ? "M" : "L") + p;
		if (from < 0)
			from = i;
	});
	close(values.length - 1);
	return { line, area };
}

export function Sparkline({ values }: { values: readonly (number | null)[] }) {
	if (values.every((v) => v === null))
		return <span class="spark" />;
	const { line, area } = path(values);
	return (
		<svg class="spark" viewBox={`0 0 ${W} ${H}`} width={W} height={H} aria-hidden="true">
			<path class="spark-area" d={area} /><path class="spark-line" d={line} />
		</svg>
	);
}
