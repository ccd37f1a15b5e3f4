import type { HookFacts } from "./hook.ts";
import { KEY_PATTERN, KEY_SAYS, SERVER_PATTERN, SERVER_SAYS } from "./patterns.ts";

const headers = { authorization: "GenieKey {apiKey}" } as const;

export const opsgenie: HookFacts = {
  name: "opsgenie", title: "Opsgenie", about: "An alert under an alias: an alarm creates it, repetitions count up, its end closes it.",
  steps: ["*Settings*, *Integrations*, *API*: copy the key. It needs the right to create and to close alerts."],
  api: "https://docs.opsgenie.com/docs/alert-api",
  settings: {
    apiKey: { about: "The key of the API integration.", secret: true, pattern: KEY_PATTERN, says: KEY_SAYS },
    server: { about: "The server; `https://api.eu.opsgenie.com` for accounts in Europe.", default: "https://api.opsgenie.com", pattern: SERVER_PATTERN, says: SERVER_SAYS },
  },
  request: {
    method: "POST", url: "{server}/v2/alerts", headers,
    body: { json: { message: "{title}", alias: "{key}", description: "{text}", source: "{source}", priority: "{priority}", tags: ["upkeep", "{kind}"], details: { alarm: "{alarm}", host: "{host}", incident: "{incident}", site: "{site}" } } },
  },
  over: { method: "POST", url: "{server}/v2/alerts/{key}/close?identifierType=alias", headers, body: { json: { source: "{source}", note: "{happened}" } } },
  values: { priority: { critical: "P1", warning: "P3", info: "P5", over: "P5" } },
  // message 130, description 15,000 characters.
  escape: "none", titleMax: 130, textMax: 15_000, grouped: false,
  refuses: [422],
  acceptedBy: "none",
};
