// The answers of the JSON API, as docs/api.md states them.

export type Signup = "first" | "open" | "closed";

export interface Status {
	version: string;
	signup: Signup;
	token_required: boolean;
}

export interface Account {
	email: string;
	role: "owner" | "member";
}

export type Scope = "ingest" | "read" | "admin";

export interface ApiKey {
	id: number;
	name: string;
	scope: Scope;
	prefix: string;
	created: number;
	last_used: number | null;
}

export interface NewApiKey extends ApiKey {
	key: string;
}

export interface Service {
	name: string;
	created: number;
	first_seen: number | null;
	last_seen: number | null;
	first_host: string | null;
	cores: number | null;
	memory: number | null;
	hosts: number | null;
	processes: number | null;
	top: string | null;
	spark: (number | null)[] | null;
}

export interface LabelValue {
	value: string;
	weight: number;
}

export interface LabelValues {
	values: LabelValue[];
	truncated: boolean;
}

export interface FlameFrames {
	name: number[];
	file: number[];
	start: number[];
	kind: number[];
	module: number[];
}

export interface FlameNodes {
	depth: number[];
	frame: number[];
	line: number[];
	self: number[];
	total: number[];
	self_before?: number[]; /* with total_before of FlameData: what of self and total was before */
	total_before?: number[];
}

export interface FlameData {
	service: string;
	type: string;
	unit: string;
	from: number;
	until: number;
	seconds: number;
	total: number;
	samples: number;
	period: number;
	truncated_stacks: number;
	total_before?: number; /* of a comparison of two recordings: what of total is the first one's */
	samples_before?: number;
	absolute?: boolean; /* compare amounts, not shares */
	strings: string[];
	frames: FlameFrames;
	nodes: FlameNodes;
}

export interface SeriesLine {
	labels: Record<string, string>;
	values: (number | null)[];
}

export interface SeriesData {
	metric: string;
	unit: string;
	step: number;
	times: number[];
	series: SeriesLine[];
}
