// Alerts by Apprise, which knows a hundred services more than we do. Its addresses hold passwords, so they stand in a
// configuration file of Apprise's own and never among the arguments, which everybody on the machine can read; the text comes
// on standard input.

import type { Channel } from "./channel.ts";
import { deliverBy } from "./command.ts";
import type { Message, Sender } from "./message.ts";

export type AppriseOptions = {
  /** The program. */
  readonly program: string;
  /** Its configuration file, with the addresses. */
  readonly config: string;
  /** Only addresses with one of these tags. */
  readonly tags: readonly string[];
};

/** It starts Python and calls its services one after the other. */
const LIMIT_MS = 90_000;

export function appriseChannel(name: string, options: AppriseOptions, _sender: Sender, limitMs = LIMIT_MS): Channel {
  return {
    name, kind: "apprise", grouped: true,
    deliver: (message, _, signal) => deliverBy(argvOf(options, message), {}, message.body, limitMs, signal),
  };
}

/** Options and their values are one argument each, so that no subject can be taken for an option. */
function argvOf({ program, config, tags }: AppriseOptions, message: Message): readonly string[] {
  const type = message.state === "over" ? "success" : message.severity === "critical" ? "failure" : message.severity;
  return [program, `--config=${config}`, ...tags.map((tag) => `--tag=${tag}`), `--title=${message.subject}`, `--notification-type=${type}`, "--input-format=text"];
}
