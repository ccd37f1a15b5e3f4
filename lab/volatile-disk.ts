// A disk with a write cache that forgets: what a guest wrote and did not flush is lost when the power goes, in the way of
// real disks. Each 4 KiB of it are there or are not, whatever was written before or after them, so that a long write may be torn
// and a later one may be there without an earlier one. What was flushed (FLUSH, FUA) is there. Smaller pieces are not torn: ext4
// takes its superblock of 1 KiB to be written whole, and on a disk that tears 512 bytes from it does not mount (tried).
//
// QEMU reaches it as an NBD server on a unix socket (github.com/NetworkBlockDevice/nbd, doc/proto.md: newstyle handshake,
// simple replies). `kill -9` of QEMU alone would prove less: whatever the guest had handed over by then would be in this
// machine's own page cache, as if each disk had a battery.

import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";

export type VolatileDisk = {
  readonly socketPath: string;
  /** Power cuts so far, pieces that were lost in them, and those that had not been flushed and are there by luck. */
  readonly counts: { readonly cuts: number; readonly flushes: number; readonly sectorsWritten: number; readonly piecesLost: number; readonly piecesKept: number };
  /** Called when a write has been taken and is not yet acknowledged; for whoever wants to strike there. */
  onWrite: (() => void) | null;
  /** The power is gone: whoever was connected is not any more, and of what was not flushed each piece is lost or kept by `isLost`. */
  cutPower(isLost: () => boolean): Promise<void>;
  close(): Promise<void>;
};

const SECTOR_BYTES = 512;
/** What is written whole or not at all: a physical sector of today's disks. */
const PIECE_SECTORS = 8;
const REQUEST_BYTES_MAX = 32 * 1024 * 1024;

const MAGIC = Buffer.from("NBDMAGIC");
const OPTION_MAGIC = Buffer.from("IHAVEOPT");
const OPTION_REPLY_MAGIC = 0x0003e889045565a9n;
const REQUEST_MAGIC = 0x25609513;
const REPLY_MAGIC = 0x67446698;
const FIXED_NEWSTYLE = 1;
const OPTION = { abort: 2, info: 6, go: 7 } as const;
const REPLY_TO_OPTION = { acknowledged: 1, info: 3, unsupported: 0x80000001 } as const;
const HAS_FLAGS_FLUSH_FUA = 1 | 4 | 8;
const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3 } as const;
const FORCE_UNIT_ACCESS = 1;
const EINVAL = 22;

