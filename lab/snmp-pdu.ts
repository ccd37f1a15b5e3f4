// A virtual PDU that speaks SNMP: net-snmp's own `snmpd` does the protocol, this file is the device behind it, and a path with
// faults lies before it. `snmpd` asks for objects through `pass_persist` (snmpd.conf(5)): a helper whose lines it writes and
// reads. It may start the helper anew at any time, so that holds nothing: it carries lines to this process and back, and all
// that takes time, or goes wrong, happens here. Relays, names, effects and the log are those of the other virtual PDU.

import { spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noFaults, setFaults, type FaultPatch, type Faults } from "./apc-faults.ts";
import { ApcLog } from "./apc-log.ts";
import { Outlets, type OnSwitch, type OutletState } from "./apc-outlets.ts";
import { diesWithUs, labEnv, whenWeEnd, whichProgram } from "./child.ts";
import { SNMP_TABLES, type Column, type SnmpTable, type SnmpTableName } from "./snmp-tables.ts";
import { openUdpPath, type PathFaults } from "./udp-path.ts";

export type SnmpPduOptions = {
  readonly table: SnmpTableName;
  readonly outlets?: number;
  readonly names?: Readonly<Record<number, string>>;
  readonly initial?: Readonly<Record<number, OutletState>>;
  /** May read and write; default `private`. */
  readonly community?: string;
  /** May read only; default `public`. */
  readonly readOnly?: string;
  readonly user?: { readonly name: string; readonly auth: string; readonly privacy: string; readonly authProtocol?: string; readonly privacyProtocol?: string };
  /** Instead of the table's own. */
  readonly sysObjectId?: string;
  readonly faults?: FaultPatch;
  readonly onSwitch?: OnSwitch;
  /** What hangs on an outlet draws, in watts, while that is on; default 100. */
  readonly draws?: (outlet: number) => number;
};

/** What only this device can have wrong. */
export type SnmpFaults = {
  /** So many commands are lost before the device has them; nobody answers. */
  loseCommands: number;
  /** So many commands are done, and the answer is lost. */
  loseAnswers: number;
  /** The state is told as text. */
  stateAsText: boolean;
  /** The state is told as this number, whatever it is. */
  stateAs: number | null;
  /** Its meters tell this text, whatever an outlet gives. */
  powerAs: string | null;
  /** Its meters have the rows of other outlets: so many further. */
  meterShift: number;
  /** What the device answers to a write instead of doing it (snmpd.conf(5)). */
  refuse: "not-writable" | "wrong-type" | "wrong-value" | "inconsistent-value" | null;
};

export type SnmpPdu = {
  readonly address: string;
  readonly port: number;
  readonly faults: Faults;
  readonly snmp: SnmpFaults;
  readonly path: PathFaults;
  readonly log: ApcLog;
  truth(outlet: number): OutletState;
  /** Everything that `snmpd` got, as it came. */
  requests(): readonly Buffer[];
  idle(): Promise<void>;
  close(): Promise<void>;
};

type Cell = { readonly oid: readonly number[]; readonly column: Column; readonly outlet: number };

const START_TRIES = 3;
const START_MS = 20_000;

