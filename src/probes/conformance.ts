// What every probe must keep, whatever it looks at: run by each probe's test against real sockets on loopback.
//
// A probe finds good only what it was promised; it never rejects but by abort; a silent peer leaves it waiting until the
// abort, and that closes its descriptors before it returns; its evidence is short and printable whatever a peer says;
// a peer that never stops talking is not listened to for ever. A probe over TCP gets its peers from `tcpSettings`.

import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { readdirSync } from "node:fs";
import net from "node:net";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { EVIDENCE_CHARACTERS_MAX, errorCode } from "./finding.ts";
import type { Finding, Icmp, Probe, ProbeTools, Target } from "./probe.ts";

/** One peer and how to look at it. */
export type Setting<Options> = {
  readonly target: Target;
  readonly options: Options;
  readonly tools: ProbeTools;
  /** Descriptors that the peer holds for each look at it, in this same process. */
  readonly peerDescriptors: number;
  /** Resolves once the peer has noticed a look; absent: it cannot notice. */
  readonly noticed?: () => Promise<unknown>;
  /** How its first connection ended, as the peer saw it: an error's code, or `closed`. */
  readonly ending?: () => Promise<string>;
  close(): Promise<void>;
};

export type Settings<Options> = {
  readonly right: () => Promise<Setting<Options>>;
  readonly silent: () => Promise<Setting<Options>>;
  /** Nobody listens, and the kernel says so; absent where there is no such thing. */
  readonly refused?: () => Promise<Setting<Options>>;
  /** Peers that answer wrongly, by name: never good. */
  readonly wrong: Readonly<Record<string, () => Promise<Setting<Options>>>>;
  /** Peers that answer rightly in an odd way, by name. */
  readonly odd?: Readonly<Record<string, () => Promise<Setting<Options>>>>;
  /** Something only this side is to blame for: unknown. */
  readonly ours?: Readonly<Record<string, () => Promise<Setting<Options>>>>;
};

/** Long enough for loopback, short enough for a test that must see that nothing comes. */
const SILENCE_MS = 150;
/** A limit for what must happen, on a busy machine. */
const LIMIT_MS = 10_000;

