import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startLibvirt } from "../../lab/libvirt.ts";
import type { Libvirt } from "../../lab/libvirt.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { UpkeepError } from "../core/errors.ts";
import { powerConformance } from "./conformance.ts";
import type { PowerRig } from "./conformance.ts";
import { libvirt } from "./libvirt.ts";

const SKIP = lacking("libvirtd", "virsh", "setpriv");

let daemon: Promise<Libvirt> | null = null;
function lab(): Promise<Libvirt> {
  thirdParty("virsh (libvirt)", [programPath("virsh") ?? "", "--version"]);
  return (daemon ??= startLibvirt());
}
after(async () => (await daemon)?.close());

// Stands before the real virsh in the path: writes down what was asked, and loses what it is told to lose. What it gets is
// --quiet --connect URI COMMAND --domain NAME.
const BETWEEN = `#!/bin/sh
folder=$(dirname "$0")
case "$4" in destroy) word=off ;; start) word=on ;; *) exec ${programPath("virsh")} "$@" ;; esac
if [ -e "$folder/lose-command" ]; then rm "$folder/lose-command"; exec sleep 600; fi
${programPath("virsh")} "$@" && echo "$word $6" >>"$folder/log" || exit
if [ -e "$folder/lose-answer" ]; then rm "$folder/lose-answer"; kill -KILL $$; fi
`;

let count = 0;
async function rig(stepMs: number): Promise<PowerRig> {
  const place = await lab();
  const folder = mkdtempSync(join(tmpdir(), "upkeep-virsh-"));
  writeFileSync(join(folder, "virsh"), BETWEEN);
  chmodSync(join(folder, "virsh"), 0o755);
  const path = process.env["PATH"];
  process.env["PATH"] = `${folder}:${path}`;
  count += 1;
  const [outlet, other] = [`db-${count}`, `web-${count}`];
  for (const name of [outlet, other]) {
    await place.define(place.testUri, name);
    await place.start(place.testUri, name);
  }
  return {
    device: libvirt.create({ uri: place.testUri, stepMs, maxActMs: 30_000 }),
    outlet, other,
    unknown: "no-such-domain",
    secrets: ["hunter2"],
    commands: () => (existsSync(join(folder, "log")) ? readFileSync(join(folder, "log"), "utf8").trim().split("\n") : []),
    truth: async (name) => ((await place.running(place.testUri, name)) ? "on" : "off"),
    loseAnswer: () => writeFileSync(join(folder, "lose-answer"), ""),
    loseCommand: () => writeFileSync(join(folder, "lose-command"), ""),
    hang: () => place.freeze(),
    async close() {
      place.thaw();
      process.env["PATH"] = path;
      rmSync(folder, { recursive: true });
      return Promise.resolve();
    },
  };
}

powerConformance("libvirt", () => rig(20_000), () => rig(1_500), SKIP);

const signal = (): AbortSignal => AbortSignal.timeout(60_000);
const yes = (_: unknown, write: () => void): Promise<boolean> => {
  write();
  return Promise.resolve(true);
};
const failsWith = (code: string, message: RegExp) => (error: unknown): boolean => error instanceof UpkeepError && error.code === code && message.test(error.message);

test("a real QEMU is cut and restored: its process is gone, and another one is there", { skip: SKIP || lacking("qemu-system-x86_64") }, async () => {
  thirdParty("QEMU", [programPath("qemu-system-x86_64") ?? "", "--version"]);
  const place = await lab();
  await place.define(place.qemuUri, "logos");
  await place.start(place.qemuUri, "logos");
  const before = place.process("logos");
  assert.ok(before !== null && existsSync(`/proc/${before}`));
  const session = await libvirt.create({ uri: place.qemuUri, stepMs: 30_000, maxActMs: 60_000 }).open(signal());
  const off = await session.set("logos", "off", yes, signal());
  assert.equal(off.kind, "accepted", off.evidence);
  assert.equal((await session.read(["logos"], signal()))[0]?.state, "off");
  assert.ok(!existsSync(`/proc/${before}`), "the process that was the machine");
  assert.equal((await session.set("logos", "on", yes, signal())).kind, "accepted");
  assert.equal((await session.read(["logos"], signal()))[0]?.state, "on");
  const now = place.process("logos");
  assert.ok(now !== null && now !== before && existsSync(`/proc/${now}`));
  await session.close();
});

test("a domain that is defined only while it runs is no outlet; an id, an option or another spelling is none either", { skip: SKIP }, async () => {
  const place = await lab();
  const session = await libvirt.create({ uri: place.testUri, stepMs: 20_000, maxActMs: 30_000 }).open(signal());
  await place.define(place.testUri, "passing", { transient: true });
  await assert.rejects(session.set("passing", "off", yes, signal()), failsWith("POWER_OUTLET", /could not be started again/));
  assert.equal(await place.running(place.testUri, "passing"), true);
  for (const name of ["1", "-c", "a b", "", "../x"]) await assert.rejects(session.read([name], signal()), failsWith("POWER_OUTLET", /domain/), name);
  await session.close();
});

test("a daemon that is not there, and a virsh that is not there, are named", { skip: SKIP }, async (t) => {
  const place = await lab();
  const nowhere = await libvirt.create({ uri: "qemu+unix:///system?socket=/nonexistent/sock", stepMs: 20_000, maxActMs: 30_000 }).open(signal());
  await assert.rejects(nowhere.read(["db"], signal()), failsWith("POWER_UNREACHABLE", /failed to connect/));
  const path = process.env["PATH"];
  t.after(() => (process.env["PATH"] = path));
  process.env["PATH"] = "/nonexistent";
  await assert.rejects(libvirt.create({ uri: place.testUri, stepMs: 20_000, maxActMs: 30_000 }).open(signal()), failsWith("POWER_UNREACHABLE", /virsh is not installed/));
});
