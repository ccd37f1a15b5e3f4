// A self-signed certificate for a server, written and never read: X.509 v3 in DER (RFC 5280, X.690), with an ECDSA signature
// over SHA-256 that somebody else makes. What reads certificates is Node's own X509Certificate.
//
// By hand, because it is eighty lines that write fixed fields, and the libraries that do it bring a container for dependency
// injection and want the global Reflect object changed. Every field that varies is a length, a name, a time or a key.

export type CertificateFields = {
  /** The common name of subject and issuer. */
  readonly commonName: string;
  /** DNS names, ASCII. */
  readonly names: readonly string[];
  /** IP addresses, 4 or 16 bytes each. */
  readonly addresses: readonly Uint8Array[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** 8 to 19 bytes, random. */
  readonly serial: Uint8Array;
  /** SubjectPublicKeyInfo of the key that signs, DER. */
  readonly publicKey: Uint8Array;
  /** It also shows who a client is; left out: a server's only. */
  readonly client?: boolean;
};

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";
const KEY_USAGE = "2.5.29.15";
const SUBJECT_ALT_NAME = "2.5.29.17";
const BASIC_CONSTRAINTS = "2.5.29.19";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** The certificate in DER. `sign` gives the signature of these bytes, ECDSA over SHA-256, in DER. */
export function writeCertificate(fields: CertificateFields, sign: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  const algorithm = sequence(oid(ECDSA_WITH_SHA256));
  const name = sequence(tlv(0x31, sequence(oid(COMMON_NAME), tlv(0x0c, ascii(fields.commonName)))));
  // A first bit that is set would make the number negative, and a zero in front is not counted (RFC 5280 §4.1.2.2).
  const serial = Uint8Array.from(fields.serial);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = sequence(
    tlv(0xa0, tlv(0x02, Uint8Array.of(2))),
    tlv(0x02, serial),
    algorithm, name,
    sequence(time(fields.notBeforeMs), time(fields.notAfterMs)),
    name, fields.publicKey,
    tlv(0xa3, sequence(
      extension(BASIC_CONSTRAINTS, true, sequence()),
      // digitalSignature: bit 0 of a bit string with seven unused ones.
      extension(KEY_USAGE, true, tlv(0x03, Uint8Array.of(7, 0x80))),
      extension(EXTENDED_KEY_USAGE, false, sequence(oid(SERVER_AUTH), ...(fields.client === true ? [oid(CLIENT_AUTH)] : []))),
      extension(SUBJECT_ALT_NAME, false, sequence(...fields.names.map((each) => tlv(0x82, ascii(each))), ...fields.addresses.map((each) => tlv(0x87, each)))),
    )),
  );
  return sequence(body, algorithm, tlv(0x03, Uint8Array.of(0), sign(body)));
}

function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return sequence(oid(id), ...(critical ? [tlv(0x01, Uint8Array.of(0xff))] : []), tlv(0x04, value));
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return tlv(0x30, ...parts);
}

/** X.690 §8.1: a tag, a length in as few bytes as it takes, the content. */
function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const digits: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) digits.unshift(rest & 0xff);
  const head = length < 128 ? [tag, length] : [tag, 0x80 | digits.length, ...digits];
  const bytes = new Uint8Array(head.length + length);
  bytes.set(head);
  let at = head.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** X.690 §8.19: the first two numbers in one, each in base 128 with a bit that says that more follow. */
function oid(text: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((value) => {
    const digits = [value & 0x7f];
    for (let left = value >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return tlv(0x06, Uint8Array.from(bytes));
}

/** UTCTime to 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5). */
function time(ms: number): Uint8Array {
  const text = new Date(ms).toISOString().replace(/\.\d+|[-:T]/g, "");
  return ms < Date.UTC(2050, 0) ? tlv(0x17, ascii(text.slice(2))) : tlv(0x18, ascii(text));
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
