// What a Linux kernel sends by netconsole (Documentation/networking/netconsole.rst): its console as datagrams. Plain, they are text
// as it stands on the console, cut at 1000 bytes with no regard for lines. Extended, each is one record of the kernel's log
// under a header (ABI/testing/dev-kmsg): `6,416,1758426,-,caller=T1;text`, in pieces with `ncfrag=OFFSET/TOTAL`, since 6.4
// with the kernel's release before it.
//
// A kernel that dies sends what it can: nothing here waits for a whole record longer than it is told to, and nothing that a
// stranger sends makes it keep more than a few KiB of one sender.

export type KernelLine = {
  /** Printable, without its newline, at most LINE_CHARS. */
  readonly text: string;
  /** 0 (emergency) to 7 (debug); null: the datagram does not say. */
  readonly level: number | null;
  /** False: a program wrote it to /dev/kmsg (its syslog facility is not the kernel's). Null: the plain format does not tell. */
  readonly byKernel: boolean | null;
  /** Number of the record in the kernel's log; null in the plain format. */
  readonly sequence: number | null;
  /** Since the kernel began, microseconds; null where printk's time is off. */
  readonly uptimeUs: number | null;
  /** A piece of it was lost on its way. */
  readonly torn: boolean;
};

export const LINE_CHARS = 1_000;
/** An Ethernet frame holds no more than 1500; what is larger was not sent by a kernel. */
export const DATAGRAM_BYTES = 2_048;
/** Lines of one datagram: 1000 bytes of a kernel's text are not more. */
const LINES_MAX = 64;
const RECORD_BYTES = 8_192;
const PARTIAL_BYTES = 4_096;
const RECORDS_MAX = 4;
/** How long the rest of a line or a record is waited for. */
export const REST_WITHIN_MS = 2_000;

const NEWLINE = 0x0a;
const SEMICOLON = 0x3b;
const HEADER_BYTES = 256;
const HEADER = /^(?:[^\s,;]{1,64},)?(\d{1,10}),(\d{1,19}),(\d{1,19}),[-c+]((?:,[^,;]{1,80}){0,8})$/;
const FRAGMENT = /,ncfrag=(\d{1,6})\/(\d{1,6})(?:,|$)/;
const SYSLOG = /^<(\d{1,3})>/;
/** printk's time, and who called it where that is configured. */
const TIME = /^\[ *(\d{1,10})\.(\d{6})\](?:\[ *[TC]\d{1,7}\])? ?/;

type Header = { readonly prefix: number; readonly sequence: number; readonly uptimeUs: number; readonly fragment: { readonly offset: number; readonly total: number } | null };

type Record = { readonly header: Header; readonly bytes: Uint8Array; /** Of each byte, whether it has come. */ readonly come: Uint8Array; readonly sinceMs: number };

/** The lines of one sender, put together from its datagrams. */
export class KernelLines {
  /** The plain text that has no newline yet. */
  #partial: Uint8Array = new Uint8Array(0);
  #partialSinceMs = 0;
  readonly #records = new Map<number, Record>();

