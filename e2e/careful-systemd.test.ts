// Careful shutdown with a real systemd: the agent as a service of it stops units, starts those again that were active when the
// power comes back in the middle, and in the end powers the machine off by systemd's own way down.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { networkRefusal, startNetwork } from "../lab/netns.ts";
import { CHECKOUT, nspawnRefusal, startSystemdMachine } from "../lab/nspawn.ts";

const ROOT = join(import.meta.dirname, "..");
const LIMIT_MS = 180_000;

test("units of a real systemd: stopped in order, those that were active started again, and the machine off", { skip: networkRefusal() ?? nspawnRefusal() ?? false }, async () => {
  const network = await startNetwork();
  try {
    const [node, power, reference] = await Promise.all(["server", "power", "reference"].map((name) => network.node(name)));
    assert.ok(node !== undefined && power !== undefined && reference !== undefined);
    const machine = await startSystemdMachine(node, ROOT);
    const sh = (text: string): Promise<string> => machine.exec(["/bin/sh", "-c", text], { timeoutMs: 60_000 }).then(({ stdout }) => stdout);
    const until = async (wanted: () => Promise<boolean>, what: string): Promise<void> => {
      const endsAtMs = performance.now() + LIMIT_MS;
      while (!(await wanted())) {
        if (performance.now() > endsAtMs) assert.fail(`${what}: not within ${LIMIT_MS} ms\n${await sh("tail -30 /run/careful.log; cat /var/lib/lab-did")}`);
        await pause(100);
      }
    };
    const active = (unit: string): Promise<boolean> => sh(`systemctl is-active ${unit}`).then((said) => said.trim() === "active");
    const said = (text: string): Promise<boolean> => sh("cat /run/careful.log").then((log) => log.includes(text));
    try {
      const unit = (name: string, stopSeconds: number): string => `[Service]\nExecStart=/bin/sleep infinity\nExecStartPost=/bin/sh -c "echo ${name} started >> /var/lib/lab-did"\nExecStop=/bin/sh -c "echo ${name} stops >> /var/lib/lab-did; sleep ${stopSeconds}"\n`;
      const config = [
        "agent:", "  name: server", "  data: /var/lib/upkeep-agent", "  careful:",
        `    signal: { powerNodes: { nodes: [${power.address}], references: [${reference.address}] } }`,
        "    every: 1s", "    wait: 3s", "    steady: 1s", "    observe: never",
        "    stages: [{ stop: [lab-web.service, lab-idle.service] }, { stop: [lab-db.service] }]", "",
      ].join("\n");
      for (const [path, text] of [["/run/systemd/system/lab-web.service", unit("web", 0)], ["/run/systemd/system/lab-idle.service", unit("idle", 0)], ["/run/systemd/system/lab-db.service", unit("db", 6)], ["/etc/careful.yaml", config]] as const) {
        const { code, stderr } = await machine.exec(["/bin/sh", "-c", `cat > ${path}`], { input: text });
        assert.equal(code, 0, stderr);
      }
      await sh("systemctl daemon-reload; systemctl start lab-web lab-db");
      await sh(`systemd-run --unit upkeep-careful -p StandardError=append:/run/careful.log -p Restart=always ${CHECKOUT}/bin/upkeep agent -c /etc/careful.yaml --log text`);
      await until(() => said("power good: 1 of 1 power nodes answer"), "a good look");

      const mend = await network.faults.pullCable("power");
      await until(() => sh("cat /var/lib/lab-did").then((did) => did.includes("db stops")), "the second stage");
      await mend();
      await until(() => said("everything is started again"), "all started again");
      assert.deepEqual([await active("lab-web"), await active("lab-db"), await active("lab-idle")], [true, true, false]);
      assert.equal(await sh("cat /var/lib/lab-did"), "web started\ndb started\nweb stops\ndb stops\ndb started\nweb started\n");

      await network.faults.pullCable("power");
      // Off: nothing can be run in it any more, because systemd has taken everything down and ended.
      const endsAtMs = performance.now() + LIMIT_MS;
      for (let gone = false; !gone; ) {
        gone = await machine.exec(["/bin/true"], { timeoutMs: 60_000 }).then(({ code }) => code !== 0, () => true);
        if (!gone && performance.now() > endsAtMs) assert.fail(`still there: ${await sh("cat /run/careful.log")}`);
        await pause(200);
      }
    } finally {
      await machine.stop();
    }
  } finally {
    network.stop();
  }
});
