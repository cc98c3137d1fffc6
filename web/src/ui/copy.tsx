// Copying to the clipboard, with an answer that the reader can see and hear.
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./icons";

/* The clipboard API wants a secure origin; a plain http server on another host has only the old way. */
export async function copyText(text: string): Promise<boolean> {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		const area = document.createElement("textarea");
		const before = document.activeElement as HTMLElement | null;
		area.value = text;
		area.className = "hear";
		document.body.append(area);
		area.select();
		const done = document.execCommand("copy");
		area.remove();
		before?.focus();
		return done;
	}
}

export function Copy({ text, label = "Copy", cls = "button", onCopied }:
		{ text: string; label?: string; cls?: string; onCopied?: () => void }) {
	const [state, set] = useState<"" | "done" | "failed">("");
	const timer = useRef(0);
	useEffect(() => () => clearTimeout(timer.current), []);
	const click = async () => {
		const ok = await copyText(text);
		set(ok ? "done" : "failed");
		clearTimeout(timer.current);
		timer.current = window.setTimeout(() => set(""), 1600);
		if (ok)
			onCopied?.();
	};
	return (
		<button type="button" class={cls} onClick={click}>
			<Icon name={state === "done" ? "check" : "copy"} />
			<span aria-live="polite">
				{state === "done" ? "Copied" : state === "failed" ? "Select and copy by hand" : label}
			</span>
		</button>
	);
}
