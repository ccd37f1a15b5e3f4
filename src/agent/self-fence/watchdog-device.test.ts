// The watchdog's numbers and bytes; a real one is in self-fence-vm.test.ts.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isCounting, openWatchdog, readInfo } from "./watchdog-device.ts";

const folder = mkdtempSync(join(tmpdir(), "upkeep-watchdog-"));
after(() => rmSync(folder, { recursive: true }));

/** struct watchdog_info as an i6300esb of Linux 6.1 fills it in. */
const I6300ESB = Buffer.concat([Buffer.from([0x80, 0x81, 0, 0]), Buffer.alloc(4), Buffer.from("i6300ESB timer\0".padEnd(32, "\xff"), "latin1")]);

/** A device that is a file, and a kernel that notes what it is asked. */
function device(name: string, { options = I6300ESB, least = 0 } = {}) {
  const path = join(folder, name);
  writeFileSync(path, "");
  const asked: [number, number][] = [];
  let timeout = 60;
  const ioctl = (_descriptor: number, request: number, argument: Buffer): number => {
    if (request === 0x80285700) options.copy(argument);
    else if (request === 0xc0045706) {
      timeout = Math.max(least, argument.readInt32LE(0));
      asked.push([request, timeout]);
    } else if (request === 0x80045707) argument.writeInt32LE(timeout);
    else if (request === 0x80045702) argument.writeInt32LE(0x20);
    else asked.push([request, 0]);
    return 0;
  };
  return { path, asked, ioctl };
}

test("what a device says of itself", () => {
  assert.deepEqual(readInfo(I6300ESB), { identity: "i6300ESB timer", setsTimeout: true, magicClose: true });
  assert.deepEqual(readInfo(Buffer.alloc(40)), { identity: "", setsTimeout: false, magicClose: false });
});

test("opened it is petted and given its time; closed it is told not to bite", () => {
  const { path, asked, ioctl } = device("watchdog0");
  const opened = openWatchdog(path, 15_999, ioctl);
  assert.ok(opened.ok);
  const { watchdog } = opened;
  assert.deepEqual([watchdog.timeoutMs, watchdog.resetLast, watchdog.nowayout], [15_000, true, false]);
  watchdog.pet();
  assert.deepEqual(asked, [[0x80045705, 0], [0xc0045706, 15], [0x80045705, 0]]);
  assert.equal(watchdog.close(), true);
  assert.equal(readFileSync(path, "latin1"), "V");
});

test("dropped it goes on counting", () => {
  const { path, ioctl } = device("watchdog1");
  const opened = openWatchdog(path, 15_000, ioctl);
  assert.ok(opened.ok);
  opened.watchdog.drop();
  assert.equal(readFileSync(path, "latin1"), "");
});

test("one that waits longer than it should is none, and is closed again", () => {
  const { path, ioctl } = device("watchdog2", { least: 60 });
  const opened = openWatchdog(path, 15_000, ioctl);
  assert.equal(opened.ok, false);
  assert.match(opened.ok ? "" : opened.because, /waits 60 s, longer than the 15 s/);
  assert.equal(readFileSync(path, "latin1"), "V");
});

test("one without magic close cannot be closed", () => {
  const { path, ioctl } = device("watchdog3", { options: Buffer.from(I6300ESB).fill(0x80, 0, 1).fill(0, 1, 2) });
  const opened = openWatchdog(path, 15_000, ioctl);
  assert.ok(opened.ok);
  assert.equal(opened.watchdog.close(), false);
  assert.equal(readFileSync(path, "latin1"), "");
  opened.watchdog.drop();
});

test("what is not there, and what is no watchdog: a word, and nothing else", () => {
  const missing = openWatchdog(join(folder, "none/watchdog"), 15_000);
  assert.match(missing.ok ? "" : missing.because, /no such device/);
  // The real ioctl(2), on a file: ENOTTY.
  writeFileSync(join(folder, "plain"), "");
  const plain = openWatchdog(join(folder, "plain"), 15_000);
  assert.match(plain.ok ? "" : plain.because, /is no watchdog/);
  assert.equal(readFileSync(join(folder, "plain"), "latin1"), "");
  assert.equal(isCounting("/dev/watchdog99"), false);
});
