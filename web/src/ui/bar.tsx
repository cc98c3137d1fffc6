// The line at the top: where the reader is, what narrows it, and the few things that are everywhere.
import type { ComponentChildren } from "preact";
import type { Account } from "../api/types";
import { follow, href } from "../state/location";
import { showHelp } from "./help";
import { Brand, Icon } from "./icons";
import { Popover } from "./popover";
import { ThemeSwitch } from "./theme_switch";

export interface BarProps {
	account?: Account;
	leave?: () => void;
	children?: ComponentChildren;
}

export function Bar({ account, leave, children }: BarProps) {
	return (
		<header class="bar">
			<a class="brand" href={href({ page: "home" })} onClick={follow({ page: "home" })}
				aria-label="Glim, all services"><Brand /><span>glim</span></a>
			<div class="bar-middle">{children}</div>
			<div class="bar-end">
				{account && (
					<button type="button" class="button quiet square" aria-label="All keys" title="All keys ( ? )" onClick={showHelp}><Icon name="help" /></button>
				)}
				<ThemeSwitch />
				{account && (
					<Popover title={`Account ${account.email}`} cls="button quiet square" right
						label={<Icon name="user" />}>
						{() => (
							<>
								<div class="panel-head"><strong>{account.email}</strong><span>{account.role}</span></div>
								<a class="choice" href={href({ page: "home" })} onClick={follow({ page: "home" })}>All services</a>
								<a class="choice" href={href({ page: "keys" })} onClick={follow({ page: "keys" })}>API keys</a>
								<button type="button" class="choice" onClick={leave}>Sign out</button>
							</>
						)}
					</Popover>
				)}
			</div>
		</header>
	);
}
