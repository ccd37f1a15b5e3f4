import type { HookFacts } from "./hook.ts";
import { SERVER_PATTERN, SERVER_SAYS } from "./patterns.ts";

export const telegram: HookFacts = {
  name: "telegram", title: "Telegram", about: "A message from a bot to a person, a group or a channel of Telegram.",
  steps: ["Write `/newbot` to @BotFather: it answers with the token.", "Write something to the bot, or add it to the group; `https://api.telegram.org/bot<TOKEN>/getUpdates` then shows the chat's id (a group's is negative)."],
  api: "https://core.telegram.org/bots/api#sendmessage",
  settings: {
    token: { about: "The bot's token.", secret: true, pattern: /^[0-9]{1,20}:[A-Za-z0-9_-]{1,100}$/, says: "a bot's token: digits, a colon, letters" },
    chat: { about: "The chat's id, or `@name` of a channel. In quotes.", pattern: /^(-?[0-9]{1,20}|@[A-Za-z0-9_]{1,64})$/, says: "a number in quotes, or @name" },
    server: { about: "Another server of the Bot API.", default: "https://api.telegram.org", pattern: SERVER_PATTERN, says: SERVER_SAYS },
  },
  request: {
    method: "POST", url: "{server}/bot{token}/sendMessage", headers: {},
    // Without parse_mode text is text, and nothing has to be escaped.
    body: { json: { chat_id: "{chat}", text: "{title}\n\n{text}", link_preview_options: { is_disabled: true } } },
  },
  values: {},
  // 4,096 for both.
  escape: "none", titleMax: 200, textMax: 3_800, grouped: true,
  taken: { field: "ok", is: true }, refuses: [400], waitField: "parameters.retry_after",
  acceptedBy: "none",
};