/** Serves the file of a disk on a unix socket, to one client at a time. */
export async function startVolatileDisk(file: string, bytes: number, socketPath: string): Promise<VolatileDisk> {
  const disk = openSync(file, "r+");
  /** Sectors that are written and not flushed, newest contents. */
  const unflushed = new Map<number, Buffer>();
  const counts = { cuts: 0, flushes: 0, sectorsWritten: 0, piecesLost: 0, piecesKept: 0 };
  let client: Socket | null = null;

  const put = (sector: number, contents: Buffer): void => void writeSync(disk, contents, 0, SECTOR_BYTES, sector * SECTOR_BYTES);
  const flush = (): void => {
    counts.flushes += 1;
    for (const [sector, contents] of unflushed) put(sector, contents);
    unflushed.clear();
  };
  const read = (offset: number, length: number): Buffer => {
    const found = Buffer.alloc(length);
    readSync(disk, found, 0, length, offset);
    for (let at = 0; at < length; at += SECTOR_BYTES) unflushed.get((offset + at) / SECTOR_BYTES)?.copy(found, at);
    return found;
  };
  const write = (offset: number, data: Buffer, durable: boolean): void => {
    for (let at = 0; at < data.length; at += SECTOR_BYTES) {
      const sector = (offset + at) / SECTOR_BYTES;
      const contents = Buffer.from(data.subarray(at, at + SECTOR_BYTES));
      counts.sectorsWritten += 1;
      if (durable) {
        unflushed.delete(sector);
        put(sector, contents);
      } else unflushed.set(sector, contents);
    }
  };

  const serve = async (socket: Socket): Promise<void> => {
    const take = reader(socket);
    socket.write(Buffer.concat([MAGIC, OPTION_MAGIC, unsigned(2, FIXED_NEWSTYLE)]));
    await take(4);
    for (let chosen = false; !chosen;) {
      const head = await take(16);
      if (!head.subarray(0, 8).equals(OPTION_MAGIC)) throw new Error("not an NBD client");
      const option = head.readUInt32BE(8);
      await take(head.readUInt32BE(12));
      const reply = (kind: number, data = Buffer.alloc(0)): void => {
        const magic = Buffer.alloc(8);
        magic.writeBigUInt64BE(OPTION_REPLY_MAGIC);
        socket.write(Buffer.concat([magic, unsigned(4, option), unsigned(4, kind), unsigned(4, data.length), data]));
      };
      if (option === OPTION.go || option === OPTION.info) {
        const size = Buffer.alloc(8);
        size.writeBigUInt64BE(BigInt(bytes));
        reply(REPLY_TO_OPTION.info, Buffer.concat([unsigned(2, 0), size, unsigned(2, HAS_FLAGS_FLUSH_FUA)]));
        reply(REPLY_TO_OPTION.acknowledged);
        chosen = option === OPTION.go;
      } else reply(option === OPTION.abort ? REPLY_TO_OPTION.acknowledged : REPLY_TO_OPTION.unsupported);
    }
    for (;;) {
      const head = await take(28);
      if (head.readUInt32BE(0) !== REQUEST_MAGIC) throw new Error("not an NBD request");
      const [flags, command, offset, length] = [head.readUInt16BE(4), head.readUInt16BE(6), Number(head.readBigUInt64BE(16)), head.readUInt32BE(24)];
      if (command === COMMAND.disconnect) return;
      const fits = length <= REQUEST_BYTES_MAX && offset % SECTOR_BYTES === 0 && length % SECTOR_BYTES === 0 && offset + length <= bytes;
      const data = command === COMMAND.write ? await take(length) : null;
      // A request that was on its way when the power went has not reached the disk.
      if (client !== socket) return;
      let found: Buffer = Buffer.alloc(0);
      if (fits && command === COMMAND.read) found = read(offset, length);
      else if (fits && data !== null) {
        write(offset, data, (flags & FORCE_UNIT_ACCESS) !== 0);
        served.onWrite?.();
      }
      else if (command === COMMAND.flush) flush();
      const known = command === COMMAND.flush || (fits && (command === COMMAND.read || command === COMMAND.write));
      socket.write(Buffer.concat([unsigned(4, REPLY_MAGIC), unsigned(4, known ? 0 : EINVAL), head.subarray(8, 16), found]));
    }
  };

  const server: Server = createServer((socket) => {
    socket.on("error", () => undefined);
    if (client !== null) return void socket.destroy();
    client = socket;
    const over = (): void => {
      if (client === socket) client = null;
      socket.destroy();
    };
    socket.once("close", over);
    serve(socket).then(over, over);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, () => resolve());
  });
  const leave = (): void => {
    const gone = client;
    client = null;
    gone?.destroy();
  };
  const served: VolatileDisk = {
    socketPath, counts, onWrite: null,
    async cutPower(isLost) {
      leave();
      counts.cuts += 1;
      const lost = new Map<number, boolean>();
      for (const [sector, contents] of unflushed) {
        const piece = Math.floor(sector / PIECE_SECTORS);
        const isGone = lost.get(piece) ?? isLost();
        lost.set(piece, isGone);
        if (!isGone) put(sector, contents);
      }
      const gone = [...lost.values()].filter((each) => each).length;
      counts.piecesLost += gone;
      counts.piecesKept += lost.size - gone;
      unflushed.clear();
    },
    async close() {
      leave();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      closeSync(disk);
    },
  };
  return served;
}

/** Gives exactly so many bytes at a time; rejects when the connection ends. */
function reader(socket: Socket): (bytes: number) => Promise<Buffer> {
  const chunks = socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  let kept: Buffer = Buffer.alloc(0);
  return async (bytes) => {
    if (bytes > REQUEST_BYTES_MAX) throw new Error(`${bytes} bytes at once`);
    const parts = [kept];
    let length = kept.length;
    while (length < bytes) {
      const { value, done } = await chunks.next();
      if (done === true) throw new Error("the connection has ended");
      parts.push(value);
      length += value.length;
    }
    const all = parts.length === 1 ? kept : Buffer.concat(parts, length);
    kept = all.subarray(bytes);
    return all.subarray(0, bytes);
  };
}

function unsigned(bytes: 2 | 4, value: number): Buffer {
  const into = Buffer.alloc(bytes);
  into.writeUIntBE(value, 0, bytes);
  return into;
}
