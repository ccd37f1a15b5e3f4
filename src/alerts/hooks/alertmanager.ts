import type { HookFacts, Level } from "./hook.ts";
import { KEY_PATTERN, KEY_SAYS, SERVER_PATTERN, SERVER_SAYS } from "./patterns.ts";

const SEVERITIES = ["critical", "warning", "info"] as const;

/** Labels are an alert's identity, so one whose severity has changed is another: the alarm is told in each, and ended in all but one. */
function alert(severity: (typeof SEVERITIES)[number]) {
  return {
    labels: { alertname: "Upkeep", alarm: "{alarm}", kind: "{kind}", severity, host: "{host}", site: "{site}" },
    annotations: { summary: "{title}", description: "{text}", incident: "{incident}", watcher: "{watcher}" },
    startsAt: "{at}", endsAt: `{${severity}Ends}`,
  };
}

function ends(severity: Level): Record<Level, string> {
  return { critical: "{at}", warning: "{at}", info: "{at}", over: "{at}", ...(severity === "over" ? {} : { [severity]: "{until}" }) };
}

export const alertmanager: HookFacts = {
  name: "alertmanager", title: "Prometheus Alertmanager", about: "An alert of Alertmanager's API v2, ended by `endsAt`; Alertmanager groups, routes and silences it as its own configuration says.",
  steps: ["Nothing to prepare: the address at which Prometheus reaches it. Route by the labels `severity`, `kind`, `host` and `site`."],
  api: "https://prometheus.io/docs/alerting/latest/alerts_api/",
  settings: {
    server: { about: "Alertmanager, `http://10.0.0.5:9093`, with its prefix where it has one.", pattern: SERVER_PATTERN, says: SERVER_SAYS },
    token: { about: "A bearer token, where a proxy before it asks for one.", secret: true, default: null, pattern: KEY_PATTERN, says: KEY_SAYS },
  },
  request: { method: "POST", url: "{server}/api/v2/alerts", headers: { authorization: "Bearer {token}" }, body: { json: SEVERITIES.map(alert) } },
  values: Object.fromEntries(SEVERITIES.map((severity) => [`${severity}Ends`, ends(severity)])),
  escape: "none", titleMax: 300, textMax: 20_000, grouped: false,
  refuses: [400],
  acceptedBy: "Alertmanager 0.25.0 (Debian 12), which showed the alert, and ended it",
};
