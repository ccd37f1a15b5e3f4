// Orphans and their look-alikes, as tables of processes; every look-alike must be left alone, for ever.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findOrphans } from "./find.ts";
import type { Known, Proc } from "./find.ts";
import { parseKnown } from "./orphans.ts";

const ID = "4f2a".repeat(16);
let ticks = 1_000;
function proc(pid: number, ppid: number, comm: string, more: Partial<Proc> = {}): Proc {
  return { pid, ppid, comm, startTicks: more.startTicks ?? pid * 10, state: "S", nsPids: [pid], pidNs: null, cgroup: "0::/\n", args: comm, ...more };
}
const init = (pid: number, ppid: number, comm: string, more: Partial<Proc> = {}): Proc => proc(pid, ppid, comm, { nsPids: [pid, 1], pidNs: `pid:[${pid}]`, ...more });
const table = (...all: readonly Proc[]): ReadonlyMap<number, Proc> => new Map([proc(1, 0, "systemd", { args: "/sbin/init" }), ...all].map((each) => [each.pid, each]));
const AGENT = 900;

/** Looks every half a minute, one table after the other, the last of them for a day; what is found in the end. */
function looks(tables: readonly ReadonlyMap<number, Proc>[]): readonly string[] {
  let known: ReadonlyMap<string, Known> = new Map();
  let nowMs = (ticks += 1_000);
  let found: readonly string[] = [];
  const last = tables.at(-1) ?? new Map<number, Proc>();
  for (const each of [...tables, ...Array.from({ length: 2_880 }, () => last)]) {
    const seen = findOrphans(each, known, nowMs, AGENT);
    known = seen.known;
    found = seen.found.map(({ kind, init: { pid }, processes, defunct }) => `${kind} ${pid} ${processes}/${defunct}`);
    nowMs += 30_000;
  }
  return found;
}

test("a supervisor that was seen at work for a while and is gone leaves an orphan, to whomever the kernel gave it", () => {
  const supervised = table(proc(10, 1, "unshare"), init(11, 10, "sh"), proc(12, 11, "sleep", { nsPids: [12, 2] }));
  assert.deepEqual(looks([supervised, supervised]), []);
  assert.deepEqual(looks([supervised, supervised, table(init(11, 1, "sh"), proc(12, 11, "sleep", { nsPids: [12, 2], state: "Z" }))]), ["orphan 11 2/1"]);
  // A subreaper, such as the systemd of a user or a session's own.
  assert.deepEqual(looks([supervised, supervised, table(proc(50, 1, "tmux: server"), init(11, 50, "sh"))]), ["orphan 11 1/0"]);
  // Its number has become somebody else's.
  assert.deepEqual(looks([supervised, supervised, table(proc(10, 1, "unshare", { startTicks: 77 }), init(11, 10, "sh"))]), ["orphan 11 1/0"]);
});

test("one that was left soon after it was made, or that nobody ever saw supervised, is a suspect and no more", () => {
  assert.deepEqual(looks([table(proc(10, 1, "runc"), init(11, 10, "nginx")), table(init(11, 1, "nginx"))]), ["suspect 11 1/0"]);
  assert.deepEqual(looks([table(init(11, 1, "nginx"))]), ["suspect 11 1/0"]);
});

