// Loading as state: what came last stays on the screen while the next answer is under way, and a
// sign of loading shows only when it takes longer than a reader would notice.
import { useEffect, useRef, useState } from "preact/hooks";

const PATIENCE_MS = 150;

export interface Query<T> {
	data: T | undefined;
	error: Error | undefined;
	loading: boolean; /* true once the answer takes longer than the eye would forgive */
	stale: boolean; /* data belongs to an earlier key */
	reload: () => void;
}

interface Held<T> {
	key: string;
	data: T | undefined;
	error: Error | undefined;
	loading: boolean;
}

/* Run `load` whenever `key` changes, and every `every` ms when that is not 0. An empty key is idle. */
export function useQuery<T>(key: string, load: (signal: AbortSignal) => Promise<T>,
		every = 0): Query<T> {
	const [held, set] = useState<Held<T>>({ key: "", data: undefined, error: undefined, loading: false });
	const [turn, again] = useState(0);
	const loadRef = useRef(load);
	loadRef.current = load;

	useEffect(() => {
		if (key === "")
			return;
		const abort = new AbortController();
		let timer = 0;
		const slow = window.setTimeout(() => set((h) => ({ ...h, loading: true })), PATIENCE_MS);
		loadRef.current(abort.signal).then(
			(data) => set({ key, data, error: undefined, loading: false }),
			(error: Error) => {
				if (error.name !== "AbortError")
					set((h) => ({ ...h, error, loading: false }));
			},
		).finally(() => {
			clearTimeout(slow);
			if (every > 0 && !abort.signal.aborted)
				timer = window.setTimeout(() => again((n) => n + 1), every);
		});
		return () => {
			abort.abort();
			clearTimeout(slow);
			clearTimeout(timer);
		};
	}, [key, turn, every]);

	return {
		data: held.data,
		error: held.error,
		loading: held.loading,
		stale: held.key !== key,
		reload: () => again((n) => n + 1),
	};
}
