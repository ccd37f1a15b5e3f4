// One connection: bytes from the socket, in order and each acted on before the next, to the console and back. Here live the
// faults of the cable (cut, held, slow, noise) and of the session (ghost, busy, idle); consoles know nothing of them.
//
// Two rules make kills and cuts exact. A byte is counted, shown to the hook and only then acted on; so a hook that kills
// the client at byte n does it before the device has moved. And whatever the device got is acted on to the end, whether or
// not the client still lives: that is how a real device finishes the `off` of a dead writer.

import type { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { Console } from "./apc-console.ts";
import type { Device } from "./apc-device.ts";
import type { Cut } from "./apc-faults.ts";
import { checked, LoginConsole, type LoginResult } from "./apc-login.ts";
import type { Action } from "./apc-outlets.ts";
import { TelnetLine, type Key } from "./apc-telnet.ts";

/** The client's text is bounded like everything from outside: what lies unread beyond this ends the connection. */
const INBOX_BYTES_MAX = 65_536;

export class Session {
  readonly number: number;
  readonly #device: Device;
  readonly #socket: Socket;
  readonly #line: TelnetLine;
  #console: Console | null = null;
  #login: LoginConsole | null = null;
  readonly #inbox: { readonly bytes: Buffer; readonly dueMs: number }[] = [];
  #inboxBytes = 0;
  /** The end of what has arrived, to find the text that a `hold` waits for. */
  #arrived = "";
  #pumping = false;
  #out = "";
  #bytes = 0;
  #lines = 0;
  /** Answers go nowhere: a cut is about to come, or the cable is silent. */
  #muffled = false;
  /** Nothing that arrives is acted on any more. */
  #severed = false;
  /** Ends the session once the answer is out. */
  #then: (() => void) | null = null;
  #gone = false;
  #over = false;
  #why = "the client closed";
  #vanished = true;
  #idle: NodeJS.Timeout | null = null;
  readonly #dropped = new AbortController();

  constructor(device: Device, socket: Socket, number: number) {
    this.#device = device;
    this.#socket = socket;
    this.number = number;
    this.#line = new TelnetLine(device.options.echo);
  }

  start(admitted: boolean): void {
    const { faults, log } = this.#device;
    const refusal = faults.hangUp ? "fault hangUp" : admitted || faults.secondSession === "after-login" ? null : "another session";
    log.add({
      kind: "open", connection: this.number, peer: `${this.#socket.remoteAddress}:${this.#socket.remotePort}`, admitted: admitted && refusal === null,
      why: refusal ?? (admitted ? "free" : "another session"),
    });
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (bytes) => this.#receive(bytes));
    this.#socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#why = error.code ?? error.message;
    });
    this.#socket.on("close", () => {
      this.#gone = true;
      if (!this.#pumping) this.#end();
    });
    if (refusal !== null) return this.#leave(refusal, !faults.hangUp && faults.secondSession === "reset" ? "reset" : "close");
    this.#touch();
    if (faults.mute) return;
    this.#socket.write(this.#line.greeting());
    this.#login = new LoginConsole({
      print: (text) => this.print(text),
      check: (user, password) => this.#check(user, password),
      triesMax: this.#device.options.loginTries,
      done: (result) => this.#loggedIn(result, admitted),
    });
    this.#console = this.#login;
    this.#console.open();
    this.#pumping = true;
    void this.#flush().then(() => {
      this.#pumping = false;
      return this.#pump();
    });
  }

  /** Terminal: what the consoles print. */
  print(text: string): void {
    this.#out += text;
  }

  get outlets(): Device["outlets"] {
    return this.#device.outlets;
  }

  /** Terminal: a confirmed command. */
  command(outlets: readonly number[], action: Action, master: boolean): boolean {
    const device = this.#device;
    const command = device.nextCommand();
    const add = (outcome: "accepted" | "lost" | "rejected" | "ignored"): void => {
      device.log.add({ kind: "command", command, connection: this.number, action, outlets, master, outcome });
    };
    const cut = action === "cancel" ? null : device.cutAtCommand();
    if (cut?.side === "before") {
      add("lost");
      this.#sever(cut.how, `before command ${command}`);
      return false;
    }
    // The command is logged before its edges, so the verdict is asked for first.
    const outcome = device.outlets.verdict(outlets, action);
    add(outcome);
    if (cut !== null) this.#cutAround(cut, command);
    if (outcome === "rejected") return false;
    const onEffect = cut?.side === "effect" ? () => this.#sever(cut.how, `at the effect of command ${command}`) : () => {};
    for (const outlet of outlets) device.outlets.command(outlet, action, command, onEffect);
    return true;
  }

  /** Terminal: a proper end. */
  logout(): void {
    this.print("\r\nConnection Closed - Bye\r\n");
    this.#then = () => this.#leave("logged out", "close");
  }

  /** Ends the connection from the device's side; the slot is free at once. */
  drop(why: string): void {
    if (this.#over) return;
    this.#leave(why, "reset");
    this.#dropped.abort();
  }

  async #wait(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#dropped.signal }).catch(() => {});
  }

  #cutAround(cut: Cut, command: number): void {
    if (cut.side === "after") this.#sever(cut.how, `after command ${command}`);
    else if (cut.side === "effect") this.#muffled = true;
    else this.#then = () => this.#sever(cut.how, `after the answer to command ${command}`);
  }

  #check(user: string, password: string): LoginResult {
    const { faults, options, log } = this.#device;
    const result = faults.refusePassword || this.#device.lockedOut ? "refused" : checked(options, user, password);
    // Only the first menus that have a command line take ` -c`; to others it is a wrong password.
    const known = result === "shell" && options.dialect !== "menu3" && options.shell !== "plain" ? "refused" : result;
    log.add({ kind: "login", connection: this.number, ok: known !== "refused", shell: known === "shell" });
    return known;
  }

  #loggedIn(result: LoginResult, admitted: boolean): void {
    this.#login = null;
    if (result === "refused") {
      this.#device.lockOut();
      this.print("\r\n");
      this.#then = () => this.#leave("too many wrong passwords", "close");
      return;
    }
    if (!admitted) {
      this.print("\r\n\r\nAnother user is logged in. Try again later.\r\n");
      this.#then = () => this.#leave("another session", "close");
      return;
    }
    this.#console = this.#device.console(this, result === "shell");
    this.#console.open();
  }

  #receive(bytes: Buffer): void {
    if (this.#severed || this.#over) return;
    const { faults, log } = this.#device;
    this.#inboxBytes += bytes.length;
    if (this.#inboxBytes > INBOX_BYTES_MAX) return this.#leave("too much unread", "reset");
    this.#arrived = (this.#arrived + bytes.toString("latin1")).slice(-160 - bytes.length);
    const hold = faults.hold;
    let dueMs = this.#inbox.at(-1)?.dueMs ?? 0;
    if (hold !== null && (hold.match === undefined || this.#arrived.includes(hold.match))) {
      this.#arrived = "";
      if (hold.times !== undefined) {
        hold.times -= 1;
        if (hold.times === 0) faults.hold = null;
      }
      dueMs = Math.max(dueMs, performance.now() + hold.ms);
      log.add({ kind: "held", connection: this.number, bytes: bytes.length, forMs: hold.ms });
    }
    this.#inbox.push({ bytes, dueMs });
    void this.#pump();
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    for (let piece = this.#inbox[0]; piece !== undefined && !this.#severed; piece = this.#inbox[0]) {
      const waitMs = piece.dueMs - performance.now();
      if (waitMs > 0) await this.#wait(waitMs);
      // It stays the head of the queue while it waits, so that what comes after it is not earlier.
      this.#inbox.shift();
      this.#inboxBytes -= piece.bytes.length;
      const before = this.#bytes;
      for (const byte of piece.bytes) {
        if (this.#severed) break;
        await this.#byte(byte);
      }
      if (this.#out !== "" && !this.#severed) await this.#flush();
      this.#device.log.add({ kind: "bytes", connection: this.number, bytes: this.#bytes - before, n: this.#bytes, total: this.#device.bytes });
    }
    this.#pumping = false;
    if (this.#gone) this.#end();
  }

  async #byte(byte: number): Promise<void> {
    const device = this.#device;
    this.#bytes += 1;
    device.bytes += 1;
    this.#touch();
    const told = device.hooks.onByte?.(this.#bytes, device.bytes);
    const verdict = told instanceof Promise ? await told : told;
    const cut = device.cutAt("byte", this.#bytes);
    if (cut?.side === "before") return this.#sever(cut.how, `before byte ${this.#bytes}`);
    if (cut !== null || verdict === "cut") this.#muffled = true;
    const key = this.#line.push(byte);
    if (key !== null && this.#console !== null) await this.#key(key, this.#console);
    if (cut !== null || verdict === "cut") this.#sever(cut?.how ?? "reset", `after byte ${this.#bytes}`);
  }

  async #key(key: Key, console: Console): Promise<void> {
    switch (key.kind) {
      case "reply": return this.#write(key.bytes);
      case "char": return this.#echo(this.#login?.secret === true ? "*" : key.text);
      case "erase": return this.#echo("\b \b");
      case "escape":
        console.escape();
        break;
      case "interrupt":
        // A client that sent IP and DO TIMING-MARK discards output until it has the mark: the answer waits for the segment's end.
        console.interrupt();
        return;
      case "line":
        if (!(await this.#typedLine(key.text, console))) return;
        break;
    }
    await this.#flush();
  }

  /** False when the line was lost in a cut. */
  async #typedLine(text: string, console: Console): Promise<boolean> {
    const device = this.#device;
    this.#lines += 1;
    device.lines += 1;
    const shown = this.#login?.secret === true ? "(password)" : text;
    device.log.add({ kind: "line", connection: this.number, n: this.#lines, total: device.lines, text: shown });
    const told = device.hooks.onLine?.(this.#lines, device.lines, shown);
    const verdict = told instanceof Promise ? await told : told;
    const cut = device.cutAt("line", this.#lines);
    if (cut?.side === "before") {
      this.#sever(cut.how, `before line ${this.#lines}`);
      return false;
    }
    if (cut !== null || verdict === "cut") this.#muffled = true;
    console.line(text);
    if (cut !== null || verdict === "cut") this.#sever(cut?.how ?? "reset", `after line ${this.#lines}`);
    return true;
  }

  #echo(text: string): void {
    if (this.#line.echoes) this.#write(this.#device.noisy(text));
  }

  async #flush(): Promise<void> {
    const { answerDelayMs } = this.#device.faults;
    const text = this.#out;
    this.#out = "";
    // A client that has gone waits for nothing, but what it sent last must still be acted on in order: no delay for it.
    if (answerDelayMs > 0 && !this.#gone && text !== "") await this.#wait(answerDelayMs);
    if (text !== "") this.#write(this.#device.noisy(text));
    const then = this.#then;
    this.#then = null;
    then?.();
  }

  #write(bytes: Buffer): void {
    if (!this.#muffled && !this.#severed && this.#socket.writable) this.#socket.write(bytes);
  }

  #sever(how: Cut["how"], because: string): void {
    if (this.#severed) return;
    this.#severed = true;
    this.#device.log.add({ kind: "cut", connection: this.number, how, because });
    if (how === "silence") return;
    this.#why = "cut";
    if (how === "reset") this.#socket.resetAndDestroy();
    else this.#socket.destroySoon();
  }

  /** The device ends it: no ghost stays. */
  #leave(why: string, how: "reset" | "close"): void {
    this.#why = why;
    this.#vanished = false;
    this.#severed = true;
    if (how === "reset") this.#socket.resetAndDestroy();
    else this.#socket.destroySoon();
  }

  #touch(): void {
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#leave("inactive", "close"), this.#device.options.inactivityMs);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#device.log.add({ kind: "close", connection: this.number, why: this.#why, bytes: this.#bytes, lines: this.#lines });
    this.#device.ended(this, this.#vanished);
  }
}