/** Registers the suite for one probe. */
export function conformance<Options>(probe: Probe<Options>, settings: Settings<Options>): void {
  const title = `${probe.name} keeps the port`;
  const start = (setting: Setting<Options>, signal: AbortSignal): Promise<Finding> =>
    probe.run(setting.target, setting.options, setting.tools, signal, () => undefined);

  async function within(setting: Setting<Options>, look: (setting: Setting<Options>) => Promise<void>): Promise<void> {
    try {
      await look(setting);
    } finally {
      await setting.close();
    }
  }

  /** The finding, or `pending` if there is none in time; then it is aborted and must reject. */
  async function look(setting: Setting<Options>, limitMs: number): Promise<Finding | "pending"> {
    const controller = new AbortController();
    const running = start(setting, controller.signal);
    let limit: NodeJS.Timeout | undefined;
    const tooLong = new Promise<"pending">((resolve) => (limit = setTimeout(resolve, limitMs, "pending")));
    const first = await Promise.race([running, tooLong]);
    clearTimeout(limit);
    controller.abort(new Error("enough"));
    if (first === "pending") await assert.rejects(running, /enough/);
    else assertEvidence(first);
    return first;
  }

  test(`${title}: the right answer is good, a hundred at once too, and nothing is left open`, async () => {
    await within(await settings.right(), async (setting) => {
      const before = descriptors();
      const { signal } = new AbortController();
      const found = await Promise.all(Array.from({ length: 100 }, () => start(setting, signal)));
      for (const finding of found) {
        assertEvidence(finding);
        assert.deepEqual([finding.outcome, finding.sign], ["good", "answer"], finding.evidence);
      }
      await until(() => descriptors() <= before, "descriptors left open");
      // The round runner uses a signal again for another host's round.
      assert.equal(getEventListeners(signal, "abort").length, 0, "it still listens to the abort");
    });
  });

  for (const [name, make] of Object.entries(settings.odd ?? {})) {
    test(`${title}: ${name} is good`, async () => {
      await within(await make(), async (setting) => {
        const finding = await look(setting, LIMIT_MS);
        assert.equal(finding === "pending" ? finding : finding.outcome, "good", JSON.stringify(finding));
      });
    });
  }

  test(`${title}: a silent peer is waited for until the abort, which closes everything before it returns`, async () => {
    await within(await settings.silent(), async (setting) => {
      const before = descriptors();
      const controller = new AbortController();
      const running = start(setting, controller.signal);
      let settled = false;
      const watched = running.then(
        () => (settled = true),
        () => (settled = true),
      );
      if (setting.noticed !== undefined) await setting.noticed();
      await pause(SILENCE_MS);
      assert.equal(settled, false, "it settled although nobody spoke");
      controller.abort(new Error("enough"));
      assert.ok(descriptors() <= before + setting.peerDescriptors, "a descriptor is open after the abort");
      await assert.rejects(running, /enough/);
      await watched;
      if (setting.ending !== undefined) assert.equal(await setting.ending(), "ECONNRESET", "given up, the connection is reset");
      await until(() => descriptors() <= before, "the peer's side was not closed");
    });
  });

  test(`${title}: aborted before it begins, or in the same turn, it rejects and leaves nothing`, async () => {
    await within(await settings.right(), async (setting) => {
      const before = descriptors();
      await assert.rejects(start(setting, AbortSignal.abort(new Error("enough"))), /enough/);
      const controller = new AbortController();
      const running = start(setting, controller.signal);
      controller.abort(new Error("enough"));
      await assert.rejects(running, /enough/);
      await until(() => descriptors() <= before, "descriptors left open");
    });
  });

  for (const [name, make] of Object.entries(settings.wrong)) {
    test(`${title}: ${name} is never good`, async () => {
      await within(await make(), async (setting) => {
        const finding = await look(setting, 400);
        assert.ok(finding === "pending" || finding.outcome === "bad", JSON.stringify(finding));
      });
    });
  }

  const { refused } = settings;
  if (refused !== undefined) {
    test(`${title}: a closed port is refused, at once`, async () => {
      await within(await refused(), async (setting) => {
        const finding = await look(setting, LIMIT_MS);
        assert.ok(finding !== "pending");
        assert.deepEqual([finding.outcome, finding.sign], ["bad", "refused"], finding.evidence);
      });
    });
  }

  for (const [name, make] of Object.entries(settings.ours ?? {})) {
    test(`${title}: ${name} proves nothing about the host`, async () => {
      await within(await make(), async (setting) => {
        const finding = await look(setting, LIMIT_MS);
        assert.equal(finding === "pending" ? finding : finding.outcome, "unknown", JSON.stringify(finding));
      });
    });
  }
}

export function assertEvidence(finding: Finding): void {
  assert.ok(finding.evidence.length > 0 && finding.evidence.length <= EVIDENCE_CHARACTERS_MAX, `${finding.evidence.length} characters`);
  assert.doesNotMatch(finding.evidence, /[\p{C}\p{Zl}\p{Zp}]/u);
}

/** Open descriptors of this process, the one that lists them included. */
export function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Waits for a condition, not for a time. */
export async function until(condition: () => boolean, otherwise: string): Promise<void> {
  const endsAtMs = performance.now() + LIMIT_MS;
  while (!condition()) {
    if (performance.now() > endsAtMs) assert.fail(otherwise);
    await pause(5);
  }
}

/** No ICMP: for probes that do not use it. */
export const noIcmp: Icmp = {
  echo: () => Promise.reject(new Error("not here")),
  refusal: () => "not here",
  close: () => undefined,
};

export type TcpPeer = {
  readonly port: number;
  readonly accepted: () => number;
  readonly noticed: () => Promise<unknown>;
  readonly ending: () => Promise<string>;
  close(): Promise<void>;
};

/** A server on loopback that does to each connection what `serve` says. */
export async function tcpPeer(serve: (socket: net.Socket) => void, address = "127.0.0.1"): Promise<TcpPeer> {
  const sockets = new Set<net.Socket>();
  let accepted = 0;
  let ended: string | undefined;
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    accepted += 1;
    sockets.add(socket);
    let code = "closed";
    socket.on("error", (error) => (code = errorCode(error))); // the looker may reset it
    socket.on("close", () => {
      sockets.delete(socket);
      ended ??= code;
    });
    socket.on("end", () => socket.end());
    serve(socket);
  });
  server.listen(0, address);
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    accepted: () => accepted,
    noticed: () => until(() => accepted > 0, "no connection came"),
    ending: () => until(() => ended !== undefined, "the connection did not end").then(() => ended ?? ""),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A port of loopback where nobody listens: taken and given back. */
export async function closedPort(address = "127.0.0.1"): Promise<number> {
  const peer = await tcpPeer(() => undefined, address);
  await peer.close();
  return peer.port;
}

