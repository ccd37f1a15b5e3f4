// The driver for a bare QEMU that speaks QMP on a socket of this machine, without libvirt: one virtual host a device. `quit`
// ends the process at once, which is the cut; the guest is asked nothing. `system_powerdown` asks it, `stop` and
// `system_reset` leave the power on: none of them is used. On is a command, since nobody is left to ask.
//
// That it is off nobody can say either. It is read from the kernel: nothing can be connected to at the socket's path, its
// folder is there, and no socket of that name is bound (/proc/net/unix). Anything less is unknown. QMP serves one client, so
// whoever holds the connection excludes everybody else, and one who is not greeted is told that it is busy.

import { readFile, stat } from "node:fs/promises";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { childGuard, evidenceOf, runChild } from "../child/child.ts";
import type { Ran } from "../child/child.ts";
import { assert, UpkeepError } from "../core/errors.ts";
import { passGate } from "./gate.ts";
import type { Fire, OutletState, PowerDevice, PowerDriver, PowerSession, Reading, SetOutcome, Tap } from "./power.ts";

export type QmpOptions = {
  readonly socket: string;
  /** Starts the machine; exits 0 when that is under way. */
  readonly on: readonly string[];
  readonly stepMs: number;
  readonly maxActMs: number;
};

const OUTPUT = "1";
const AGAIN_MS = 100;
const LINE_CHARACTERS_MAX = 65_536;
/** RunState of QEMU's schema, as far as the machine has its power. The rest (shutdown, internal-error …) is neither. */
const POWERED: ReadonlySet<string> = new Set(["running", "paused", "suspended", "prelaunch", "debug", "io-error", "watchdog", "guest-panicked", "save-vm", "restore-vm", "postmigrate", "inmigrate", "colo"]);

type Answer = { readonly return?: unknown; readonly error?: { readonly class?: unknown } };

/** QEMU by QMP. */
export const qmp: PowerDriver<QmpOptions> = {
  name: "qmp",
  testedOn: ["QEMU 7.2"],
  create: (options) => new QmpDevice(options),
};

class QmpDevice implements PowerDevice {
  readonly #options: QmpOptions;

  constructor(options: QmpOptions) {
    this.#options = options;
  }

  async open(signal: AbortSignal, tap?: Tap): Promise<PowerSession> {
    const session = new QmpSession(this.#options, tap);
    await session.connect(signal);
    return session;
  }
}

class QmpSession implements PowerSession {
  readonly #options: QmpOptions;
  readonly #tap: Tap | undefined;
  readonly #guard = childGuard();
  /** Null: nothing could be connected to. */
  #line: Line | null = null;
  #closing = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #busy = false;

  constructor(options: QmpOptions, tap: Tap | undefined) {
    this.#options = options;
    this.#tap = tap;
  }

  async connect(signal: AbortSignal): Promise<void> {
    const { socket, stepMs } = this.#options;
    for (const endMs = performance.now() + stepMs; ; await wait(AGAIN_MS, null, { signal }).catch(() => null)) {
      const line = await Line.open(socket, stepMs, signal, this.#tap);
      if (line === null) return;
      try {
        await line.greeting(signal);
        await line.ask("qmp_capabilities", stepMs, signal);
        this.#line = line;
        return;
      } catch (error) {
        line.destroy();
        // One that is on its way out still accepts, and hangs up.
        if (line.greeted || signal.aborted || performance.now() > endMs || !(error instanceof UpkeepError) || error.code !== "POWER_UNREACHABLE") throw error;
      }
    }
  }

  read(outlets: readonly string[], signal: AbortSignal): Promise<readonly Reading[]> {
    return this.#alone(async () => {
      for (const outlet of outlets) checkOutlet(outlet);
      const state = outlets.length === 0 ? "unknown" : await this.#state(signal);
      return outlets.map((outlet) => ({ outlet, state, label: null }));
    });
  }

