// What stands where data would be: an error with a way on, an empty place with a next step, and the
// shape of what is coming.
import type { ComponentChildren } from "preact";
import { ApiError } from "../api/client";
import { Icon } from "./icons";

function advice(error: Error): string {
	if (!(error instanceof ApiError))
		return "The page could not show what came. Reload it; if that does not help, it is a mistake of ours.";
	switch (error.code) {
	case "unreachable":
		return "Check that the server runs and that this machine reaches it.";
	case "bad_request":
		return "Something in the address or the filters is not understood. Undo the last step with Back.";
	case "not_found":
		return "It may have been removed, or the link has a typing error.";
	case "too_large":
		return "Choose a shorter time or a filter.";
	case "too_many":
		return "Wait a moment before you try again.";
	default:
		return "The log of the server says more.";
	}
}

export function Failed({ what, error, kept, retry }:
		{ what: string; error: Error; kept?: string; retry: () => void }) {
	return (
		<div class="notice notice-bad" role="alert">
			<Icon name="warn" />
			<div>
				<strong>{what}</strong> {error.message} {advice(error)}{kept ? ` ${kept}` : ""}
			</div>
			<button type="button" class="button" onClick={retry}>Try again</button>
		</div>
	);
}

export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
	return (
		<div class="empty">
			<h2>{title}</h2>
			{children}
		</div>
	);
}

/* Bars in the shape of a flame graph, so that nothing jumps when the real one comes. */
export function FlameSkeleton() {
	return (
		<div class="skeleton" role="status" aria-label="Loading the profile">
			{[12, 12, 10, 7, 4, 3].map((n, i) => <div key={i} class={`bone span-${n}`} />)}
		</div>
	);
}
