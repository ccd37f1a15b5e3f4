// From a trace of system calls to the states in which a disk may be after a loss of power: everything synced is there;
// of what was written since, each sector is there or not, on its own (fsync(2) promises no more). A name that was made or
// removed is on disk when its folder was synced, and before that it may or may not be.

export type Op =
  | { readonly kind: "create"; readonly file: string }
  | { readonly kind: "write"; readonly file: string; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly file: string; readonly size: number }
  | { readonly kind: "sync"; readonly file: string }
  | { readonly kind: "remove"; readonly file: string }
  | { readonly kind: "said"; readonly text: string };

export type CrashImage = {
  readonly files: ReadonlyMap<string, Buffer>;
  /** The last number acknowledged before the crash, and the last that was under way. */
  readonly acknowledged: number;
  readonly sent: number;
};

const SECTOR_BYTES = 512;

/** What was done to files right in `folder`, and what was written to standard output, from `strace -f -y -xx`. */
export function parseTrace(trace: string, folder: string): Op[] {
  const ops: Op[] = [];
  const unfinished = new Map<string, string>();
  for (const raw of trace.split("\n")) {
    const [, pid = "", rest = ""] = /^(\d+)\s+(.*)$/.exec(raw) ?? [];
    let call = rest;
    const cut = /^(.*) <unfinished \.\.\.>$/.exec(call);
    if (cut !== null) {
      unfinished.set(pid, cut[1] ?? "");
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(call);
    // In the order of the returns: a call that has not returned has promised nothing.
    if (resumed !== null) call = (unfinished.get(pid) ?? "") + (resumed[1] ?? "");
    const op = parseCall(call, folder);
    if (op !== null) ops.push(op);
  }
  return ops;
}

function parseCall(call: string, folder: string): Op | null {
  const [, name = "", args = "", result = ""] = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(call) ?? [];
  if (result === "" || result.startsWith("-")) return null;
  const descriptor = /^\d+<((?:\\x..|[^>])*)>/.exec(args);
  const file = descriptor === null ? null : inside(unhex(descriptor[1] ?? ""), folder);
  if (name === "write" && args.startsWith("1<")) return { kind: "said", text: text(args).toString().trim() };
  if (name === "openat" && args.includes("O_CREAT")) {
    const made = inside(text(args).toString(), folder);
    return made === null ? null : { kind: "create", file: made };
  }
  if (name === "unlink") {
    const gone = inside(text(args).toString(), folder);
    return gone === null ? null : { kind: "remove", file: gone };
  }
  if (file === null) return null;
  switch (name) {
    case "pwrite64": {
      const [, length = "", at = ""] = /(\d+), (\d+)$/.exec(args) ?? [];
      const bytes = text(args);
      if (bytes.length !== Number(length) || result !== length) throw new Error(`a write that was cut short: ${call.slice(-80)}`);
      return { kind: "write", file, at: Number(at), bytes };
    }
    case "ftruncate":
      return { kind: "truncate", file, size: Number(/(\d+)$/.exec(args)?.[1]) };
    case "fsync":
    case "fdatasync":
      return { kind: "sync", file };
    case "openat":
      return null;
    default:
      // A way to write that is not understood here would make the test vacuous.
      throw new Error(`${name} on ${file}`);
  }
}

function text(args: string): Buffer {
  return Buffer.from((/"((?:\\x[0-9a-f]{2})*)"/.exec(args)?.[1] ?? "").replaceAll("\\x", ""), "hex");
}

function unhex(path: string): string {
  return path.includes("\\x") ? Buffer.from(path.replaceAll("\\x", ""), "hex").toString() : path;
}

/** The name in the folder, `.` for the folder itself, null for the ledger's reserve and everything else. */
function inside(path: string, folder: string): string | null {
  if (path === folder) return ".";
  if (!path.startsWith(`${folder}/`)) return null;
  const name = path.slice(folder.length + 1);
  return name.startsWith("ledger.sqlite") && !name.includes("/") ? name : null;
}

type Disk = Map<string, { bytes: Buffer; pending: Extract<Op, { kind: "write" | "truncate" }>[]; named: boolean }>;

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** States after a crash at moments spread over the trace, `count` of them; each takes its own choice of what was lost. */
export function* crashImages(ops: readonly Op[], count: number, random: () => number): Generator<CrashImage> {
  const moments = new Set(Array.from({ length: count }, (_, n) => Math.floor((n * ops.length) / count)));
  const disk: Disk = new Map();
  const removed = new Map<string, Buffer>();
  let acknowledged = 0;
  for (const [at, op] of ops.entries()) {
    if (moments.has(at)) for (const lose of [0, 0.3, 1]) yield { files: image(disk, removed, lose, random), acknowledged, sent: acknowledged + 1 };
    if (op.kind === "said") acknowledged = Number(/^committed (\d+)$/.exec(op.text)?.[1] ?? acknowledged);
    else apply(disk, removed, op, random);
  }
}

function apply(disk: Disk, removed: Map<string, Buffer>, op: Exclude<Op, { kind: "said" }>, random: () => number): void {
  if (op.kind === "sync" && op.file === ".") {
    for (const file of disk.values()) file.named = true;
    removed.clear();
    return;
  }
  const file = disk.get(op.file) ?? { bytes: Buffer.alloc(0), pending: [], named: false };
  disk.set(op.file, file);
  switch (op.kind) {
    case "create":
      return;
    case "write":
    case "truncate":
      file.pending.push(op);
      return;
    case "sync":
      for (const each of file.pending) file.bytes = put(file.bytes, each, 0, random);
      file.pending = [];
      return;
    case "remove":
      // Removed and not synced: it may still be there.
      if (file.named) removed.set(op.file, file.bytes);
      disk.delete(op.file);
      return;
  }
}

function image(disk: Disk, removed: ReadonlyMap<string, Buffer>, lose: number, random: () => number): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const [name, bytes] of removed) if (!disk.has(name) && random() < 0.5) files.set(name, bytes);
  for (const [name, file] of disk) {
    if (!file.named && random() < lose) continue;
    files.set(name, file.pending.reduce((bytes, each) => put(bytes, each, lose, random), file.bytes));
  }
  return files;
}

/** Puts a write on the disk, but for the sectors that are lost. */
function put(before: Buffer, op: Extract<Op, { kind: "write" | "truncate" }>, lose: number, random: () => number): Buffer {
  if (op.kind === "truncate") {
    if (random() < lose) return before;
    return op.size <= before.length ? before.subarray(0, op.size) : Buffer.concat([before, Buffer.alloc(op.size - before.length)]);
  }
  const end = op.at + op.bytes.length;
  const after = Buffer.concat([before, Buffer.alloc(Math.max(0, end - before.length))]);
  let kept = before.length;
  for (let from = op.at; from < end; ) {
    const to = Math.min(end, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES);
    if (random() >= lose) {
      op.bytes.copy(after, from, from - op.at, to - op.at);
      kept = Math.max(kept, to);
    }
    from = to;
  }
  return after.subarray(0, kept);
}
