// A small profile that the tests share:
//   all 100: proc 100: main 100: a 60 (self 10: b 30, c 20), b 30 (self 20: a 10), rest 10
import type { FlameData } from "../src/api/types";

export function sample(): FlameData {
	return {
		service: "shop", type: "cpu", unit: "nanoseconds", from: 0, until: 10, seconds: 10,
		total: 100, samples: 10, period: 10, truncated_stacks: 0,
		strings: ["", "python3", "main", "a", "b", "c", "app.py", "libc.so.6"],
		frames: {
			name: [1, 2, 3, 4, 5], file: [0, 6, 6, 6, 0], start: [0, 1, 10, 20, 0],
			kind: [5, 3, 3, 3, 1], module: [0, 0, 0, 0, 7],
		},
		nodes: {
			depth: [0, 1, 2, 3, 4, 4, 3, 4, 3],
			frame: [-1, 0, 1, 2, 3, 4, 3, 2, -2],
			line: [0, 0, 5, 12, 22, 0, 0, 11, 0],
			self: [0, 0, 0, 10, 30, 20, 20, 10, 10],
			total: [100, 100, 100, 60, 30, 20, 30, 10, 10],
		},
	};
}
