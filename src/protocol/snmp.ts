// The envelope of an SNMP message: just enough of its bytes to say which protection it came with and what kind of PDU it is.
// The protocol itself is a library's; this is what the library does not ask: an answer that is neither signed nor encrypted,
// to a question that was both, is somebody else's (RFC 3414 §3.2 leaves the level to the receiver). Nothing is allocated, every
// length is checked against what is there, and whatever is not understood is null.

/** Kinds of PDU (RFC 3416 §3): context tags 0 to 8. */
export type SnmpPdu = "get" | "get-next" | "response" | "set" | "trap-v1" | "get-bulk" | "inform" | "trap" | "report";

export type SnmpEnvelope =
  | { readonly version: 1 | 2; readonly pdu: SnmpPdu }
  /** `pdu` is null where it is encrypted. */
  | { readonly version: 3; readonly authenticated: boolean; readonly encrypted: boolean; readonly pdu: SnmpPdu | null };

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OCTETS = 0x04;
const PDUS: readonly SnmpPdu[] = ["get", "get-next", "response", "set", "trap-v1", "get-bulk", "inform", "trap", "report"];
const AUTH_FLAG = 0x01;
const PRIV_FLAG = 0x02;

type Part = { readonly tag: number; readonly from: number; readonly to: number };

/** What kind of message these bytes are, or null when they are none. */
export function snmpEnvelope(bytes: Uint8Array): SnmpEnvelope | null {
  const message = inside(partAt(bytes, 0, bytes.length), SEQUENCE);
  if (message === null) return null;
  const version = partAt(bytes, message.from, message.to);
  if (version === null || version.tag !== INTEGER || version.to - version.from !== 1) return null;
  const second = partAt(bytes, version.to, message.to);
  if (second === null) return null;
  switch (bytes[version.from]) {
    case 0:
    case 1: {
      const pdu = pduAt(bytes, second.to, message.to);
      return second.tag === OCTETS && pdu !== null ? { version: bytes[version.from] === 0 ? 1 : 2, pdu } : null;
    }
    case 3:
      return versionThree(bytes, second, message.to);
    default:
      return null;
  }
}

/** msgGlobalData, msgSecurityParameters, msgData (RFC 3412 §6). */
function versionThree(bytes: Uint8Array, globalData: Part, end: number): SnmpEnvelope | null {
  const header = inside(globalData, SEQUENCE);
  if (header === null) return null;
  const id = partAt(bytes, header.from, header.to);
  const size = id === null ? null : partAt(bytes, id.to, header.to);
  const flags = size === null ? null : partAt(bytes, size.to, header.to);
  if (flags === null || flags.tag !== OCTETS || flags.to - flags.from !== 1) return null;
  const flag = bytes[flags.from] as number;
  const [authenticated, encrypted] = [(flag & AUTH_FLAG) !== 0, (flag & PRIV_FLAG) !== 0];
  const security = partAt(bytes, globalData.to, end);
  const data = security === null ? null : partAt(bytes, security.to, end);
  if (data === null) return null;
  if (encrypted) return { version: 3, authenticated, encrypted, pdu: null };
  const scoped = inside(data, SEQUENCE);
  const engine = scoped === null ? null : partAt(bytes, scoped.from, scoped.to);
  const context = engine === null ? null : partAt(bytes, engine.to, scoped?.to ?? 0);
  const pdu = context === null ? null : pduAt(bytes, context.to, scoped?.to ?? 0);
  return pdu === null ? null : { version: 3, authenticated, encrypted, pdu };
}

function pduAt(bytes: Uint8Array, at: number, end: number): SnmpPdu | null {
  const part = partAt(bytes, at, end);
  return part === null || (part.tag & 0xe0) !== 0xa0 ? null : (PDUS[part.tag & 0x1f] ?? null);
}

function inside(part: Part | null, tag: number): Part | null {
  return part?.tag === tag ? part : null;
}

/** One BER element: short and long lengths, never the indefinite one (RFC 3417 §8). */
function partAt(bytes: Uint8Array, at: number, end: number): Part | null {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || at + 2 > end) return null;
  let from = at + 2;
  let length = first;
  if (first >= 0x80) {
    const octets = first & 0x7f;
    if (octets === 0 || octets > 4 || from + octets > end) return null;
    length = 0;
    for (let index = 0; index < octets; index++) length = length * 256 + (bytes[from + index] as number);
    from += octets;
  }
  return from + length > end ? null : { tag, from, to: from + length };
}
