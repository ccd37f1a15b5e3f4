// `upkeep agent enroll`: a host shows its key and the secret of a code to the watcher that made it. The host's key is on its disk
// before anything is sent, and the watcher keeps the enrolment before it answers; so whoever dies in between, the same command
// once more comes to the same end, and an answer that is lost is asked for again.

import type { Code } from "./code.ts";
import { Connection } from "./connection.ts";
import { dial } from "./dial.ts";
import { datesRefused, ownIdentity } from "./identity.ts";
import { learn, readKnown } from "./known.ts";
import type { FromAgent, FromWatcher } from "./messages.ts";
import { FROM_WATCHER, PROTOCOL_MAX, PROTOCOL_MIN } from "./messages.ts";

export type Enrolling = {
  /** The agent's folder of the link. */
  readonly folder: string;
  readonly host: string;
  readonly version: string;
  readonly code: Code;
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  readonly now: { readonly wallMs: number; readonly synced: boolean };
};

/** `refused`: the watcher said no. `unreachable`: it was not found. `unknown`: it was asked, and did not answer. */
export type Enrolled = { readonly outcome: "enrolled"; readonly watcher: string; readonly others: readonly string[] } | { readonly outcome: "refused" | "unreachable" | "unknown"; readonly because: string };

const LIMIT_MS = 10_000;
/** The watcher has it on record by then, or not at all known. */
const ANSWER_LIMIT_MS = 40_000;

export async function enroll(asked: Enrolling): Promise<Enrolled> {
  const { folder, host, code, addresses } = asked;
  const identity = ownIdentity(folder, host, asked.now.wallMs);
  const not: string[] = [];
  for (const address of addresses) {
    const name = address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
    const dialled = await dial(address, identity, LIMIT_MS, (pin, certificate) => (pin.startsWith(code.pinHead) ? datesRefused(certificate, asked.now) : "it is not the watcher that made this code")).done;
    if (dialled.ok) return ask(asked, dialled.socket);
    not.push(`${name}: ${dialled.because}`);
  }
  return { outcome: "unreachable", because: not.join("; ") };
}

function ask({ folder, host, version, code }: Enrolling, socket: ConstructorParameters<typeof Connection>[0]["socket"]): Promise<Enrolled> {
  return new Promise((resolve) => {
    let answered = false;
    const end = (enrolled: Enrolled) => {
      clearTimeout(timer);
      resolve(enrolled);
    };
    const connection = new Connection<FromWatcher, FromAgent>({
      socket, rows: FROM_WATCHER, nowMs: () => performance.now(),
      message: (message) => {
        if (answered) return;
        if (message.kind === "bye") return end({ outcome: "refused", because: message.because });
        if (message.kind !== "enrolled") return;
        answered = true;
        learn(folder, readKnown(folder), message).then(
          () => end({ outcome: "enrolled", watcher: message.watcher, others: message.watchers.map(({ watcher }) => watcher).filter((watcher) => watcher !== message.watcher) }),
          (error: unknown) => end({ outcome: "unknown", because: `the watcher has enrolled this host, and that could not be written down here: ${String(error)}` }),
        ).finally(() => socket.destroy());
      },
      closed: (because) => {
        if (!answered) end({ outcome: "unknown", because });
      },
    });
    const timer = setTimeout(() => connection.cut("no answer"), ANSWER_LIMIT_MS);
    connection.send({ kind: "enroll", protocol: [PROTOCOL_MIN, PROTOCOL_MAX], version, host, secret: code.secret });
  });
}
