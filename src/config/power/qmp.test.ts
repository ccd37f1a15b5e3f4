import assert from "node:assert/strict";
import { test } from "node:test";
import { codesOf, loadGood, loadText, marked } from "../testing.ts";

const text = (socket: string): string => `watcher: { name: w, references: [192.0.2.254] }\nalerts: { command: [page-me] }\nhosts: { db1: { address: 10.0.0.1, power: guest } }\npower: { guest: { driver: qmp, socket: ${socket}, on: [systemctl, start, "qemu@{host}"] } }\n`;

test("{host} makes one device a host, which serves one client", async () => {
  const { policy, shell } = await loadGood(text('"/run/qemu/{host}.qmp"'));
  const device = policy.devices.get("guest@db1");
  assert.deepEqual([device?.address, device?.exclusiveSession], ["/run/qemu/db1.qmp", true]);
  assert.deepEqual(shell.devices.get("guest@db1")?.options, { socket: "/run/qemu/db1.qmp", on: ["systemctl", "start", "qemu@db1"] });
});

test("what cannot be a socket's path is refused where it stands", async () => {
  for (const socket of ["qmp", "/run/", "/run/a b", `/${"x".repeat(107)}`]) {
    const { text: yaml, places } = marked(text(`§"${socket}"`));
    assert.deepEqual(codesOf((await loadText(yaml)).problems, "error"), [`${places[0]} VALUE_INVALID`], socket);
  }
});