  set(outlet: string, action: "on" | "off", fire: Fire, signal: AbortSignal): Promise<SetOutcome> {
    return this.#alone(async () => {
      checkOutlet(outlet);
      const state = await this.#state(signal);
      let going: Promise<SetOutcome> | null = null;
      const passage = await passGate(fire, { outlet, state, label: null }, () => (going = action === "off" ? this.#quit(signal) : this.#start(signal)), signal);
      if (passage.kind === "shut") return passage.outcome;
      assert(going !== null, "the write has run");
      return await (going as Promise<SetOutcome>);
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#line?.destroy();
    this.#line = null;
    await this.#running.catch(() => undefined);
  }

  async #state(signal: AbortSignal): Promise<OutletState> {
    if (signal.aborted) throw aborted(signal);
    if (this.#line?.ended === true) this.#line = null;
    if (this.#line === null) await this.connect(signal);
    if (this.#line === null) return await this.#bound() ? "unknown" : "off";
    const line = this.#line;
    const answer = await line.ask("query-status", this.#options.stepMs, signal).catch((error: unknown) => {
      if (signal.aborted || !line.hungUp) throw error;
      return null;
    });
    // It has ended between two questions.
    if (answer === null) return await this.#state(signal);
    const status = (answer.return as { status?: unknown } | undefined)?.status;
    return typeof status === "string" && POWERED.has(status) ? "on" : "unknown";
  }

  /** Whether a socket of this name is bound although nobody can connect to it; also where that cannot be told. */
  async #bound(): Promise<boolean> {
    const { socket } = this.#options;
    if (!(await stat(dirname(socket)).then((found) => found.isDirectory(), () => false))) throw new UpkeepError("POWER_UNREACHABLE", `${dirname(socket)} is not there: nobody knows whether a machine runs`);
    const bound = await readFile("/proc/net/unix", "utf8").catch(() => null);
    return bound === null || bound.split("\n").some((line) => line.endsWith(` ${socket}`));
  }

  /** Writes before it returns; throws when nothing can be written to. */
  #quit(signal: AbortSignal): Promise<SetOutcome> {
    if (this.#line === null || this.#line.ended) throw new Error("no QEMU is there to quit");
    const line = this.#line;
    return line.ask("quit", this.#options.stepMs, signal).then(
      (): SetOutcome => ({ kind: "accepted", evidence: "quit: return" }),
      (error: unknown): SetOutcome => {
        line.destroy();
        return { kind: "unknown", evidence: `quit: ${error instanceof Error ? error.message : String(error)}` };
      },
    );
  }

  /** Starts the child before it returns. */
  #start(signal: AbortSignal): Promise<SetOutcome> {
    const { on, stepMs, maxActMs } = this.#options;
    const running = runChild(this.#guard, on, { limitMs: Math.min(stepMs, maxActMs) }, AbortSignal.any([signal, this.#closing.signal]));
    this.#running = running;
    return running.then((ran: Ran): SetOutcome => ({ kind: "code" in ran.end && ran.end.code === 0 ? "accepted" : "unknown", evidence: evidenceOf(ran) }));
  }

  async #alone<Result>(call: () => Promise<Result>): Promise<Result> {
    assert(!this.#busy, "calls on a power session never overlap");
    this.#busy = true;
    try {
      return await call();
    } finally {
      this.#busy = false;
    }
  }
}

/** The connection: one JSON object a line each way, answers by the id of the question, events left out. */
class Line {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #stepMs: number;
  readonly #tap: Tap | undefined;
  #text = "";
  #next = 1;
  #greeted = false;
  #failure: UpkeepError | null = null;
  readonly #waiting = new Map<number | "greeting", (answer: Answer | UpkeepError) => void>();

  private constructor(socket: Socket, path: string, stepMs: number, tap: Tap | undefined) {
    this.#socket = socket;
    this.#path = path;
    this.#stepMs = stepMs;
    this.#tap = tap;
    socket.setEncoding("utf8").on("data", (text: unknown) => this.#heard(String(text)));
    socket.on("error", (error) => this.#end(new UpkeepError("POWER_UNREACHABLE", `${path}: ${error.message}`)));
    socket.on("close", () => this.#end(new UpkeepError("POWER_UNREACHABLE", `${path}: QEMU hung up`)));
  }

  /** Null when nobody listens there. */
  static async open(path: string, stepMs: number, signal: AbortSignal, tap: Tap | undefined): Promise<Line | null> {
    if (signal.aborted) throw aborted(signal);
    const socket = connect(path);
    const error = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
      socket.once("connect", () => resolve(null)).once("error", resolve);
      signal.addEventListener("abort", () => resolve(aborted(signal)), { once: true });
    });
    if (error === null) return new Line(socket, path, stepMs, tap);
    socket.on("error", () => {}).destroy();
    if (error.code === "ENOENT" || error.code === "ECONNREFUSED") return null;
    throw error instanceof UpkeepError ? error : new UpkeepError("POWER_UNREACHABLE", `${path}: ${error.code ?? error.message}`, { cause: error });
  }

  /** By QEMU, and not by us. */
  get hungUp(): boolean {
    return this.#failure?.code === "POWER_UNREACHABLE";
  }

  get greeted(): boolean {
    return this.#greeted;
  }

  get ended(): boolean {
    return this.#failure !== null;
  }

  async greeting(signal: AbortSignal): Promise<void> {
    if (this.#greeted) return;
    await this.#answer("greeting", this.#stepMs, signal).catch((error: unknown) => {
      throw error instanceof UpkeepError && error.code === "POWER_TIMEOUT" && !signal.aborted ? new UpkeepError("POWER_BUSY", `${this.#path}: no greeting: QMP serves one client, and somebody else is connected`) : error;
    });
  }

  /** Sends before it returns. */
  ask(command: string, limitMs: number, signal: AbortSignal): Promise<Answer> {
    const id = this.#next;
    this.#next += 1;
    const question = `${JSON.stringify({ execute: command, id })}\n`;
    this.#tap?.said(question);
    this.#socket.write(question);
    return this.#answer(id, limitMs, signal).then((answer) => {
      if (answer.error === undefined) return answer;
      throw new UpkeepError("POWER_NONSENSE", `${this.#path}: ${command} was answered with ${String(answer.error.class).slice(0, 60).replace(/[^\x20-\x7e]/g, "?")}`);
    });
  }

