import assert from "node:assert/strict";
import { test } from "node:test";
import { hostsOfSelf, thisMachine } from "./self.ts";
import type { Candidate } from "./self.ts";

const host = (name: string, address: string, more: Partial<Candidate> = {}): Candidate => ({ name, address, behind: null, levels: [], ...more });
const on = (outlet: string): Partial<Candidate> => ({ levels: [[{ device: "s", outlet }]] });

function selves(hosts: readonly Candidate[], addresses: readonly string[], stated: string | null = null, hostname = "me.example.org"): readonly string[] {
  return [...hostsOfSelf(hosts, stated, { addresses, hostname })].sort();
}

test("a host with an address of this machine is its own, however that is written", () => {
  assert.deepEqual(selves([host("a", "10.0.0.1"), host("b", "10.0.0.2")], ["10.0.0.2"]), ["b"]);
  assert.deepEqual(selves([host("a", "fd77:0:0::0001")], ["fd77::1"]), ["a"]);
  assert.deepEqual(selves([host("a", "fe80::1%eth0")], ["fe80::1"]), ["a"]);
  assert.deepEqual(selves([host("a", "::ffff:10.0.0.1")], ["10.0.0.1"]), ["a"]);
});

test("loopback addresses are everybody's and say nothing", () => {
  assert.deepEqual(selves([host("a", "127.0.0.1"), host("b", "127.0.0.2"), host("c", "::1"), host("d", "localhost")], ["127.0.0.1", "127.0.0.2", "::1"], null, "localhost"), []);
});

test("a host whose address is this machine's name is its own", () => {
  assert.deepEqual(selves([host("a", "me.example.org"), host("b", "ME"), host("c", "other.example.org")], []), ["a", "b"]);
});

test("what is stated goes before what is found", () => {
  assert.deepEqual(selves([host("a", "10.0.0.1"), host("b", "10.0.0.2")], ["10.0.0.2"], "a"), ["a"]);
});

test("a shared outlet and what the watcher hangs on are its own as well, in circles too", () => {
  const hosts = [host("me", "10.0.0.1", { ...on("1"), behind: "vm" }), host("twin", "10.0.0.2", on("1")), host("vm", "10.0.0.3", { ...on("2"), behind: "me" }), host("free", "10.0.0.4", on("3"))];
  assert.deepEqual(selves(hosts, ["10.0.0.1"]), ["me", "twin", "vm"]);
});

test("this machine has a name and addresses", () => {
  const { addresses, hostname } = thisMachine();
  assert.ok(hostname.length > 0 && addresses.includes("127.0.0.1"));
});
