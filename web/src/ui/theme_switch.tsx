// Light, dark, or as the system is.
import { choose, useTheme } from "../state/theme";
import type { Choice } from "../state/theme";
import { Icon } from "./icons";
import type { IconName } from "./icons";
import { Popover } from "./popover";

const THEMES: readonly [Choice, string, IconName][] = [
	["system", "As the system", "screen"], ["light", "Light", "sun"], ["dark", "Dark", "moon"],
];

export function ThemeSwitch() {
	const { theme, choice } = useTheme();
	return (
		<Popover title="Light or dark" cls="button quiet square" right
			label={<Icon name={theme === "dark" ? "moon" : "sun"} />}>
			{(close) => THEMES.map(([c, name, icon]) => (
				<button type="button" class="choice" aria-pressed={c === choice} key={c}
					onClick={() => {
						choose(c);
						close();
					}}>
					<Icon name={icon} /><span>{name}</span>{c === choice && <Icon name="check" />}
				</button>
			))}
		</Popover>
	);
}
