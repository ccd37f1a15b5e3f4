// The telnet protocol as far as an old console needs it: what the peer sends is split into data and the answers that we owe
// it, and what we send has its 0xFF doubled (RFC 854, RFC 855). A pure codec: bytes and a state in, bytes and a state out.
//
// Every option is refused, so both sides stay the network virtual terminal that every device can be. We never ask for an
// option and never answer a WONT or DONT, so no exchange can loop (RFC 1143); a peer that asks the same thing again and again
// is answered a few times and then ignored. Nothing is kept of a subnegotiation, and one that does not end is given up.

const SE = 240;
const SB = 250;
const WILL = 251;
const WONT = 252;
const DO = 253;
const DONT = 254;
const IAC = 255;
const CR = 13;
const NUL = 0;

/** A subnegotiation longer than this is not one; the longest in use (terminal types, environment) have some hundred bytes. */
const SUBNEGOTIATION_BYTES_MAX = 1024;
/** How often one request for one option is answered. TIMING-MARK (RFC 860) is no option but a mark, and comes with every Ctrl-C. */
const ANSWERS_MAX = 16;

export type TelnetState = {
  readonly mode: "data" | "command" | "option" | "subnegotiation" | "subnegotiation-command";
  /** The WILL, WONT, DO or DONT whose option is the next byte. */
  readonly verb: number;
  readonly afterCr: boolean;
  readonly subnegotiationBytes: number;
  /** How often each request was answered, by `verb * 256 + option`. */
  readonly answered: ReadonlyMap<number, number>;
  /** The peer broke the protocol beyond repair: what follows is delivered as data and should not be believed. */
  readonly malformed: boolean;
};

/** The state of a connection on which nothing has been received yet. */
export const TELNET_START: TelnetState = {
  mode: "data",
  verb: 0,
  afterCr: false,
  subnegotiationBytes: 0,
  answered: new Map(),
  malformed: false,
};

export type TelnetDecoded = {
  readonly state: TelnetState;
  /** What the peer means: no longer than what came in. */
  readonly data: Uint8Array;
  /** To be sent back at once, unescaped as it is. */
  readonly replies: Uint8Array;
};

/** Splits received bytes into data and owed answers; any cutting of the same bytes into chunks gives the same result. */
export function telnetDecode(before: TelnetState, bytes: Uint8Array): TelnetDecoded {
  let { mode, verb, afterCr, subnegotiationBytes, malformed } = before;
  let answered = before.answered as Map<number, number>;
  const data = new Uint8Array(bytes.length);
  let length = 0;
  const replies: number[] = [];

  const answer = (option: number): void => {
    if (verb !== WILL && verb !== DO) return;
    const key = verb * 256 + option;
    const times = answered.get(key) ?? 0;
    if (times >= ANSWERS_MAX) return;
    if (answered === before.answered) answered = new Map(answered);
    answered.set(key, times + 1);
    replies.push(IAC, verb === WILL ? DONT : WONT, option);
  };

  const command = (byte: number): void => {
    mode = "data";
    if (byte >= WILL && byte <= DONT) {
      mode = "option";
      verb = byte;
    } else if (byte === SB) {
      mode = "subnegotiation";
      subnegotiationBytes = 0;
    }
    // Everything else is a function of the terminal (interrupt process, go ahead …) that means nothing to a reader.
  };

  for (const byte of bytes) {
    switch (mode) {
      case "data":
        if (byte === IAC) {
          mode = "command";
          break;
        }
        // RFC 854: a carriage return that is not the first half of a new line is followed by a NUL.
        if (!(afterCr && byte === NUL)) data[length++] = byte;
        afterCr = byte === CR;
        break;
      case "command":
        if (byte === IAC) {
          mode = "data";
          data[length++] = IAC;
          afterCr = false;
        } else command(byte);
        break;
      case "option":
        mode = "data";
        answer(byte);
        break;
      case "subnegotiation":
        if (byte === IAC) mode = "subnegotiation-command";
        else if (++subnegotiationBytes > SUBNEGOTIATION_BYTES_MAX) {
          malformed = true;
          mode = "data";
        }
        break;
      case "subnegotiation-command":
        if (byte === SE) mode = "data";
        else if (byte === IAC) {
          mode = "subnegotiation";
          subnegotiationBytes++;
        } else command(byte);
        break;
    }
  }
  return {
    state: { mode, verb, afterCr, subnegotiationBytes, answered, malformed },
    data: data.subarray(0, length),
    replies: Uint8Array.from(replies),
  };
}

/** Bytes as they must go over the wire so that the peer reads them as data. */
export function telnetEscape(bytes: Uint8Array): Uint8Array {
  const escaped: number[] = [];
  for (const byte of bytes) {
    escaped.push(byte);
    if (byte === IAC) escaped.push(IAC);
  }
  return Uint8Array.from(escaped);
}
