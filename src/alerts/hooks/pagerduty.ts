import type { HookFacts } from "./hook.ts";
import { SERVER_PATTERN, SERVER_SAYS } from "./patterns.ts";

const url = "{server}/v2/enqueue";

export const pagerduty: HookFacts = {
  name: "pagerduty", title: "PagerDuty", about: "An event of the Events API v2: an alarm opens an incident, its end resolves it; repetitions of one alarm are one incident.",
  steps: ["At the service: *Integrations*, *Add an integration*, *Events API V2*; copy the integration key."],
  api: "https://developer.pagerduty.com/docs/send-alert-event",
  settings: {
    routingKey: { about: "The integration key.", secret: true, pattern: /^[A-Za-z0-9]{32}$/, says: "32 letters and digits" },
    server: { about: "The server; `https://events.eu.pagerduty.com` for accounts in Europe.", default: "https://events.pagerduty.com", pattern: SERVER_PATTERN, says: SERVER_SAYS },
  },
  request: {
    method: "POST", url, headers: {},
    body: { json: {
      routing_key: "{routingKey}", event_action: "trigger", dedup_key: "{key}", client: "Upkeep",
      payload: { summary: "{title}", source: "{source}", severity: "{level}", timestamp: "{at}", group: "{site}", class: "{kind}", custom_details: { happened: "{happened}", done: "{done}", asked: "{asked}", incident: "{incident}", watcher: "{watcher}" } },
    } },
  },
  over: { method: "POST", url, headers: {}, body: { json: { routing_key: "{routingKey}", event_action: "resolve", dedup_key: "{key}" } } },
  values: { level: { critical: "critical", warning: "warning", info: "info", over: "info" } },
  escape: "none", titleMax: 1_000, textMax: 10_000, grouped: false,
  taken: { field: "status", is: "success" }, refuses: [],
  acceptedBy: "none",
};
