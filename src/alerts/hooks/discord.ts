import type { HookFacts } from "./hook.ts";
import { URL_PATTERN } from "./patterns.ts";

export const discord: HookFacts = {
  name: "discord", title: "Discord", about: "A message in a channel of Discord, by a web hook of that channel.",
  steps: ["In the channel's settings: *Integrations*, *Webhooks*, *New Webhook*, *Copy Webhook URL*."],
  api: "https://docs.discord.com/developers/resources/webhook#execute-webhook",
  settings: { url: { about: "The web hook's URL, `https://discord.com/api/webhooks/…`.", secret: true, pattern: URL_PATTERN, says: "a URL of http or https" } },
  request: {
    method: "POST", url: "{url}", headers: {},
    // No text of ours may call @everyone.
    body: { json: { username: "Upkeep", content: "{title}", embeds: [{ description: "{text}", color: "{color}" }], allowed_mentions: { parse: [] } } },
  },
  values: { color: { critical: 0xdc2626, warning: 0xd97706, info: 0x6b7280, over: 0x16a34a } },
  // content 2,000 and an embed's description 4,096 characters.
  escape: "markdown", titleMax: 1_000, textMax: 4_000, grouped: true,
  refuses: [400], waitField: "retry_after",
  acceptedBy: "none",
};
