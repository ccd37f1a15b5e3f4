import type { HookFacts } from "./hook.ts";
import { KEY_PATTERN, KEY_SAYS, SERVER_PATTERN, SERVER_SAYS } from "./patterns.ts";

export const gotify: HookFacts = {
  name: "gotify", title: "Gotify", about: "A push message from a Gotify server of your own.",
  steps: ["*Apps*, *Create Application*; copy its token."],
  api: "https://gotify.net/api-docs",
  settings: {
    server: { about: "The server, `https://gotify.example.org`.", pattern: SERVER_PATTERN, says: SERVER_SAYS },
    token: { about: "The application's token.", secret: true, pattern: KEY_PATTERN, says: KEY_SAYS },
  },
  request: {
    method: "POST", url: "{server}/message", headers: { "x-gotify-key": "{token}" },
    body: { json: { title: "{title}", message: "{text}", priority: "{priority}", extras: { "client::display": { contentType: "text/plain" } } } },
  },
  values: { priority: { critical: 9, warning: 6, info: 4, over: 5 } },
  escape: "none", titleMax: 200, textMax: 20_000, grouped: true,
  refuses: [400],
  acceptedBy: "none",
};