/** Starts a device, its `snmpd` and the path to it. Rejects where `snmpd` is not installed. */
export async function startSnmpPdu(options: SnmpPduOptions): Promise<SnmpPdu> {
  const program = whichProgram("snmpd");
  if (program === null) throw new Error("snmpd is not installed");
  const table: SnmpTable = SNMP_TABLES[options.table];
  const device = new SnmpDevice(options, table);
  const lines = createServer((socket) => device.serve(socket));
  await new Promise<void>((resolve, reject) => lines.once("error", reject).listen(0, "127.0.0.1", resolve));
  const folder = mkdtempSync(join(tmpdir(), "upkeep-snmpd-"));
  const helper = join(folder, "carry");
  // Two cats: what snmpd writes goes to the device, what the device says goes back; without snmpd both end.
  writeFileSync(helper, `#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/${(lines.address() as AddressInfo).port}\ncat <&3 &\ncat >&3\nkill $!\n`);
  chmodSync(helper, 0o755);
  let daemon: ChildProcess | null = null;
  const end = (): void => {
    daemon?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  const forget = whenWeEnd(end);
  try {
    for (let tries = 1; ; tries++) {
      const port = await freeUdpPort();
      writeFileSync(join(folder, "snmpd.conf"), configuration(options, table, helper, port), { mode: 0o600 });
      daemon = startDaemon(program, folder);
      if (await ready(daemon, join(folder, "log"))) {
        const path = await openUdpPath(port);
        device.path = path.faults;
        return {
          address: "127.0.0.1", port: path.port, faults: device.faults, snmp: device.snmp, path: path.faults, log: device.log,
          truth: (outlet) => device.outlets.truth(outlet),
          requests: () => path.requests(),
          idle: () => device.outlets.idle(),
          async close() {
            await path.close();
            forget();
            end();
            device.hangUp();
            await device.outlets.stop();
            device.log.close();
            await new Promise((resolve) => lines.close(resolve));
          },
        };
      }
      daemon.kill("SIGKILL");
      if (tries >= START_TRIES) throw new Error(`snmpd does not answer: ${readFileSync(join(folder, "log"), "utf8").slice(-500)}`);
    }
  } catch (error) {
    forget();
    end();
    lines.close();
    throw error;
  }
}

function configuration({ community = "private", readOnly = "public", user, sysObjectId }: SnmpPduOptions, table: SnmpTable, helper: string, port: number): string {
  const roots = new Set(table.columns.map(({ oid }) => oid.split(".").slice(0, 7).join(".")));
  return [
    `agentaddress udp:127.0.0.1:${port}`,
    `rwcommunity ${community}`, `rocommunity ${readOnly}`,
    `sysobjectid .${sysObjectId ?? table.sysObjectId}`,
    ...[...roots].map((root) => `pass_persist .${root} ${helper}`),
    ...(user === undefined ? [] : [
      `createUser ${user.name} ${user.authProtocol ?? "SHA-256"} "${user.auth}" ${user.privacyProtocol ?? "AES"} "${user.privacy}"`,
      `rwuser ${user.name} priv`,
    ]),
    "",
  ].join("\n");
}

function startDaemon(program: string, folder: string): ChildProcess {
  const argv = [...diesWithUs(), program, "-f", "-C", "-c", join(folder, "snmpd.conf"), "-Lf", join(folder, "log"), "-p", join(folder, "pid"), "-I", "-smux"];
  const [file = "", ...rest] = argv;
  return spawn(file, rest, { stdio: "ignore", env: { ...labEnv(), SNMP_PERSISTENT_DIR: folder, SNMPCONFPATH: folder, MIBS: "" } }).on("error", () => {});
}

/** True once it serves, false when it has ended, as it does when its port is taken. It writes its version when it listens. */
async function ready(daemon: ChildProcess, log: string): Promise<boolean> {
  for (const endMs = performance.now() + START_MS; performance.now() < endMs; await new Promise((resolve) => setTimeout(resolve, 20))) {
    if (daemon.exitCode !== null || daemon.signalCode !== null) return false;
    if (existsSync(log) && readFileSync(log, "utf8").includes("NET-SNMP version")) return true;
  }
  return false;
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => socket.once("error", reject).bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  socket.close();
  return port;
}

class SnmpDevice {
  readonly faults: Faults = noFaults();
  readonly snmp: SnmpFaults = { loseCommands: 0, loseAnswers: 0, stateAsText: false, stateAs: null, powerAs: null, meterShift: 0, refuse: null };
  readonly log = new ApcLog(null);
  readonly outlets: Outlets;
  path: PathFaults | null = null;
  readonly #cells: readonly Cell[];
  readonly #sockets = new Set<Socket>();
  readonly #draws: (outlet: number) => number;
  #commands = 0;

  constructor(options: SnmpPduOptions, table: SnmpTable) {
    setFaults(this.faults, options.faults ?? {});
    const count = options.outlets ?? 8;
    this.outlets = new Outlets({ count, names: options.names ?? {}, initial: options.initial ?? {}, rebootMs: 5_000, delayedMs: 1_000 }, this.faults, this.log);
    this.outlets.onSwitch = options.onSwitch ?? null;
    this.#draws = options.draws ?? (() => 100);
    this.#cells = table.columns
      .flatMap((column) => Array.from({ length: count }, (_, index): Cell => ({ oid: numbers(`${column.oid}.${table.row}${index + 1}${"row" in column ? (column.row ?? "") : ""}`), column, outlet: index + 1 })))
      .sort((one, other) => compare(one.oid, other.oid));
  }

  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The lines of `pass_persist`: PING, get OID, getnext OID, set OID and its type and value. */
  serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket));
    let waiting: string[] = [];
    let text = "";
    socket.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        // snmpd ends the value of a SET with two line ends. An answer to the second would be taken for the next PONG, and the helper be restarted.
        if (line === "" && waiting.length === 0) continue;
        waiting.push(line);
        const needed = waiting[0] === "set" ? 3 : waiting[0] === "get" || waiting[0] === "getnext" ? 2 : 1;
        if (waiting.length < needed) continue;
        const [verb = "", oid = "", value = ""] = waiting;
        waiting = [];
        socket.write(verb === "PING" ? "PONG\n" : verb === "set" ? `${this.#set(oid, value)}\n` : this.#get(verb, oid));
      }
    });
  }

  #get(verb: string, oid: string): string {
    const asked = numbers(oid);
    const cells = this.#cells.filter(({ outlet }) => this.outlets.numbers.includes(outlet));
    const cell = verb === "get" ? cells.find((each) => compare(each.oid, asked) === 0) : cells.find((each) => compare(each.oid, asked) > 0);
    return cell === undefined ? "NONE\n" : `.${cell.oid.join(".")}\n${this.#value(cell)}\n`;
  }

  #value({ column, outlet }: Cell): string {
    switch (column.holds) {
      case "name":
        return `string\n${this.outlets.label(outlet)}`;
      case "pending":
        return `integer\n${this.outlets.pending(outlet) ? 1 : 2}`;
      case "number":
        return `integer\n${outlet + (column.oid.includes(".26.9.4.") ? this.snmp.meterShift : 0)}`;
      case "constant":
        return `integer\n${column.value}`;
      case "power":
        if (this.snmp.powerAs !== null) return this.snmp.powerAs;
        return `integer\n${this.outlets.truth(outlet) === "on" ? Math.round(this.#draws(outlet) / column.step) : 0}`;
      case "control":
        return `integer\n${column.reads}`;
      case "state":
        if (this.snmp.stateAsText) return `string\n${this.outlets.shown(outlet)}`;
        return `integer\n${this.snmp.stateAs ?? (this.outlets.shown(outlet) === "on" ? column.on : column.off)}`;
    }
  }

  #set(oid: string, text: string): string {
    const asked = numbers(oid);
    const cell = this.#cells.find((each) => compare(each.oid, asked) === 0);
    if (cell === undefined || !("write" in cell.column) || cell.column.write === undefined) return "not-writable";
    const [type, value] = text.trim().split(/\s+/);
    if (type !== "integer") return "wrong-type";
    const action = cell.column.write[Number(value)];
    if (action === undefined) return "wrong-value";
    const command = (this.#commands += 1);
    const lost = this.snmp.loseCommands > 0;
    const outcome = lost ? "lost" : this.snmp.refuse !== null ? "rejected" : this.outlets.verdict([cell.outlet], action);
    this.log.add({ kind: "command", command, connection: 0, action, outlets: [cell.outlet], master: false, outcome });
    if (lost) {
      this.snmp.loseCommands -= 1;
      if (this.path !== null) this.path.loseAnswers += 1;
      return "DONE";
    }
    if (this.snmp.refuse !== null) return this.snmp.refuse;
    if (outcome === "rejected") return "inconsistent-value";
    if (this.snmp.loseAnswers > 0) {
      this.snmp.loseAnswers -= 1;
      if (this.path !== null) this.path.loseAnswers += 1;
    }
    this.outlets.command(cell.outlet, action, command, () => {});
    return "DONE";
  }
}

function numbers(oid: string): readonly number[] {
  return oid.trim().replace(/^\./, "").split(".").map(Number);
}

function compare(one: readonly number[], other: readonly number[]): number {
  for (let at = 0; at < Math.min(one.length, other.length); at++) if (one[at] !== other[at]) return (one[at] as number) - (other[at] as number);
  return one.length - other.length;
}
