// A telnet client with no opinion, for the virtual PDU's own tests: it sends what it is told, byte for byte, keeps what
// comes, and waits for text. Negotiations are taken out of the text and kept apart; none is answered.

import { connect, type Socket } from "node:net";

export class RawClient {
  readonly socket: Socket;
  /** All text so far, and of that what `until` has not passed yet. */
  text = "";
  #unread = "";
  /** Negotiations as they came: `255 251 1`. */
  readonly commands: string[] = [];
  #iac: number[] = [];
  /** null while open; else `end`, or the error's code. */
  closed: string | null = null;
  #wake: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => {
      for (const byte of bytes) this.#receive(byte);
      this.#wake?.();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.closed = error.code ?? "error";
    });
    socket.on("close", () => {
      this.closed ??= "end";
      this.#wake?.();
    });
  }

  static open(to: { readonly address: string; readonly port: number }): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(to.port, to.address);
      const client = new RawClient(socket);
      socket.once("connect", () => resolve(client));
      socket.once("error", reject);
    });
  }

  send(data: string | readonly number[]): void {
    this.socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : Buffer.from(data));
  }

  /** The text up to and with `pattern`, from where the last call stopped; rejects when it does not come. */
  async until(pattern: string | RegExp, timeoutMs = 5_000): Promise<string> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const found = typeof pattern === "string" ? this.#unread.indexOf(pattern) : this.#unread.search(pattern);
      if (found >= 0) {
        const length = typeof pattern === "string" ? pattern.length : (pattern.exec(this.#unread)?.[0].length ?? 0);
        const text = this.#unread.slice(0, found + length);
        this.#unread = this.#unread.slice(found + length);
        return text;
      }
      if (this.closed !== null) throw new Error(`closed (${this.closed}) before ${pattern}; unread: ${JSON.stringify(this.#unread.slice(-300))}`);
      if (!(await this.#news(endMs - performance.now()))) throw new Error(`no ${pattern} in ${timeoutMs} ms; unread: ${JSON.stringify(this.#unread.slice(-300))}`);
    }
  }

  /** Sends a line and gives what comes up to the prompt. */
  ask(line: string, prompt: string | RegExp = "\r\n> "): Promise<string> {
    this.send(`${line}\r`);
    return this.until(prompt);
  }

  async login(user = "apc", password = "apc", prompt: string | RegExp = "\r\n> "): Promise<string> {
    await this.until("User Name : ");
    this.send(`${user}\r`);
    await this.until("Password  : ");
    return this.ask(password, prompt);
  }

  /** How the device ended the connection. */
  async ended(timeoutMs = 5_000): Promise<string> {
    const endMs = performance.now() + timeoutMs;
    while (this.closed === null) if (!(await this.#news(endMs - performance.now()))) throw new Error(`still open after ${timeoutMs} ms`);
    return this.closed;
  }

  /** Gone without a word: RST. */
  vanish(): void {
    this.socket.resetAndDestroy();
  }

  #receive(byte: number): void {
    if (this.#iac.length === 0 && byte !== 255) {
      const char = String.fromCharCode(byte);
      this.text += char;
      this.#unread += char;
      return;
    }
    this.#iac.push(byte);
    if (this.#iac.length < 3) return;
    this.commands.push(this.#iac.join(" "));
    this.#iac = [];
  }

  /** False when the time is over. */
  #news(withinMs: number): Promise<boolean> {
    if (withinMs <= 0) return Promise.resolve(false);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#wake = null;
        resolve(false);
      }, withinMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = null;
        resolve(true);
      };
    });
  }
}
