import type { HookFacts } from "./hook.ts";
import { SERVER_PATTERN, SERVER_SAYS } from "./patterns.ts";

export const pushover: HookFacts = {
  name: "pushover", title: "Pushover", about: "A push message to a person or a group of Pushover. A critical one goes through quiet hours; Upkeep itself repeats it.",
  steps: ["At pushover.net register an application: its token. The key of the user or group stands on the dashboard."],
  api: "https://pushover.net/api",
  settings: {
    token: { about: "The application's token.", secret: true, pattern: /^[A-Za-z0-9]{30}$/, says: "30 letters and digits" },
    user: { about: "The key of a user or group.", secret: true, pattern: /^[A-Za-z0-9]{30}$/, says: "30 letters and digits" },
    server: { about: "The server.", default: "https://api.pushover.net", pattern: SERVER_PATTERN, says: SERVER_SAYS },
  },
  request: {
    method: "POST", url: "{server}/1/messages.json", headers: {},
    body: { form: { token: "{token}", user: "{user}", title: "{title}", message: "{text}", priority: "{priority}" } },
  },
  values: { priority: { critical: 1, warning: 0, info: -1, over: 0 } },
  escape: "none", titleMax: 250, textMax: 1_024, grouped: true,
  // 4xx is final for them, a wrong token included; only what is about the message is final for us.
  taken: { field: "status", is: 1 }, refuses: [413],
  acceptedBy: "none",
};
