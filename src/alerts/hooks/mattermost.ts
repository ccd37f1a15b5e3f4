import type { HookFacts } from "./hook.ts";
import { URL_PATTERN } from "./patterns.ts";

export const mattermost: HookFacts = {
  name: "mattermost", title: "Mattermost", about: "A message in a channel of Mattermost, by an incoming web hook.",
  steps: ["*Product menu*, *Integrations*, *Incoming Webhooks*, *Add Incoming Webhook*; copy the URL."],
  api: "https://developers.mattermost.com/integrate/webhooks/incoming/",
  settings: {
    url: { about: "The web hook's URL, `https://chat.example.org/hooks/…`.", secret: true, pattern: URL_PATTERN, says: "a URL of http or https" },
    channel: { about: "Another channel than the hook's own, by its name in the URL.", default: null, pattern: /^@?[a-z0-9._-]{1,64}$/, says: "a channel's name as in its URL, or @user" },
  },
  request: {
    method: "POST", url: "{url}", headers: {},
    body: { json: { channel: "{channel}", username: "Upkeep", text: "{title}", attachments: [{ color: "{color}", fallback: "{title}", text: "{text}" }] } },
  },
  values: { color: { critical: "#dc2626", warning: "#d97706", info: "#6b7280", over: "#16a34a" } },
  escape: "markdown", titleMax: 300, textMax: 12_000, grouped: true,
  refuses: [400, 413],
  acceptedBy: "none",
};
