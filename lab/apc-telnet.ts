// The device's end of a telnet line (RFC 854, 857, 858, 860): bytes in, keys and replies out; nothing is known of menus here.
//
// Real firmware reads keys, not lines: Esc and Ctrl-C act at once, CR ends a line, and LF and NUL are ignored, because
// clients send CR NUL, CR LF, or (telnet in character mode with a pty's "\r\n") CR NUL LF for one Enter. Ctrl-C may also
// come as IAC IP, followed by DO TIMING-MARK: a client that asked for the mark discards all output until it is answered.

const IAC = 255, DONT = 254, DO = 253, WONT = 252, WILL = 251, SB = 250, EL = 248, EC = 247, AYT = 246, IP = 244, BRK = 243, SE = 240;
const ECHO = 1, SUPPRESS_GO_AHEAD = 3, TIMING_MARK = 6;
const LINE_MAX = 255;

export type Key =
  | { readonly kind: "char"; readonly text: string }
  | { readonly kind: "erase" }
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "escape" }
  | { readonly kind: "interrupt" }
  /** Owed to the client at once: the answer to a negotiation. */
  | { readonly kind: "reply"; readonly bytes: Buffer };

export class TelnetLine {
  #state: "data" | "iac" | "option" | "sub" | "sub-iac" = "data";
  #verb = 0;
  #text = "";
  /** Options that we perform (WILL sent, not refused). */
  readonly #ours = new Set<number>();
  /** Options that the client performs (DO sent). */
  readonly #theirs = new Set<number>();
  readonly #echo: boolean;

  constructor(echo: boolean) {
    this.#echo = echo;
  }

  /** What the device says first. Without echo, clients stay in their line mode, as with very old firmware. */
  greeting(): Buffer {
    if (!this.#echo) return Buffer.alloc(0);
    this.#ours.add(ECHO).add(SUPPRESS_GO_AHEAD);
    return Buffer.from([IAC, WILL, ECHO, IAC, WILL, SUPPRESS_GO_AHEAD]);
  }

  /** True while the device should echo what is typed. */
  get echoes(): boolean {
    return this.#ours.has(ECHO);
  }

  /** Text typed since the last CR. */
  get pending(): string {
    return this.#text;
  }

  /** One byte from the client; at most one key comes of it. */
  push(byte: number): Key | null {
    switch (this.#state) {
      case "data": return byte === IAC ? this.#go("iac") : this.#typed(byte);
      case "iac": return this.#command(byte);
      case "option": {
        this.#state = "data";
        return this.#negotiate(this.#verb, byte);
      }
      case "sub": return byte === IAC ? this.#go("sub-iac") : null;
      case "sub-iac": return this.#go(byte === SE ? "data" : "sub");
    }
  }

  #go(state: "data" | "iac" | "sub" | "sub-iac"): null {
    this.#state = state;
    return null;
  }

  #command(byte: number): Key | null {
    this.#state = "data";
    switch (byte) {
      case DO: case DONT: case WILL: case WONT:
        this.#verb = byte;
        this.#state = "option";
        return null;
      case SB: return this.#go("sub");
      case IP: case BRK: return this.#interrupt();
      case EC: return this.#erase();
      case EL:
        this.#text = "";
        return null;
      case AYT: return { kind: "reply", bytes: Buffer.from("\r\n[Yes]\r\n") };
      case IAC: return this.#typed(IAC);
      // NOP, data mark, go-ahead, abort output: nothing to do.
      default: return null;
    }
  }

  /** Only changes are answered, or two ends would talk for ever (RFC 854). */
  #negotiate(verb: number, option: number): Key | null {
    switch (verb) {
      case DO:
        if (option === TIMING_MARK) return reply(WILL, option);
        return this.#ours.has(option) ? null : reply(WONT, option);
      case DONT:
        return this.#ours.delete(option) ? reply(WONT, option) : null;
      case WILL:
        if (option !== SUPPRESS_GO_AHEAD) return reply(DONT, option);
        if (this.#theirs.has(option)) return null;
        this.#theirs.add(option);
        return reply(DO, option);
      default:
        return this.#theirs.delete(option) ? reply(DONT, option) : null;
    }
  }

  #typed(byte: number): Key | null {
    switch (byte) {
      case 3: return this.#interrupt();
      case 8: case 127: return this.#erase();
      case 13: {
        const text = this.#text;
        this.#text = "";
        return { kind: "line", text };
      }
      case 27:
        this.#text = "";
        return { kind: "escape" };
      default: {
        // LF and NUL among them.
        if (byte < 32 || this.#text.length >= LINE_MAX) return null;
        const text = String.fromCharCode(byte);
        this.#text += text;
        return { kind: "char", text };
      }
    }
  }

  #interrupt(): Key {
    this.#text = "";
    return { kind: "interrupt" };
  }

  #erase(): Key | null {
    if (this.#text === "") return null;
    this.#text = this.#text.slice(0, -1);
    return { kind: "erase" };
  }
}

function reply(verb: number, option: number): Key {
  return { kind: "reply", bytes: Buffer.from([IAC, verb, option]) };
}