/** What a right server answers to what it has read since its last answer; null: it waits for more. */
export type RightAnswer = (read: Buffer) => Buffer | null;

/**
 * The peers that every probe over TCP meets. `options` is the probe's, for a port; several answers are given in turn, and
 * the last is the one that comes late, in half or never.
 */
export function tcpSettings<Options>(options: (port: number) => Options, ...right: readonly RightAnswer[]): Settings<Options> {
  const tools: ProbeTools = { icmp: noIcmp };
  const at = (address: string): Target => ({ host: "patient", address, family: net.isIPv6(address) ? 6 : 4 });
  const peer = (serve: (socket: net.Socket) => void, address = "127.0.0.1") => async (): Promise<Setting<Options>> => {
    const { port, noticed, ending, close } = await tcpPeer(serve, address);
    return { target: at(address), options: options(port), tools, peerDescriptors: 1, noticed, ending, close };
  };
  const nobody = (port: () => Promise<number> | number, address = "127.0.0.1") => async (): Promise<Setting<Options>> => ({
    target: at(address),
    options: options(await port()),
    tools,
    peerDescriptors: 0,
    close: () => Promise.resolve(),
  });
  /** Calls `say` with the last right answer once the question is complete. */
  const answering = (say: (socket: net.Socket, answer: Buffer) => void) => (socket: net.Socket): void => {
    let read = Buffer.alloc(0);
    let next = 0;
    const consider = (): void => {
      const answer = right[next]?.(read) ?? null;
      if (answer === null) return;
      next += 1;
      read = Buffer.alloc(0);
      if (next === right.length) say(socket, answer);
      else socket.write(answer);
    };
    consider();
    socket.on("data", (chunk) => {
      read = Buffer.concat([read, chunk]);
      consider();
    });
  };
  const silent = (socket: net.Socket): void => void socket.resume();
  const flood = (what: Buffer) => (socket: net.Socket): void => {
    socket.resume();
    const pour = (): void => {
      while (!socket.destroyed && socket.write(what));
    };
    socket.on("drain", pour);
    pour();
  };
  return {
    right: peer(answering((socket, answer) => socket.end(answer))),
    silent: peer(silent),
    refused: nobody(closedPort),
    odd: {
      "an answer that comes byte by byte": peer(answering((socket, answer) => void drip(socket, answer))),
      "an answer over IPv6": peer(answering((socket, answer) => socket.end(answer)), "::1"),
      "an answer followed by a reset": peer(answering((socket, answer) => socket.write(answer, () => setTimeout(() => socket.resetAndDestroy(), 20)))),
    },
    wrong: {
      "a connection closed at once": peer((socket) => socket.end()),
      "a connection reset at once": peer((socket) => socket.resetAndDestroy()),
      "a half of the answer, then the end": peer(answering((socket, answer) => socket.end(answer.subarray(0, answer.length >> 1)))),
      "a half of the answer, then a reset": peer(answering((socket, answer) => socket.write(answer.subarray(0, answer.length >> 1), () => socket.resetAndDestroy()))),
      "a half of the answer, then nothing": peer(answering((socket, answer) => socket.write(answer.subarray(0, answer.length >> 1)))),
      "a stream of one letter without end": peer(flood(Buffer.alloc(65_536, 0x41))),
      "empty lines without end": peer(flood(Buffer.alloc(65_536, "\r\n"))),
      "control characters, escapes and bytes that are no UTF-8": peer((socket) => socket.resume().end(NASTY)),
      "every byte there is, one by one": peer((socket) => void drip(socket.resume(), Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)))),
    },
    ours: {
      "a port that does not exist": nobody(() => 65_536),
      "an address of a family that it is not": async () => ({ ...(await nobody(closedPort)()), target: { host: "patient", address: "not-an-address", family: 4 } }),
    },
  };
}

/** Escape sequences, bidirectional overrides, line separators, NUL, half of a UTF-8 character. */
export const NASTY = Buffer.concat([Buffer.from("\x1b[2J\x1b]0;owned\x07 \u202eevil\u2028\u200b\0\x7f\x9b31m\r\n".repeat(20)), Buffer.from([0xc3, 0x28, 0xff, 0xfe, 0xe2, 0x80])]);

async function drip(socket: net.Socket, bytes: Buffer): Promise<void> {
  for (const byte of bytes) {
    if (socket.destroyed) return;
    socket.write(Buffer.of(byte));
    await pause(0);
  }
  socket.end();
}
