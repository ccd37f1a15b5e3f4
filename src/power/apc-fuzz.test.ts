// The driver against a line that spoils what the device says, and against devices that say anything at all. Judged by the
// relays of the virtual PDU: no other outlet ever moves, no other command ever reaches it, and an `accepted` is true.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { startApcPdu } from "../../lab/apc-pdu.ts";
import type { ApcPduOptions } from "../../lab/apc-pdu.ts";
import { UpkeepError } from "../core/errors.ts";
import { apc } from "./apc.ts";
import type { Fire, SetOutcome } from "./power.ts";

const USER = "operator";
const PASSWORD = "hunter2";
const AT_ONCE = 12;
const STEP_MS = 250;

type Spoil =
  | { readonly kind: "drop" | "repeat"; readonly at: number; readonly length: number }
  | { readonly kind: "insert" | "replace"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "split"; readonly at: number };

/** `late`: the place is counted from the command on, where the answer to it is. */
type Placed = Spoil & { readonly late: boolean };
type Run = { readonly device: ApcPduOptions; readonly outlet: string; readonly spoils: readonly Placed[] };

const at = fc.oneof(fc.nat(4_000), fc.nat(1_500));
// What misleads most: digits, names of actions, prompts.
const telling = fc.constantFrom("1", "2", "3", "13", "OFF", "ON", "\r\n> ", "\r\napc>", "Immediate Off", "E000: Success\r\n", "OK\r\n", "Command successfully issued.\r\n", "Outlet       : 3\r\n", "Enter 'YES' to continue or <ENTER> to cancel : ").map((text) => Buffer.from(text, "latin1"));
const bytes = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 12 }), telling);
const spoil: fc.Arbitrary<Spoil> = fc.oneof(
  fc.record({ kind: fc.constantFrom("drop", "repeat"), at, length: fc.integer({ min: 1, max: 60 }) }),
  fc.record({ kind: fc.constantFrom("insert", "replace"), at, bytes }),
  fc.record({ kind: fc.constant("split"), at }),
);
const device = fc.record({ dialect: fc.constantFrom("menu2", "menu3", "shell"), shell: fc.constantFrom("ol", "plain"), outlets: fc.constantFrom(8, 24), pageLines: fc.constantFrom(6, 22), echo: fc.boolean() });
const early: fc.Arbitrary<Placed> = spoil.map((each) => ({ ...each, late: false }));
const late: fc.Arbitrary<Placed> = fc.tuple(spoil, fc.nat(90)).map(([each, place]) => ({ ...each, at: place, late: true }));
const run: fc.Arbitrary<Run> = fc.record({ device, outlet: fc.constantFrom("3", "db 1"), spoils: fc.array(fc.oneof(early, late), { minLength: 1, maxLength: 6 }) });

