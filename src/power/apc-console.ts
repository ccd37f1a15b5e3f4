// What menus and shells have in common once somebody is logged in: list, go to the point of no return, read the answer.

import type { OutletState } from "./power.ts";
import type { Action, Answer, DialectName, Listed } from "./apc-dialects.ts";

/** One write away from switching an outlet that is certainly the right one. */
export type Approach = {
  readonly state: OutletState;
  readonly label: string | null;
  /** The one write that cannot be undone. */
  readonly command: string;
  /** Goes back without having switched anything. */
  cancel(): Promise<void>;
};

export type Console = {
  readonly name: DialectName;
  /** All outlets that this account may see, read now. */
  list(): Promise<readonly Listed[]>;
  /** `listed` is out of `all`, the latest list of this session. Rejects when it cannot be told which outlet the device would switch. */
  approach(listed: Listed, all: readonly Listed[], action: Action): Promise<Approach>;
  /** What the device says to the command; `none` when it says neither yes nor no. Rejects when the connection ends before. */
  answer(): Promise<Answer>;
  /** After an answer: goes on to where the next command can be given. */
  resume(): Promise<void>;
  /** Asks the device to end the session; it then closes the connection. */
  logOut(limitMs: number): Promise<void>;
};