  destroy(): void {
    this.#end(new UpkeepError("POWER_UNREACHABLE", "the session is closed"));
  }

  #answer(id: number | "greeting", limitMs: number, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) return reject(this.#failure);
      const settle = (answer: Answer | UpkeepError): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
        this.#waiting.delete(id);
        if (answer instanceof UpkeepError) reject(answer);
        else resolve(answer);
      };
      const abort = (): void => this.#end(aborted(signal));
      const timer = setTimeout(() => this.#end(new UpkeepError("POWER_TIMEOUT", `${this.#path}: no answer within ${limitMs} ms`)), limitMs);
      this.#waiting.set(id, settle);
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
    });
  }

  #heard(text: string): void {
    this.#tap?.heard(text);
    this.#text += text;
    for (let at = this.#text.indexOf("\n"); at >= 0; at = this.#text.indexOf("\n")) {
      const line = this.#text.slice(0, at).trim();
      this.#text = this.#text.slice(at + 1);
      if (line !== "") this.#take(line);
    }
    if (this.#text.length > LINE_CHARACTERS_MAX) this.#end(new UpkeepError("POWER_NONSENSE", `${this.#path}: a line of more than ${LINE_CHARACTERS_MAX} characters`));
  }

  #take(line: string): void {
    let said: unknown;
    try {
      said = JSON.parse(line);
    } catch {
      return this.#end(new UpkeepError("POWER_NONSENSE", `${this.#path}: not JSON, so not QMP`));
    }
    if (typeof said !== "object" || said === null) return this.#end(new UpkeepError("POWER_NONSENSE", `${this.#path}: not QMP`));
    if ("QMP" in said) {
      this.#greeted = true;
      this.#waiting.get("greeting")?.({});
    } else if ("id" in said && typeof said.id === "number") this.#waiting.get(said.id)?.(said as Answer);
  }

  #end(why: UpkeepError): void {
    if (this.#failure !== null) return;
    this.#failure = why;
    this.#socket.destroy();
    for (const settle of [...this.#waiting.values()]) settle(why);
  }
}

function checkOutlet(outlet: string): void {
  if (outlet !== OUTPUT) throw new UpkeepError("POWER_OUTLET", `a QEMU is one machine, and has no outlet "${outlet.slice(0, 64).replace(/[^\x20-\x7e]/g, "?")}"`);
}

function aborted(signal: AbortSignal): UpkeepError {
  return new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason });
}
