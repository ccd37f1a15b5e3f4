// The watcher's door for agents (docs/adr/0030): where it listens, and where agents are told that it is.

import { z } from "zod";
import { address, orNull } from "../fields.ts";

export const agents = z.strictObject({
  listen: orNull(address("Where agents of hosts connect to, with TLS and a key on both sides. `null`: nowhere.", { zero: true })).optional(),
  address: address("Where agents reach this watcher, as it tells them; left out: `listen`, where that is one address, and else they go by the `watchers` of their own files.").optional(),
});

export type AgentsInput = z.output<typeof agents>;
