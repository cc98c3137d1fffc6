// All keys on one sheet.
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icons";

const KEYS: readonly [string, readonly [string, string][]][] = [
	["Anywhere", [["?", "this sheet"], ["g h", "all services"], ["Esc", "close, or zoom out"]]],
	["Service", [["/", "search"], ["n  N", "next and previous match"], ["f", "flame graph"],
		["t", "table"], ["b", "both"], ["[  ]", "earlier, later"], ["l", "live"]]],
	["Flame graph", [["↑ ↓ ← →", "walk through the frames"], ["Enter", "zoom to the frame"],
		["r", "show everything again"], [".", "menu of the frame"], ["c", "copy the name"],
		["Ctrl + wheel", "zoom at the pointer"], ["drag", "pan"]]],
];

let openHelp = () => {};

export function whenHelp(f: () => void): void {
	openHelp = f;
}

export function showHelp(): void {
	openHelp();
}

export function HelpDialog({ close }: { close: () => void }) {
	const dialog = useRef<HTMLDialogElement>(null);
	useEffect(() => {
		dialog.current?.showModal();
	}, []);
	return (
		<dialog class="sheet" ref={dialog} onClose={close} aria-labelledby="keys-title"
			onClick={(e) => e.target === dialog.current && dialog.current?.close()}>
			<div class="sheet-head">
				<h2 id="keys-title">Keys</h2>
				<button type="button" class="button quiet square" aria-label="Close" onClick={() => dialog.current?.close()}>
					<Icon name="close" />
				</button>
			</div>
			<div class="sheet-body">
				{KEYS.map(([title, rows]) => (
					<section key={title}>
						<h3>{title}</h3>
						<dl>
							{rows.map(([k, what]) => (
								<div key={k}><dt><kbd>{k}</kbd></dt><dd>{what}</dd></div>
							))}
						</dl>
					</section>
				))}
			</div>
		</dialog>
	);
}
