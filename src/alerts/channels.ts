// Channels as the configuration names them. Heavy parts are loaded with the first message, and hooks with their code when the
// first of them is used, so that a watcher that only sends mail stays small.

import type { AppriseOptions } from "./apprise.ts";
import { appriseChannel } from "./apprise.ts";
import type { Channel } from "./channel.ts";
import type { CommandOptions } from "./command.ts";
import { commandChannel } from "./command.ts";
import type { MailOptions } from "./mail.ts";
import { mailChannel } from "./mail.ts";
import type { HookName } from "./hooks/index.ts";
import type { Sender } from "./message.ts";
import type { CallableHook, HookSettings } from "./webhook.ts";

/** Secrets open. */
export type ChannelOptions = { readonly name: string } & (
  | { readonly kind: "mail"; readonly options: MailOptions }
  | { readonly kind: "command"; readonly options: CommandOptions }
  | { readonly kind: "apprise"; readonly options: AppriseOptions }
  | { readonly kind: "hook"; readonly hook: HookName; readonly grouped: boolean; readonly settings: HookSettings; readonly secrets: readonly string[] }
  /** A template of one's own. */
  | { readonly kind: "webhook"; readonly webhook: CallableHook });

export function makeChannel(made: ChannelOptions, sender: Sender): Channel {
  const { name } = made;
  switch (made.kind) {
    case "mail":
      return mailChannel(name, made.options, sender);
    case "command":
      return commandChannel(name, made.options, sender);
    case "apprise":
      return appriseChannel(name, made.options, sender);
    case "hook":
      return later(name, made.hook, made.grouped, async () => ({ ...(await import("./hooks/index.ts")).HOOKS[made.hook], settings: made.settings, secrets: made.secrets }), sender);
    case "webhook":
      return later(name, "webhook", made.webhook.grouped, async () => made.webhook, sender);
  }
}

function later(name: string, kind: string, grouped: boolean, hook: () => Promise<CallableHook>, sender: Sender): Channel {
  return {
    name, kind, grouped,
    async deliver(message, only, signal) {
      const { webhookChannel } = await import("./webhook.ts");
      return webhookChannel(name, await hook(), sender).deliver(message, only, signal);
    },
  };
}
