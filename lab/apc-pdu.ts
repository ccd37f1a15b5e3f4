// A virtual APC switched rack PDU, spoken to over a real telnet connection. It is the second reading of the protocol: it
// knows field.md §9, the manuals, and what fence_apc and powerman expect (both accept it, apc-pdu-third-party.test.ts), and
// imports nothing of the driver that it tests.
//
// It is faithful where it hurts: one session at a time, menus that page, relays that lag behind the acknowledgement, cut
// cables, late lines, ghosts, lies. Its log is the world's truth. As a program: bin/node24 lab/apc-pdu.ts --help.

import { createServer, type AddressInfo, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { Device, type ApcPduOptions, type Hooks } from "./apc-device.ts";
import type { Faults } from "./apc-faults.ts";
import type { ApcLog } from "./apc-log.ts";
import type { OutletState } from "./apc-outlets.ts";
import { Session } from "./apc-session.ts";

export type { ApcPduOptions, Hooks, Verdict } from "./apc-device.ts";
export { noFaults, setFaults, type Cut, type FaultPatch, type Faults } from "./apc-faults.ts";
export type { ApcLog, CommandOutcome, LogEvent, LogRecord, RecordOf } from "./apc-log.ts";
export type { Action, OnSwitch, OutletState } from "./apc-outlets.ts";

export type ApcPduState = {
  /** `state` is the relay, `shown` what the console says; they differ by faults only. */
  readonly outlets: readonly { readonly outlet: number; readonly label: string; readonly state: OutletState; readonly shown: OutletState; readonly pending: boolean }[];
  /** Sessions that hold the device, ghosts included, now and at most. */
  readonly sessions: number;
  readonly sessionsMax: number;
  readonly connections: number;
  readonly connectionsMax: number;
  /** Received in the device's life. */
  readonly bytes: number;
  readonly lines: number;
  readonly commands: number;
};

export type ApcPdu = {
  readonly address: string;
  readonly port: number;
  /** Set a field, and it holds from that moment. */
  readonly faults: Faults;
  readonly hooks: Hooks;
  readonly log: ApcLog;
  state(): ApcPduState;
  /** What the relay of an outlet is, whatever the console says. */
  truth(outlet: number): OutletState;
  /** Somebody else switches an outlet. */
  switchByHand(outlet: number, state: OutletState): Promise<void>;
  /** Ends all connections (RST) and ghosts. */
  dropSessions(): void;
  /** Resolves when no effect is pending and every `onSwitch` has ended. */
  idle(): Promise<void>;
  close(): Promise<void>;
};

/** Starts a virtual PDU; resolves when it listens. */
export async function startApcPdu(options: ApcPduOptions): Promise<ApcPdu> {
  const device = new Device(options);
  let closing = false;
  const admit = async (socket: Socket): Promise<void> => {
    socket.on("error", () => undefined);
    // What the kernel knew before this connection is seen before it: that the one before has left. One turn of the loop for
    // what came in the same moment, one for what came while that was read, one until its `close` is told.
    for (let turns = 0; turns < 3; turns += 1) await turn();
    if (closing || socket.destroyed) return void socket.destroy();
    const session = new Session(device, socket, device.nextConnection());
    session.start(device.admit(session));
  };
  const server = createServer((socket) => void admit(socket));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, options.address ?? "127.0.0.1", () => resolve());
  }).catch((error: unknown) => {
    device.log.close();
    throw error;
  });
  const { address, port } = server.address() as AddressInfo;
  return {
    address,
    port,
    faults: device.faults,
    hooks: device.hooks,
    log: device.log,
    state: () => state(device),
    truth: (outlet) => device.outlets.truth(outlet),
    switchByHand: (outlet, to) => device.outlets.byHand(outlet, to),
    dropSessions: () => {
      device.drop("dropped");
      device.exorcise();
    },
    idle: () => device.outlets.idle(),
    close: async () => {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      device.drop("the device is switched off");
      await closed;
      await device.allEnded();
      device.exorcise();
      await device.outlets.stop();
      device.log.close();
    },
  };
}

function state(device: Device): ApcPduState {
  const { outlets, sessions, sessionsMax, connections, connectionsMax, bytes, lines, commands } = device;
  return {
    outlets: Array.from({ length: outlets.count }, (_, index) => index + 1).map((outlet) => ({
      outlet, label: outlets.label(outlet), state: outlets.truth(outlet), shown: outlets.shown(outlet), pending: outlets.pending(outlet),
    })),
    sessions, sessionsMax, connections, connectionsMax, bytes, lines, commands,
  };
}

// Not awaited here: that module imports this one, and would wait for it for ever.
if (import.meta.main) void import("./apc-command-line.ts").then(({ runApcPdu }) => runApcPdu(process.argv));