/** Passes everything on, and spoils what the device says at the given places of its stream. */
async function spoiledLine(to: { readonly address: string; readonly port: number }, spoils: readonly Placed[]): Promise<{ readonly port: number; close(): void }> {
  const sockets: Socket[] = [];
  const server: Server = createServer((near) => {
    const far = connect(to.port, to.address);
    sockets.push(near, far);
    for (const socket of [near, far]) socket.setNoDelay(true).on("error", () => {});
    let sent = "";
    let commandAt: number | null = null;
    near.on("data", (typed: Buffer) => {
      sent = (sent + typed.toString("latin1")).slice(-200);
      if (commandAt === null && /YES\r|off 3\r/i.test(sent)) commandAt = passed;
      far.write(typed);
    });
    near.on("end", () => far.end());
    near.on("close", () => far.resetAndDestroy());
    far.on("close", () => near.destroySoon());
    let passed = 0;
    far.on("data", (heard: Buffer) => {
      const placed = spoils.filter((each) => !each.late || commandAt !== null).map((each) => (each.late ? { ...each, at: each.at + (commandAt ?? 0) } : each));
      for (const piece of spoiledPieces(heard, passed, placed)) near.write(piece);
      passed += heard.length;
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function spoiledPieces(heard: Buffer, from: number, spoils: readonly Spoil[]): Buffer[] {
  let rest = heard;
  const pieces: Buffer[] = [];
  // From the back, so that the places stay right.
  for (const each of [...spoils].sort((a, b) => b.at - a.at)) {
    const here = each.at - from;
    if (here < 0 || here >= rest.length) continue;
    const before = rest.subarray(0, here);
    const after = rest.subarray(here);
    switch (each.kind) {
      case "drop": rest = Buffer.concat([before, after.subarray(each.length)]); break;
      case "repeat": rest = Buffer.concat([before, after.subarray(0, each.length), after]); break;
      case "insert": rest = Buffer.concat([before, each.bytes, after]); break;
      case "replace": rest = Buffer.concat([before, each.bytes, after.subarray(each.bytes.length)]); break;
      case "split":
        pieces.unshift(after);
        rest = before;
        break;
    }
  }
  return [rest, ...pieces];
}

async function attempt(port: number, outlet: string, fire: Fire): Promise<SetOutcome | UpkeepError> {
  const target = apc.create({ host: "127.0.0.1", port, username: USER, password: PASSWORD, dialect: "auto", stepMs: STEP_MS, maxActMs: 30_000 });
  try {
    const session = await target.open(AbortSignal.timeout(30_000));
    try {
      return await session.set(outlet, "off", fire, AbortSignal.timeout(30_000));
    } finally {
      await session.close();
    }
  } catch (error) {
    assert.ok(error instanceof UpkeepError, String(error instanceof Error ? error.stack : error));
    return error;
  }
}

async function inBatches<Case>(cases: readonly Case[], body: (each: Case) => Promise<void>): Promise<void> {
  for (let from = 0; from < cases.length; from += AT_ONCE) {
    await Promise.all(cases.slice(from, from + AT_ONCE).map(async (each) => {
      try {
        await body(each);
      } catch (error) {
        throw new Error(`with ${JSON.stringify(each, (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value))}`, { cause: error });
      }
    }));
  }
}

test("a spoiled line never moves another outlet, and never makes a false accepted", { timeout: 120_000 }, async () => {
  const seen = { errors: 0, accepted: 0, unknown: 0, asked: 0 };
  await inBatches(fc.sample(run, 360), async ({ device: options, outlet, spoils }) => {
    const pdu = await startApcPdu({ user: USER, password: PASSWORD, names: { 3: "db 1", 13: "db 11" }, ...options });
    const line = await spoiledLine(pdu, spoils);
    try {
      let asked = 0;
      const ended = await attempt(line.port, outlet, (reading, write) => {
        asked += 1;
        assert.equal(reading.outlet, outlet);
        write();
        return Promise.resolve(true);
      });
      line.close();
      await pdu.idle();
      const commands = pdu.log.all("command").map((command) => `${command.action} ${command.outlets.join()}`);
      assert.ok(commands.length <= asked && asked <= 1, `${commands.join()} after ${asked} questions`);
      assert.ok(commands.every((command) => command === "off 3"), commands.join());
      assert.ok(pdu.log.all("edge").every((edge) => edge.outlet === 3));
      seen.asked += asked;
      if (ended instanceof UpkeepError) {
        seen.errors += 1;
        assert.equal(asked, 0);
      } else {
        if (ended.kind === "accepted") assert.equal(pdu.truth(3), "off");
        assert.notEqual(ended.kind, "refused", ended.evidence);
        seen[ended.kind === "accepted" ? "accepted" : "unknown"] += 1;
      }
    } finally {
      line.close();
      await pdu.close();
    }
  });
  // A line that spoils nothing, or everything, would prove nothing.
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 10, `${what}: ${times}; ${JSON.stringify(seen)}`);
});

test("a device that says anything at all is never switched", { timeout: 120_000 }, async () => {
  const scraps = ["\r\nUser Name : ", "\r\nPassword  : ", "\r\n> ", "\r\napc>", "------- Control Console -------\r\n", "------- Device Manager -------\r\n", "     1- Device Manager\r\n", "     2- Outlet Management\r\n", "     3- Outlet Control/Configuration\r\n", "Press <ENTER> to continue...", "E101: Command Not Found\r\n"];
  const answer = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.array(fc.constantFrom(...scraps), { maxLength: 6 }).map((parts) => Buffer.from(parts.join(""), "latin1")));
  await inBatches(fc.sample(fc.array(answer, { minLength: 1, maxLength: 6 }), 240), async (answers) => {
    const server = createServer((socket) => {
      let turn = 0;
      const say = (): void => {
        if (socket.writable) socket.write(answers[turn++ % answers.length] as Uint8Array);
      };
      socket.on("error", () => {}).on("data", () => turn < 40 && say());
      // Mostly it gets past the log-in, or nothing behind that would be tried.
      socket.write("\r\nUser Name : ");
      setTimeout(() => socket.writable && socket.write("\r\nPassword  : "), 15);
      setTimeout(say, 30);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const ended = await attempt((server.address() as AddressInfo).port, "3", () => {
        throw new Error("the gate must not be asked");
      });
      assert.ok(ended instanceof UpkeepError, JSON.stringify(ended));
    } finally {
      server.close();
    }
  });
});
