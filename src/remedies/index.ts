// Every remedy, by its name in the configuration. A new one: its file, its test, its page, a line here.

import { command } from "./command.ts";
import { ssh } from "./ssh.ts";

export { type CommandRemedyOptions } from "./command.ts";
export { type SshRemedyOptions } from "./ssh.ts";

export const REMEDIES = { ssh, command } as const;