  /** Lines that are whole with this datagram, the oldest first. */
  take(datagram: Uint8Array, nowMs: number): KernelLine[] {
    const lines = this.due(nowMs);
    const bytes = datagram.subarray(0, DATAGRAM_BYTES);
    const extended = headerOf(bytes);
    if (extended === null) return [...lines, ...this.#plain(bytes, nowMs)];
    const body = bytes.subarray(extended.length);
    if (extended.header.fragment === null) return [...lines, ...recordLines(extended.header, body, false)];
    return [...lines, ...this.#fragment(extended.header, extended.header.fragment, body, nowMs)];
  }

  /** What has waited for its rest too long. */
  due(nowMs: number): KernelLine[] {
    const late: KernelLine[] = [];
    for (const [sequence, record] of this.#records) {
      if (nowMs - record.sinceMs < REST_WITHIN_MS) continue;
      this.#records.delete(sequence);
      late.push(...tornLines(record));
    }
    if (this.#partial.length > 0 && nowMs - this.#partialSinceMs >= REST_WITHIN_MS) late.push(...this.#endPartial());
    return late;
  }

  /** When something will be due, or null. */
  get dueAtMs(): number | null {
    let firstMs = this.#partial.length > 0 ? this.#partialSinceMs : Infinity;
    for (const { sinceMs } of this.#records.values()) firstMs = Math.min(firstMs, sinceMs);
    return firstMs === Infinity ? null : firstMs + REST_WITHIN_MS;
  }

  #plain(bytes: Uint8Array, nowMs: number): KernelLine[] {
    const lines: KernelLine[] = [];
    // A datagram that begins as lines do does not go on with the one before.
    if (this.#partial.length > 0 && beginsLine(bytes)) lines.push(...this.#endPartial());
    let rest = this.#partial.length === 0 ? bytes : joined(this.#partial, bytes);
    const began = this.#partial.length > 0;
    this.#partial = new Uint8Array(0);
    for (let at = rest.indexOf(NEWLINE); at >= 0 && lines.length < LINES_MAX; at = rest.indexOf(NEWLINE)) {
      lines.push(...plainLine(rest.subarray(0, at)));
      rest = rest.subarray(at + 1);
    }
    if (rest.length === 0 || lines.length >= LINES_MAX) return lines;
    if (!began || lines.length > 0) this.#partialSinceMs = nowMs;
    this.#partial = rest.slice();
    return rest.length >= PARTIAL_BYTES ? [...lines, ...this.#endPartial()] : lines;
  }

  #endPartial(): KernelLine[] {
    const bytes = this.#partial;
    this.#partial = new Uint8Array(0);
    return plainLine(bytes);
  }

  #fragment(header: Header, { offset, total }: NonNullable<Header["fragment"]>, body: Uint8Array, nowMs: number): KernelLine[] {
    if (total === 0 || total > RECORD_BYTES || offset + body.length > total) return recordLines(header, body, true);
    let record = this.#records.get(header.sequence);
    if (record !== undefined && record.bytes.length !== total) {
      this.#records.delete(header.sequence);
      record = undefined;
    }
    const lines: KernelLine[] = [];
    if (record === undefined) {
      record = { header, bytes: new Uint8Array(total), come: new Uint8Array(total), sinceMs: nowMs };
      const [oldest] = this.#records;
      if (this.#records.size >= RECORDS_MAX && oldest !== undefined) {
        this.#records.delete(oldest[0]);
        lines.push(...tornLines(oldest[1]));
      }
      this.#records.set(header.sequence, record);
    }
    record.bytes.set(body, offset);
    record.come.fill(1, offset, offset + body.length);
    if (record.come.includes(0)) return lines;
    this.#records.delete(header.sequence);
    return [...lines, ...recordLines(header, record.bytes, false)];
  }
}

function headerOf(bytes: Uint8Array): { readonly header: Header; readonly length: number } | null {
  const end = bytes.subarray(0, HEADER_BYTES).indexOf(SEMICOLON);
  if (end < 0) return null;
  const match = HEADER.exec(Buffer.from(bytes.subarray(0, end)).toString("latin1"));
  if (match === null) return null;
  const [, prefix, sequence, uptimeUs, rest] = match;
  const found = FRAGMENT.exec(rest ?? "");
  const fragment = found === null ? null : { offset: Number(found[1]), total: Number(found[2]) };
  return { header: { prefix: Number(prefix), sequence: Number(sequence), uptimeUs: Number(uptimeUs), fragment }, length: end + 1 };
}

/** The first line is the text, in which what is not printable stands as `\x0a`; those after it, indented, are its dictionary. */
function recordLines({ prefix, sequence, uptimeUs }: Header, body: Uint8Array, torn: boolean): KernelLine[] {
  const end = body.indexOf(NEWLINE);
  const text = unescaped(Buffer.from(end < 0 ? body : body.subarray(0, end)).toString("utf8"));
  const known = { level: prefix & 7, byKernel: prefix >> 3 === 0, sequence: Number.isSafeInteger(sequence) ? sequence : null, uptimeUs: Number.isSafeInteger(uptimeUs) ? uptimeUs : null, torn };
  return text.split("\n", LINES_MAX).flatMap((line) => (line.trim() === "" ? [] : [{ ...known, text: printable(line) }]));
}

function tornLines({ header, bytes, come }: Record): KernelLine[] {
  // What did not come is shown as a gap, so that two halves are not read as one word.
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const next = come.indexOf(come[at] === 1 ? 0 : 1, at);
    const to = next < 0 ? bytes.length : next;
    pieces.push(come[at] === 1 ? Buffer.from(bytes.subarray(at, to)) : Buffer.from(" … "));
    at = to;
  }
  return recordLines(header, Buffer.concat(pieces), true);
}

function beginsLine(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.subarray(0, 40)).toString("latin1");
  return SYSLOG.test(head) || TIME.test(head);
}

function plainLine(bytes: Uint8Array): KernelLine[] {
  let text = Buffer.from(bytes).toString("utf8").replace(/[\r\0]+$/, "");
  const syslog = SYSLOG.exec(text);
  const prefix = syslog === null ? null : Number(syslog[1]);
  if (syslog !== null) text = text.slice(syslog[0].length);
  const time = TIME.exec(text);
  if (time !== null) text = text.slice(time[0].length);
  if (text.trim() === "") return [];
  const uptimeUs = time === null ? null : Number(time[1]) * 1_000_000 + Number(time[2]);
  return [{ text: printable(text), level: prefix === null ? null : prefix & 7, byKernel: prefix === null ? null : prefix >> 3 === 0, sequence: null, uptimeUs, torn: false }];
}

/** `\xNN` as msg_add_ext_text of printk writes it; each run of them is UTF-8 again. */
function unescaped(text: string): string {
  return text.replace(/(?:\\x[0-9a-f]{2})+/g, (run) => Buffer.from(run.replaceAll("\\x", ""), "hex").toString("utf8"));
}

/** What a terminal or a page might take for more than text is shown as its code. */
function printable(text: string): string {
  const cut = text.length > LINE_CHARS ? `${text.slice(0, LINE_CHARS - 1)}…` : text;
  return cut.trimEnd().replace(/\t/g, " ").replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\u2028\u2029]/gu, (each) => `\\u{${(each.codePointAt(0) ?? 0).toString(16)}}`).slice(0, LINE_CHARS);
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
