import type { HookFacts } from "./hook.ts";
import { KEY_PATTERN, KEY_SAYS, SERVER_PATTERN, SERVER_SAYS } from "./patterns.ts";

export const ntfy: HookFacts = {
  name: "ntfy", title: "ntfy", about: "A push message to everybody who has subscribed to a topic of ntfy, at ntfy.sh or a server of your own.",
  steps: ["Choose a topic that nobody guesses: who knows it can read along and write. Subscribe to it in the app.", "On a server with access control: an access token of a user who may write."],
  api: "https://docs.ntfy.sh/publish/#publish-as-json",
  settings: {
    topic: { about: "The topic: as good as a password where there is no access control.", secret: true, pattern: /^[A-Za-z0-9_-]{1,64}$/, says: "at most 64 letters, digits, _ and -" },
    server: { about: "The server.", default: "https://ntfy.sh", pattern: SERVER_PATTERN, says: SERVER_SAYS },
    token: { about: "An access token.", secret: true, default: null, pattern: KEY_PATTERN, says: KEY_SAYS },
  },
  request: {
    method: "POST", url: "{server}/", headers: { authorization: "Bearer {token}" },
    body: { json: { topic: "{topic}", title: "{title}", message: "{text}", priority: "{priority}", tags: ["{tag}"] } },
  },
  values: { priority: { critical: 5, warning: 4, info: 3, over: 3 }, tag: { critical: "rotating_light", warning: "warning", info: "information_source", over: "white_check_mark" } },
  // Beyond 4,096 bytes a message becomes an attachment.
  escape: "none", titleMax: 200, textMax: 2_500, grouped: true,
  refuses: [400, 413],
  acceptedBy: "none",
};
