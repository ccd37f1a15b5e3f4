// The one device behind all its connections: who holds the session, how much was received, which cut is due. A session that
// its client left without logging out goes on holding the device as a ghost for as long as the fault says, and counts as a
// session: what a watcher may have open at once is judged with it.

import type { Console } from "./apc-console.ts";
import { noFaults, setFaults, type Cut, type FaultPatch, type Faults } from "./apc-faults.ts";
import { ApcLog } from "./apc-log.ts";
import { MenuConsole } from "./apc-menu.ts";
import { Outlets, type OnSwitch, type OutletState } from "./apc-outlets.ts";
import type { Session } from "./apc-session.ts";
import { ShellConsole } from "./apc-shell.ts";

/** `cut`: this byte or line is the last that the device gets of the connection. */
export type Verdict = void | "cut";

/**
 * What a test wants to know or do. They can be set at any time; a promise holds the device until it ends.
 * `n` counts in the connection, `total` in the device's life, from 1; both before the device acts on the byte or line.
 */
export type Hooks = {
  onSwitch: OnSwitch | null;
  onByte: ((n: number, total: number) => Verdict | Promise<Verdict>) | null;
  onLine: ((n: number, total: number, text: string) => Verdict | Promise<Verdict>) | null;
};

export type ApcPduOptions = {
  /** Default 127.0.0.1. */
  readonly address?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** menu2 and menu3: Control Console menus; menu3 also gives its plain shell to a password followed by ` -c`. */
  readonly dialect: "menu2" | "menu3" | "shell";
  /** For dialect `shell`. ol (default): v5, 6, 7 with olStatus, olOn …; plain: the v3.7 one with on, off, status … */
  readonly shell?: "ol" | "plain";
  /** 1 to 24, default 8. */
  readonly outlets?: number;
  readonly names?: Readonly<Record<number, string>>;
  /** Default: all on. */
  readonly initial?: Readonly<Record<number, OutletState>>;
  /** Defaults `apc` and `apc`, as delivered. */
  readonly user?: string;
  readonly password?: string;
  /** Outlets on a screen before `Press <ENTER> to continue...`; default 22, as the hardware. */
  readonly pageLines?: number;
  readonly account?: "administrator" | "outlet-user";
  /** False: no echo is offered, so that telnet clients stay in line mode and send Ctrl-C as IP and TIMING-MARK. */
  readonly echo?: boolean;
  /** Default `apc>`; the CLI guide of the plain shell prints `APC> `. */
  readonly prompt?: string;
  readonly pendingMark?: boolean;
  /** Wrong passwords before the connection is closed; default 3. */
  readonly loginTries?: number;
  /** How long nobody can log in after that; default 0, the CLI guide says two minutes. */
  readonly lockoutMs?: number;
  /** Default three minutes. */
  readonly inactivityMs?: number;
  readonly rebootMs?: number;
  readonly delayedMs?: number;
  readonly faults?: FaultPatch;
  /** Appended to, JSON lines. */
  readonly logFile?: string;
  /** Of the noise. */
  readonly seed?: number;
} & Partial<Hooks>;

export type DeviceOptions = Required<Pick<ApcPduOptions, "dialect" | "shell" | "user" | "password" | "pageLines" | "account" | "echo" | "prompt" | "pendingMark" | "loginTries" | "lockoutMs" | "inactivityMs">>;

export class Device {
  readonly options: DeviceOptions;
  readonly faults: Faults;
  readonly log: ApcLog;
  readonly outlets: Outlets;
  readonly hooks: Hooks;
  /** Received in the device's life. */
  bytes = 0;
  lines = 0;
  commands = 0;
  sessionsMax = 0;
  /** Connections that were open at once, those that were turned away included. */
  connectionsMax = 0;
  readonly #connections = new Set<Session>();
  /** Who holds the device: numbers of connections, ghosts included. */
  readonly #holders = new Map<number, NodeJS.Timeout | null>();
  #connectionsTotal = 0;
  #wake: (() => void) | null = null;
  #lockedUntilMs = 0;
  #cut: { readonly fault: Cut; commands: number } | null = null;
  #noise: number;

  constructor(options: ApcPduOptions) {
    this.options = {
      dialect: options.dialect, shell: options.shell ?? "ol", user: options.user ?? "apc", password: options.password ?? "apc",
      pageLines: options.pageLines ?? 22, account: options.account ?? "administrator", echo: options.echo ?? true,
      prompt: options.prompt ?? "apc>", pendingMark: options.pendingMark ?? false, loginTries: options.loginTries ?? 3,
      lockoutMs: options.lockoutMs ?? 0, inactivityMs: options.inactivityMs ?? 180_000,
    };
    const count = options.outlets ?? 8;
    if (!Number.isInteger(count) || count < 1 || count > 24) throw new RangeError(`outlets: 1 to 24, not ${count}`);
    this.faults = noFaults();
    setFaults(this.faults, options.faults ?? {});
    this.log = new ApcLog(options.logFile ?? null);
    this.hooks = { onSwitch: options.onSwitch ?? null, onByte: options.onByte ?? null, onLine: options.onLine ?? null };
    this.outlets = new Outlets(
      { count, names: options.names ?? {}, initial: options.initial ?? {}, rebootMs: options.rebootMs ?? 5_000, delayedMs: options.delayedMs ?? 1_000 },
      this.faults, this.log);
    this.outlets.onSwitch = (outlet, state) => this.hooks.onSwitch?.(outlet, state);
    this.#noise = options.seed ?? 1;
  }

