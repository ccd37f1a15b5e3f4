// Every web hook, by its name in the configuration. A new one: its row in a file of its own, a line here.

import { alertmanager } from "./alertmanager.ts";
import { discord } from "./discord.ts";
import { gotify } from "./gotify.ts";
import type { HookFacts } from "./hook.ts";
import { mattermost } from "./mattermost.ts";
import { ntfy } from "./ntfy.ts";
import { opsgenie } from "./opsgenie.ts";
import { pagerduty } from "./pagerduty.ts";
import { pushover } from "./pushover.ts";
import { slack } from "./slack.ts";
import { teams } from "./teams.ts";
import { telegram } from "./telegram.ts";

export const HOOKS = { slack, discord, teams, mattermost, telegram, ntfy, gotify, pushover, pagerduty, opsgenie, alertmanager } as const satisfies Record<string, HookFacts>;

export type HookName = keyof typeof HOOKS;
