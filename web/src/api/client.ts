// The typed client of the JSON API. Every failure is an ApiError whose message a person can read.
import type {
	Account, ApiKey, FlameData, LabelValues, NewApiKey, Scope, SeriesData, Service, Status,
} from "./types";

export class ApiError extends Error {
	constructor(readonly code: string, readonly status: number, message: string) {
		super(message);
		this.name = "ApiError";
	}
}

/* What a query of profile data asks about; the same for flame graph, series and labels. */
export interface Selection {
	service: string;
	from: string;
	until: string;
	filters: readonly string[];
}

const BASE = "/api/v1";
const WIDEST = 100_000; /* the server refuses more */

let onUnauthorized: () => void = () => {};

/* Called whenever the server says that nobody is signed in any more. */
export function whenSignedOut(f: () => void): void {
	onUnauthorized = f;
}

async function failure(res: Response): Promise<ApiError> {
	let code = "internal", message = `The server answered ${res.status}.`;
	try {
		const body = await res.json() as { error?: { code?: string; message?: string } };
		code = body.error?.code ?? code;
		message = body.error?.message ?? message;
	} catch {
		/* not JSON: something between the page and the server answered; the status must do */
	}
	return new ApiError(code, res.status, message);
}

async function request<T>(method: string, path: string, body?: unknown,
		signal?: AbortSignal): Promise<T> {
	const init: RequestInit = { method, credentials: "same-origin" };
	if (signal)
		init.signal = signal;
	if (body !== undefined) {
		init.body = JSON.stringify(body);
		init.headers = { "Content-Type": "application/json" };
	}
	let res: Response;
	try {
		res = await fetch(BASE + path, init);
	} catch (e) {
		if (e instanceof DOMException && e.name === "AbortError")
			throw e;
		throw new ApiError("unreachable", 0, "The server cannot be reached.");
	}
	if (!res.ok) {
		const err = await failure(res);
		if (res.status === 401 && path !== "/me" && path !== "/session")
			onUnauthorized();
		throw err;
	}
	if (res.status === 204)
		return undefined as T;
	return await res.json() as T;
}

function query(params: Record<string, string | number | readonly string[]>): string {
	const q = new URLSearchParams();
	for (const [k, v] of Object.entries(params)) {
		if (Array.isArray(v))
			for (const one of v)
				q.append(k, one);
		else if (v !== "")
			q.append(k, String(v));
	}
	return q.toString();
}

function scoped(s: Selection): Record<string, string | readonly string[]> {
	return { service: s.service, from: s.from, until: s.until, filter: s.filters };
}

export const status = (signal?: AbortSignal) =>
	request<Status>("GET", "/status", undefined, signal);

export const me = () => request<{ account: Account }>("GET", "/me").then((r) => r.account);

export const createAccount = (email: string, password: string, token: string) =>
	request<{ account: Account }>("POST", "/accounts",
		token === "" ? { email, password } : { email, password, token }).then((r) => r.account);

export const signIn = (email: string, password: string) =>
	request<{ account: Account }>("POST", "/session", { email, password }).then((r) => r.account);

export const signOut = () => request<void>("DELETE", "/session");

export const keys = (signal?: AbortSignal) =>
	request<{ keys: ApiKey[] }>("GET", "/keys", undefined, signal).then((r) => r.keys);

export const createKey = (name: string, scope: Scope) =>
	request<NewApiKey>("POST", "/keys", { name, scope });

export const revokeKey = (id: number) => request<void>("DELETE", `/keys/${id}`);

export const services = (signal?: AbortSignal) =>
	request<{ services: Service[] }>("GET", "/services", undefined, signal).then((r) => r.services);

export const createService = (name: string) =>
	request<{ name: string }>("POST", "/services", { name });

export const labels = (s: Selection, type: string, signal?: AbortSignal) =>
	request<{ labels: string[] }>("GET",
		`/labels?${query({ service: s.service, type, from: s.from, until: s.until })}`,
		undefined, signal).then((r) => r.labels);

export const labelValues = (s: Selection, type: string, name: string, signal?: AbortSignal) =>
	request<LabelValues>("GET",
		`/labels/${encodeURIComponent(name)}/values?${query({ ...scoped(s), type })}`,
		undefined, signal);

export const flamegraph = (s: Selection, type: string, width: number, signal?: AbortSignal) =>
	request<FlameData>("GET", `/flamegraph?${query({ ...scoped(s), type, width: Math.min(width, WIDEST) })}`,
		undefined, signal);

/* The address under which the browser downloads the same profile in another format. */
export const downloadUrl = (s: Selection, type: string, format: "folded" | "pprof") =>
	`${BASE}/flamegraph?${query({ ...scoped(s), type, format })}`;

export const series = (s: Selection, metric: string, by: string, signal?: AbortSignal) =>
	request<SeriesData>("GET", `/series?${query({ ...scoped(s), metric, by })}`,
		undefined, signal);