  get sessions(): number {
    return this.#holders.size;
  }

  get connections(): number {
    return this.#connections.size;
  }

  get lockedOut(): boolean {
    return performance.now() < this.#lockedUntilMs;
  }

  lockOut(): void {
    this.#lockedUntilMs = performance.now() + this.options.lockoutMs;
  }

  nextCommand(): number {
    this.commands += 1;
    return this.commands;
  }

  nextConnection(): number {
    this.#connectionsTotal += 1;
    return this.#connectionsTotal;
  }

  /** Takes a new connection in; false when somebody else holds the device. */
  admit(session: Session): boolean {
    this.#connections.add(session);
    this.connectionsMax = Math.max(this.connectionsMax, this.#connections.size);
    if (this.faults.hangUp || (this.#holders.size > 0 && this.faults.secondSession !== "allow")) return false;
    this.#holders.set(session.number, null);
    this.sessionsMax = Math.max(this.sessionsMax, this.#holders.size);
    return true;
  }

  /** A connection is over; a client that vanished stays as a ghost. */
  ended(session: Session, vanished: boolean): void {
    this.#connections.delete(session);
    if (this.#connections.size === 0) this.#wake?.();
    const { number } = session;
    if (!this.#holders.has(number)) return;
    if (!vanished || this.faults.ghostMs === 0) return this.#release(number);
    this.#holders.set(number, setTimeout(() => this.#release(number), this.faults.ghostMs));
  }

  /** Resolves when no connection is left. */
  async allEnded(): Promise<void> {
    if (this.#connections.size > 0) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  /** Frees the device from its ghosts. */
  exorcise(): void {
    for (const [number, ghost] of this.#holders) if (ghost !== null) this.#release(number);
  }

  drop(why: string): void {
    for (const session of [...this.#connections]) session.drop(why);
  }

  #release(number: number): void {
    const ghost = this.#holders.get(number);
    if (ghost) clearTimeout(ghost);
    this.#holders.delete(number);
    this.log.add({ kind: "released", connection: number });
  }

  console(terminal: Session, shell: boolean): Console {
    const { dialect, shell: style, prompt, pendingMark, account, pageLines } = this.options;
    if (dialect === "shell") return new ShellConsole(terminal, { style, prompt, pendingMark });
    // The CLI guide prints the prompt of the plain shell in capitals.
    if (shell) return new ShellConsole(terminal, { style: "plain", prompt: "APC> ", pendingMark });
    return new MenuConsole(terminal, { version: dialect === "menu2" ? 2 : 3, account, pageLines, pendingMark });
  }

  /** The cut that is due at the n-th byte or line of a connection, used up. */
  cutAt(at: "byte" | "line", n: number): Cut | null {
    const { cut } = this.faults;
    return cut !== null && cut.at === at && cut.n === n ? this.#use(cut) : null;
  }

  /** The cut that is due at this switching command, the n-th since the fault was set. */
  cutAtCommand(): Cut | null {
    const { cut } = this.faults;
    if (cut === null || cut.at !== "command") return null;
    if (this.#cut?.fault !== cut) this.#cut = { fault: cut, commands: 0 };
    this.#cut.commands += 1;
    return this.#cut.commands === cut.n ? this.#use(cut) : null;
  }

  #use(cut: Cut): Cut {
    // A fault that a test set by hand may lack the defaults.
    const due = { ...cut, side: cut.side ?? "after", how: cut.how ?? "reset" };
    cut.times = (cut.times ?? 1) - 1;
    this.#cut = null;
    if (cut.times <= 0) this.faults.cut = null;
    return due;
  }

  /** The text with noise in it, as the fault wants; the same seed gives the same noise. */
  noisy(text: string): Buffer {
    const { garbage } = this.faults;
    if (garbage === 0) return Buffer.from(text, "latin1");
    const bytes: number[] = [];
    for (const byte of Buffer.from(text, "latin1")) {
      for (let chance = garbage / 100; chance > 0; chance -= 1) if (this.#random() < chance) bytes.push(Math.floor(this.#random() * 256));
      bytes.push(byte);
    }
    return Buffer.from(bytes);
  }

  /** mulberry32: small, and good enough for noise. */
  #random(): number {
    this.#noise = (this.#noise + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#noise ^ (this.#noise >>> 15), 1 | this.#noise);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
}