test("a runtime's container is an orphan only while nothing of that runtime supervises it", () => {
  const groups: readonly (readonly [string, Proc])[] = [
    [`0::/machine.slice/libpod-${ID}.scope/container\n`, proc(20, 1, "conmon", { args: `/usr/bin/conmon --api-version 1 -c ${ID} -u ${ID}` })],
    [`12:pids:/docker/${ID}\n`, proc(20, 1, "containerd-shim", { args: `/usr/bin/containerd-shim-runc-v2 -namespace moby -id ${ID}` })],
    ["0::/lxc.payload.web-1\n", proc(20, 1, "lxc-start", { args: "[lxc monitor] /var/lib/lxc web" })],
    ["0::/machine.slice/systemd-nspawn@db.service/payload\n", proc(20, 1, "systemd-nspawn", { args: "systemd-nspawn --machine=db" })],
  ];
  for (const [cgroup, supervisor] of groups) {
    const lone = init(21, 1, "bash", { cgroup });
    // The supervisor is no parent of it (conmon's child was given away), and is there all the same; and comes back within the grace.
    assert.deepEqual(looks([table(supervisor, lone)]), [], cgroup);
    assert.deepEqual(looks([table(lone), table(supervisor, lone)]), [], cgroup);
    assert.deepEqual(looks([table(lone)]), ["orphan 21 1/0"], cgroup);
    // Of another container.
    if (!cgroup.includes("nspawn")) assert.deepEqual(looks([table(proc(20, 1, supervisor.comm, { args: supervisor.args.replaceAll(ID, "0".repeat(64)).replace(/web$/, "mail") }), lone)]), ["orphan 21 1/0"], cgroup);
  }
});

test("look-alikes are left alone for ever", () => {
  const alive: Readonly<Record<string, ReadonlyMap<number, Proc>>> = {
    "a shell in unshare": table(proc(10, 5, "unshare"), proc(5, 1, "bash"), init(11, 10, "bash")),
    "an unshare that outlived its terminal": table(proc(10, 1, "unshare"), init(11, 10, "bash")),
    "a browser's sandbox": table(proc(10, 1, "chrome"), init(11, 10, "chrome", { args: "chrome --type=zygote" }), proc(12, 11, "chrome", { nsPids: [12, 2] })),
    "bubblewrap of a desktop's program": table(proc(9, 1, "systemd", { args: "/lib/systemd/systemd --user" }), proc(10, 9, "bwrap"), init(11, 10, "bwrap")),
    "a service that systemd gave a namespace (PrivatePIDs=)": table(init(11, 1, "nginx", { cgroup: "0::/system.slice/nginx.service\n" })),
    "a container under its conmon": table(proc(10, 1, "conmon", { args: `conmon -c ${ID}` }), init(11, 10, "bash", { cgroup: `0::/machine.slice/libpod-${ID}.scope\n` })),
    "daemons without a namespace": table(proc(10, 1, "sshd"), proc(11, 1, "setsid-daemon"), proc(12, 1, "systemd", { args: "systemd --user" })),
    "a child of the agent's own": table(proc(AGENT, 1, "node"), init(11, AGENT, "kept")),
    "the first process of a container in a container": table(proc(10, 1, "dockerd"), init(11, 10, "bash"), proc(12, 11, "bash", { nsPids: [12, 30, 1], pidNs: "pid:[12]" })),
    "what has entered a namespace and is not its first process": table(proc(12, 1, "nsenter", { nsPids: [12, 7] })),
    "one that has ended and is not asked after": table(init(11, 1, "bash", { state: "Z" })),
    "one whose parent is outside of what we see": table(init(11, 0, "bash")),
    "a table that was torn while it was read": table(init(11, 4_711, "bash")),
  };
  for (const [what, seen] of Object.entries(alive)) assert.deepEqual(looks([seen, seen]), [], what);
});

test("a supervisor that starts its container anew makes another one, and the grace is the other's", () => {
  const first = table(proc(10, 1, "systemd-nspawn"), init(11, 10, "systemd"));
  assert.deepEqual(looks([first, first, table(proc(20, 1, "systemd-nspawn"), init(21, 20, "systemd"))]), []);
});

test("what was written down by an agent of another boot, torn, or of processes that are gone, is forgotten", () => {
  const key = "1/0";
  const known = [{ key, supervisor: null, seenFromMs: 1, seenToMs: 2, orphanedMs: null }];
  assert.equal(parseKnown(JSON.stringify({ boot: "b", known }), "c").size, 0);
  assert.equal(parseKnown(JSON.stringify({ boot: "b", known }), "b").size, 0, "the machine's first process began at another tick");
  assert.equal(parseKnown(JSON.stringify({ boot: "b", known: [null, 7, { key: 3 }, { key: "x" }, { ...known[0], seenToMs: "soon" }] }), "b").size, 0);
});
