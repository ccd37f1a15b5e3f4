// The conversation with a console over telnet: send a line, wait for one of the ends that the device can come to rest at.
// It knows no menu and no command. Everything is bounded here, once: time of a step, bytes of an answer, length of a line,
// number of pages; and whatever ends a wait badly ends the connection too, since nobody knows any more what comes next.
//
// Destroying the socket is also what makes an abort and a time-out safe: with SO_LINGER 0 a command that the network has not
// taken yet is thrown away with it (socket-options.ts).

import { connect } from "node:net";
import type { Socket } from "node:net";
import { UpkeepError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import { TELNET_START, telnetDecode, telnetEscape } from "../protocol/telnet.ts";
import type { TelnetState } from "../protocol/telnet.ts";
import type { Tap } from "./power.ts";
import { BUSY, END_CHARACTERS_MAX, ENDS, KEYS } from "./apc-dialects.ts";
import { Transcript } from "./apc-transcript.ts";
import { limitDelivery } from "./socket-options.ts";

const ANSWER_CHARACTERS_MAX = 65_536;
const LINE_CHARACTERS_MAX = 2_048;
/** Control characters in one answer; consoles send a bell now and then, noise sends hundreds. */
const CONTROLS_MAX = 64;
const PAGES_MAX = 32;

export type End = keyof typeof ENDS;
export type Heard = { readonly end: End; readonly text: string };
export type DialogueOptions = { readonly host: string; readonly port: number; readonly stepMs: number; readonly maxActMs: number; readonly secrets: readonly string[]; readonly tap?: Tap | undefined };

type Waiter = { readonly ends: readonly End[]; resolve(heard: Heard): void; reject(error: UpkeepError): void };

export class Dialogue {
  readonly #socket: Socket;
  readonly #options: DialogueOptions;
  readonly #transcript: Transcript;
  #telnet: TelnetState = TELNET_START;
  #heard = "";
  #spoken = false;
  #controls = 0;
  #lineLength = 0;
  #waiter: Waiter | null = null;
  #ended: UpkeepError | null = null;
  /** Why a command may be delivered late on this machine; null: it cannot. */
  warning: string | null = null;

  private constructor(socket: Socket, options: DialogueOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#transcript = new Transcript(options.secrets);
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    socket.on("error", (error) => {
      // Accepted and reset before a word was said: that is how some firmware turns the second session away.
      const turnedAway = codeOf(error) === "ECONNRESET" && !this.#spoken;
      this.#end(turnedAway ? "POWER_BUSY" : "POWER_UNREACHABLE", turnedAway ? "the device reset the connection at once: it serves another session" : `the connection broke: ${codeOf(error)}`, error);
    });
    socket.on("close", () => this.#end("POWER_UNREACHABLE", "the device closed the connection"));
  }

  /** Connects; rejects with POWER_UNREACHABLE, or POWER_TIMEOUT when aborted. */
  static async open(options: DialogueOptions, signal: AbortSignal): Promise<Dialogue> {
    if (signal.aborted) throw aborted(signal);
    const { host, port, stepMs, maxActMs } = options;
    const socket = connect({ host, port, noDelay: true });
    const dialogue = new Dialogue(socket, options);
    await dialogue.while(signal, () =>
      new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => dialogue.#end("POWER_UNREACHABLE", `no connection to ${host}:${port} within ${stepMs} ms`), stepMs);
        const settle = (): void => {
          clearTimeout(timer);
          if (dialogue.#ended === null) resolve();
          else reject(dialogue.#ended);
        };
        socket.once("connect", settle).once("close", settle);
      }),
    );
    dialogue.warning = await limitDelivery(socket, maxActMs);
    return dialogue;
  }

  get ended(): boolean {
    return this.#ended !== null;
  }

  /** True while the device has said nothing since it came to rest. */
  get quiet(): boolean {
    return this.#ended === null && this.#heard.trim() === "";
  }

  /** Runs one call of a session; an abort of `signal` destroys the connection at once, and with it every wait. */
  async while<Result>(signal: AbortSignal, call: () => Promise<Result>): Promise<Result> {
    const abort = (): void => void this.#end("POWER_TIMEOUT", "aborted", signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await call();
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Sends at once; what was heard before is no answer to it. `shown` stands in the evidence in place of a secret. */
  send(text: string, shown: string = nameOf(text)): void {
    if (this.#ended !== null) return;
    this.#heard = "";
    this.#controls = 0;
    this.#lineLength = 0;
    this.#transcript.said(shown);
    this.#options.tap?.said(text);
    this.#socket.write(telnetEscape(Buffer.from(text, "latin1")));
  }

  /**
   * Waits until the device comes to rest at one of `ends` with an answer that is `wanted`; others are skipped, since they
   * answer something older. Pages are turned. Rejects: POWER_TIMEOUT (or `unfinished`, when something was said but not to
   * its end), POWER_NONSENSE (it came to rest, never where it should), POWER_BUSY, POWER_UNREACHABLE.
   */
  async until(ends: readonly End[], wanted: (heard: Heard) => boolean, limits: { readonly limitMs?: number; readonly unfinished?: ErrorCode } = {}): Promise<Heard> {
    const { limitMs = this.#options.stepMs, unfinished = "POWER_TIMEOUT" } = limits;
    let last: Heard | null = null;
    let pages = "";
    const timer = setTimeout(() => {
      const code = last !== null ? "POWER_NONSENSE" : (pages + this.#heard).trim() !== "" ? unfinished : "POWER_TIMEOUT";
      this.#end(code, `${last === null ? "no answer" : "no answer that belongs here"} within ${limitMs} ms; last heard: ${this.evidence() || "nothing"}`);
    }, limitMs);
    try {
      for (let turned = 0; ; ) {
        const heard = await this.#next([...ends, "page"]);
        if (heard.end === "page" && !ends.includes("page")) {
          if (++turned > PAGES_MAX) throw this.#end("POWER_NONSENSE", `more than ${PAGES_MAX} pages`);
          pages += heard.text.replace(ENDS.page, "\n");
          this.send(KEYS.enter);
          continue;
        }
        last = { end: heard.end, text: pages + heard.text };
        if (wanted(last)) return last;
        pages = "";
      }
    } finally {
      clearTimeout(timer);
      this.#waiter = null;
    }
  }

  /** What is said from here on is the evidence of what comes now. */
  mark(): void {
    this.#transcript.mark();
  }

  /** The end of what was said since the last mark, without secrets, in one line. */
  evidence(): string {
    return this.#transcript.evidence();
  }

  /** Ends the connection now, throwing away what was not delivered. */
  destroy(): void {
    this.#end("POWER_UNREACHABLE", "the session is closed");
  }

  /** Resolves when the connection is gone, or after `limitMs`. */
  async gone(limitMs: number): Promise<void> {
    if (this.#socket.closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, limitMs));
      this.#socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #next(ends: readonly End[]): Promise<Heard> {
    return new Promise((resolve, reject) => {
      this.#waiter = { ends, resolve, reject };
      this.#settle();
    });
  }

  #settle(): void {
    const waiter = this.#waiter;
    if (waiter === null) return;
    const tail = this.#heard.slice(-END_CHARACTERS_MAX);
    const end = waiter.ends.find((candidate) => ENDS[candidate].test(tail));
    if (end !== undefined) {
      const text = this.#heard;
      this.#heard = "";
      this.#waiter = null;
      waiter.resolve({ end, text });
    } else if (this.#ended !== null) {
      this.#waiter = null;
      waiter.reject(this.#ended);
    }
  }

  #receive(bytes: Uint8Array): void {
    if (this.#ended !== null) return;
    this.#spoken = true;
    const decoded = telnetDecode(this.#telnet, bytes);
    this.#telnet = decoded.state;
    if (decoded.replies.length > 0) this.#socket.write(decoded.replies);
    if (decoded.state.malformed) return void this.#end("POWER_NONSENSE", "a telnet subnegotiation that does not end");
    this.#options.tap?.heard(Buffer.from(decoded.data).toString("latin1"));
    let text = "";
    for (const byte of decoded.data) {
      if (byte === 10 || byte === 13) {
        text += "\n";
        this.#lineLength = 0;
      } else if (byte === 9 || (byte >= 32 && byte < 127) || byte >= 160) {
        text += byte === 9 ? " " : String.fromCharCode(byte);
        this.#lineLength++;
      } else this.#controls++;
      if (this.#lineLength > LINE_CHARACTERS_MAX) break;
    }
    this.#heard += text;
    this.#transcript.heard(text);
    if (this.#controls > CONTROLS_MAX) return void this.#end("POWER_NONSENSE", "the device sends noise");
    if (this.#lineLength > LINE_CHARACTERS_MAX) return void this.#end("POWER_NONSENSE", `a line of more than ${LINE_CHARACTERS_MAX} characters`);
    if (this.#heard.length > ANSWER_CHARACTERS_MAX) return void this.#end("POWER_NONSENSE", `an answer of more than ${ANSWER_CHARACTERS_MAX} characters`);
    this.#settle();
  }

  /** The first reason counts; a device that says why it hangs up is believed. */
  #end(code: ErrorCode, why: string, cause?: unknown): UpkeepError {
    if (this.#ended === null) {
      const busy = code === "POWER_UNREACHABLE" && BUSY.test(this.#heard.slice(-1000));
      const { host, port } = this.#options;
      this.#ended = new UpkeepError(busy ? "POWER_BUSY" : code, `${host}:${port}: ${busy ? "the device serves another session" : why}`, cause === undefined ? {} : { cause });
      this.#socket.destroy();
      this.#settle();
    }
    return this.#ended;
  }
}

/** The error of a call whose signal was already aborted. */
export function aborted(signal: AbortSignal): UpkeepError {
  return new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason });
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

function nameOf(text: string): string {
  const names: Readonly<Record<string, string>> = { [KEYS.enter]: "Enter", [KEYS.escape]: "Esc", [KEYS.mainMenu]: "Ctrl-C" };
  return names[text] ?? text.trimEnd();
}
