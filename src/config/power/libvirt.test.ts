import assert from "node:assert/strict";
import { test } from "node:test";
import { codesOf, loadGood, loadText, marked } from "../testing.ts";

const text = (settings: string): string => `watcher: { name: w, references: [192.0.2.254] }\nalerts: { command: [page-me] }\nhosts: { db1: { address: 10.0.0.1, power: hv/db1 } }\npower: { hv: { driver: libvirt${settings} } }\n`;

test("the system's own libvirt is the default, and {host} makes one device a host", async () => {
  assert.equal((await loadGood(text(""))).policy.devices.get("hv")?.address, "qemu:///system");
  const config = await loadGood(text(", uri: \"qemu+ssh://root@{host}-hv/system\""));
  assert.equal(config.policy.devices.get("hv@db1")?.address, "qemu+ssh://root@db1-hv/system");
  assert.equal(config.policy.devices.get("hv@db1")?.maxActMs, 60_000);
});

test("what is no URI, or holds a password, is refused where it stands, and the password is not told", async () => {
  for (const uri of ["qemu", "--help", "qemu+tls://bob:hunter2@hv/system", "qemu:///system extra"]) {
    const { text: yaml, places } = marked(text(`, uri: §"${uri}"`));
    const { problems } = await loadText(yaml);
    assert.deepEqual(codesOf(problems, "error"), [`${places[0]} VALUE_INVALID`], uri);
    assert.doesNotMatch(JSON.stringify(problems), /hunter2/);
  }
});
