// The agent as a service of a real systemd, by the very commands of docs/guides/agents.md, with a watcher beside it that takes
// it in: enrolled; killed at any moment and back in the state it was in; a loop that stands still; out of memory; a file without
// its section. And without systemd, in the foreground.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { AgentDetails, AgentReport } from "../src/api/contract.ts";
import type { Lab } from "../lab/machine.ts";
import { labRefusal, startLab } from "../lab/machine.ts";
import type { SystemdMachine } from "../lab/nspawn.ts";
import { CHECKOUT, nspawnRefusal, startSystemdMachine } from "../lab/nspawn.ts";
import type { Ran } from "../lab/rig.ts";
import { until } from "./watching.ts";

const ROOT = join(import.meta.dirname, "..");
const GUIDE = readFileSync(join(ROOT, "docs/guides/agents.md"), "utf8");
const CONFIG = "/etc/upkeep/upkeep.yaml";
const WATCHER_CONFIG = "/root/watcher.yaml";
const UNIT = "upkeep-agent";
const LIMIT_MS = 120_000;

describe("the agent's service", { skip: labRefusal() ?? nspawnRefusal() ?? false }, () => {
  let lab: Lab;
  let machine: SystemdMachine;

  const sh = async (script: string): Promise<Ran> => {
    const { code, stdout, stderr } = await machine.exec(["sh", "-c", script], { timeoutMs: LIMIT_MS });
    return { code: code ?? -1, stdout, stderr };
  };
  const must = async (script: string): Promise<string> => {
    const { code, stdout, stderr } = await sh(script);
    assert.equal(code, 0, `${script}: exit ${code}: ${stdout}${stderr}\n${(await sh(`systemctl status ${UNIT} watcher; journalctl -u ${UNIT} -n 30 --no-pager`)).stdout}`);
    return stdout;
  };
  const property = async (name: string): Promise<string> => (await must(`systemctl show ${UNIT} -p ${name} --value`)).trim();
  const agent = async (): Promise<AgentReport | undefined> => {
    const { stdout } = await sh(`/opt/upkeep/bin/upkeep agents --json -c ${WATCHER_CONFIG}`);
    return stdout === "" ? undefined : (JSON.parse(stdout) as AgentReport[])[0];
  };
  const connected = (): Promise<unknown> => until("the agent is connected", async () => (await agent())?.state === "connected", LIMIT_MS, 300);
  /** Back with another process, and connected as before. */
  const back = async (pid: string): Promise<number> => {
    const beganMs = performance.now();
    await until("it was started again", async () => (await property("ActiveState")) === "active" && !["0", pid].includes(await property("MainPID")), LIMIT_MS, 200);
    const tookMs = performance.now() - beganMs;
    await connected();
    return tookMs;
  };

  before(async () => {
    lab = await startLab();
    machine = await startSystemdMachine(await lab.node("service"), ROOT);
    const [install = ""] = [...GUIDE.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block);
    assert.match(install, /upkeep-agent\.service/);
    await must(`set -e\ncd ${CHECKOUT}\n${install}`);
    await must(`cat > ${WATCHER_CONFIG} <<'END'\ndata: /var/lib/watcher\nwatcher: { name: rikis }\nagents: { listen: "127.0.0.1:7443" }\napi: { listen: null }\nhosts: { logos: { address: 127.0.0.1, probes: [ping] } }\nEND
systemd-run --unit=watcher -p Type=notify -p TimeoutStartSec=90 /opt/upkeep/bin/upkeep watch -c ${WATCHER_CONFIG}`);
  });
  after(async () => {
    await machine?.stop();
    await lab?.stop();
  });

  test("a file without a section agent starts none, and that is no failure", async () => {
    await must(`mkdir -p /etc/upkeep && echo 'hosts: { logos: { address: 10.0.0.1 } }' > ${CONFIG} && systemctl daemon-reload && systemctl start ${UNIT}`);
    assert.equal(await property("ActiveState"), "inactive");
    assert.equal(await property("NRestarts"), "0");
    assert.match(await must(`journalctl -u ${UNIT} --no-pager`), /Skipped due to 'exec-condition'/);
  });

  test("with one it runs, is enrolled while it runs, and tells the watcher that it is there", async () => {
    await must(`printf 'agent:\n  name: logos\n  watchers: [127.0.0.1]\n' > ${CONFIG} && systemctl enable --now ${UNIT}`);
    assert.equal(await property("ActiveState"), "active");
    await must(`code=$(/opt/upkeep/bin/upkeep agent code logos -c ${WATCHER_CONFIG}) && STATE_DIRECTORY=/var/lib/upkeep-agent /opt/upkeep/bin/upkeep agent enroll "$code" -c ${CONFIG}`);
    await connected();
    assert.match(await must("stat -c %a:%U /var/lib/upkeep-agent /var/lib/upkeep-agent/link/identity.pem"), /^700:root\n600:root\n$/);
    assert.equal(await property("OOMScoreAdjust"), "-900");
    // The watcher's unit has nothing to do with a file that is an agent's alone.
    await must(`install -D -m 644 -t /etc/systemd/system ${CHECKOUT}/packaging/systemd/upkeep-watch.service && systemd-sysusers ${CHECKOUT}/packaging/sysusers.d/upkeep.conf && chgrp -R upkeep /etc/upkeep && chmod -R g+rX /etc/upkeep && systemctl daemon-reload && systemctl start upkeep-watch`);
    assert.match(await must("systemctl show upkeep-watch -p ActiveState -p NRestarts; journalctl -u upkeep-watch --no-pager"), /NRestarts=0\nActiveState=inactive\n[\s\S]*Skipped due to 'exec-condition'/);
  });

  test("killed at any moment it is back within seconds in the state in which it was", async (t) => {
    const took: number[] = [];
    // While it connects, while it is connected, while it starts: each moment is another one.
    for (const waitMs of [0, 400, 1_500]) {
      const pid = await property("MainPID");
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      await must(`kill -KILL ${pid}`);
      took.push(await back(pid));
    }
    t.diagnostic(`started again after ${took.map((ms) => (ms / 1_000).toFixed(1)).join(", ")} s`);
    assert.ok(Math.min(...took) < 30_000);
    const details = JSON.parse((await sh(`/opt/upkeep/bin/upkeep agents show logos --json -c ${WATCHER_CONFIG}`)).stdout) as AgentDetails;
    assert.equal(details.state, "connected");
  });

  test("a loop that stands still is killed by the watchdog, and the agent starts again", async () => {
    await must(`mkdir -p /etc/systemd/system/${UNIT}.service.d && printf '[Service]\nWatchdogSec=6s\n' > /etc/systemd/system/${UNIT}.service.d/test.conf && systemctl daemon-reload && systemctl restart ${UNIT}`);
    await connected();
    const pid = await property("MainPID");
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    assert.equal(await property("MainPID"), pid, "one that turns is left alone");
    await must(`kill -STOP ${pid}`);
    await back(pid);
    assert.match(await must(`journalctl -u ${UNIT} -o cat --no-pager`), /Watchdog timeout/);
    await must(`rm -r /etc/systemd/system/${UNIT}.service.d && systemctl daemon-reload && systemctl restart ${UNIT}`);
    await connected();
  });

  test("stopped it ends in order, at once; and it takes everything back", async () => {
    await must(`systemctl stop ${UNIT}`);
    assert.equal(await property("Result"), "success");
    assert.equal(await property("ExecMainStatus"), "0");
    await until("the watcher knows", async () => (await agent())?.state === "away", LIMIT_MS, 300);
    assert.match(await must(`STATE_DIRECTORY=/var/lib/upkeep-agent /opt/upkeep/bin/upkeep agent uninstall -c ${CONFIG}`), /has taken back all/);
    assert.equal((await sh("ls /var/lib/upkeep-agent/link")).stdout.trim(), "");
  });

  test("without a service manager it runs in the foreground, and enrols and stops there as well", async () => {
    await must(`code=$(/opt/upkeep/bin/upkeep agent code logos -c ${WATCHER_CONFIG}) && cd /root && printf 'agent: { name: logos, watchers: [127.0.0.1], data: state }\n' > fore.yaml && /opt/upkeep/bin/upkeep agent enroll "$code" -c fore.yaml && (env -u NOTIFY_SOCKET /opt/upkeep/bin/upkeep agent -c fore.yaml >fore.out 2>&1 & echo $! > fore.pid)`);
    await connected();
    await must("kill -TERM $(cat /root/fore.pid)");
    await until("it is gone", async () => (await agent())?.state === "away", LIMIT_MS, 300);
    assert.match(await must("cat /root/fore.out"), /upkeep: agent of logos/);
  });
});
