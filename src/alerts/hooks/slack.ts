import type { HookFacts } from "./hook.ts";
import { URL_PATTERN } from "./patterns.ts";

export const slack: HookFacts = {
  name: "slack", title: "Slack", about: "A message in a channel of Slack, by an incoming web hook.",
  steps: ["At api.slack.com/apps create an app for your workspace, switch *Incoming Webhooks* on and add one for the channel.", "Put the URL into a file that only the watcher may read: who has it can write into the channel."],
  api: "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks",
  settings: { url: { about: "The web hook's URL, `https://hooks.slack.com/services/…`.", secret: true, pattern: URL_PATTERN, says: "a URL of http or https" } },
  request: {
    method: "POST", url: "{url}", headers: {},
    body: { json: { text: "{title}", attachments: [{ color: "{color}", fallback: "{title}", text: "{text}", mrkdwn_in: [] }] } },
  },
  values: { color: { critical: "danger", warning: "warning", info: "#6b7280", over: "good" } },
  escape: "slack", titleMax: 300, textMax: 7_000, grouped: true,
  // no_text, invalid_payload and their like; 403, 404 and 410 are a channel that was archived or a hook that was revoked.
  refuses: [400],
  acceptedBy: "none",
};
