// The port to one way of reaching a person. A channel tries once and says how it ended; whether to try again is the queue's
// affair (queue.ts).

import type { Message } from "./message.ts";

export type Delivery =
  /** Somebody has taken it. `note`: but not for everybody. `left`: recipients to be tried again. */
  | { readonly kind: "delivered"; readonly note: string | null; readonly left: readonly string[] }
  /** Trying again may help. */
  | { readonly kind: "failed"; readonly evidence: string; /** Not before this time has passed: it was asked for (RFC 9110, §10.2.3). */ readonly retryAfterMs?: number }
  /** This message will never be taken. */
  | { readonly kind: "refused"; readonly evidence: string };

export type Channel = {
  /** As it is called in the configuration. */
  readonly name: string;
  /** What kind of channel it is: `mail`, `slack`; for people. */
  readonly kind: string;
  /** Whether several messages may come as one digest; where it opens and closes something for each alarm they must not. */
  readonly grouped: boolean;
  /** One attempt, ended by the channel itself in bounded time and at once by `signal`. Never rejects. `only`: what is left of the recipients. */
  deliver(message: Message, only: readonly string[] | null, signal: AbortSignal): Promise<Delivery>;
};
