import type { HookFacts } from "./hook.ts";
import { URL_PATTERN } from "./patterns.ts";

// The connectors that Teams once had are gone; a flow of the Workflows app takes this, and takes nothing but adaptive cards.
export const teams: HookFacts = {
  name: "teams", title: "Microsoft Teams", about: "A card in a channel of Teams, by a flow of the Workflows app. The connectors of before (`MessageCard`) are gone.",
  steps: ["In the channel's menu: *Workflows*, the template that posts to a channel when a web hook request is received. Copy the URL at the end.", "The flow belongs to whoever made it: give it a second owner, or it ends with the account."],
  api: "https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using",
  settings: { url: { about: "The URL of the flow.", secret: true, pattern: URL_PATTERN, says: "a URL of http or https" } },
  request: {
    method: "POST", url: "{url}", headers: {},
    body: { json: {
      type: "message",
      attachments: [{
        contentType: "application/vnd.microsoft.card.adaptive", contentUrl: null,
        content: {
          $schema: "http://adaptivecards.io/schemas/adaptive-card.json", type: "AdaptiveCard", version: "1.4", msteams: { width: "Full" },
          body: [{ type: "TextBlock", text: "{title}", weight: "Bolder", size: "Medium", color: "{color}", wrap: true }, { type: "TextBlock", text: "{text}", wrap: true }],
        },
      }],
    } },
  },
  values: { color: { critical: "Attention", warning: "Warning", info: "Default", over: "Good" } },
  // A message may have 28 kB, the JSON around it included.
  escape: "cards", titleMax: 300, textMax: 10_000, grouped: true,
  refuses: [400, 413],
  acceptedBy: "none",
};
