// The agent keeps things running in a machine with a real systemd: units, a container of systemd-nspawn, and a plain program that
// outlives the agent. Everything is killed, stopped, wedged and held from outside, and judged by which process serves.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { labRefusal } from "../../../lab/machine.ts";
import type { Network } from "../../../lab/netns.ts";
import { startNetwork } from "../../../lab/netns.ts";
import type { SystemdMachine } from "../../../lab/nspawn.ts";
import { CHECKOUT, nspawnRefusal, startSystemdMachine } from "../../../lab/nspawn.ts";
import { lacking, thirdParty } from "../../../lab/third-party.ts";

const LIMIT_MS = 60_000;
const CONFIG = `agent:
  name: logos
  data: /var/lib/upkeep-agent
  keep:
    web: { unit: lab-web.service, health: { tcp: { port: 7001, expect: hello } }, every: 1s, timeout: 1s, threshold: 2, startup: 20s, backoff: 200ms, stableFor: 5s }
    broken: { unit: lab-broken.service, every: 1s, backoff: 100ms, tries: 2, within: 1h, stableFor: 1h }
    job: { command: [${CHECKOUT}/bin/node24, /opt/server.cjs, "7002"], health: { tcp: { port: 7002, expect: hello, timeout: 20s } }, threshold: 10, every: 1s, startup: 20s, backoff: 200ms, backoffMax: 400ms, tries: 50, after: [web] }
    box: { nspawn: box, every: 1s, backoff: 200ms }
    lbox: { lxc: lbox, every: 1s, backoff: 200ms }
    away: { command: [/bin/sh, -c, "(trap '' TERM; exec setsid sleep 7777 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-) & sleep 1"], every: 500ms, backoff: 100ms, tries: 2, stopLimit: 1s }
    nowhere: { command: [/bin/sleep, "7778"], directory: /nowhere, every: 500ms, backoff: 100ms, tries: 2 }
`;
const SERVER = `require("node:net").createServer((socket) => socket.end("hello")).listen(Number(process.argv[2]), "127.0.0.1");`;
const SETUP = `set -e
mkdir -p /etc/upkeep /opt
cat > /etc/upkeep/upkeep.yaml <<'END'
${CONFIG}END
cat > /opt/server.cjs <<'END'
${SERVER}
END
unit() { printf '[Service]\\n%s\\n' "$2" > "/etc/systemd/system/$1"; }
unit lab-web.service 'ExecStart=${CHECKOUT}/bin/node24 /opt/server.cjs 7001'
unit lab-broken.service 'ExecStart=/bin/false'
# As the package's unit, as far as it matters here: a stop kills everything in its control group, and what it starts itself is shut in.
unit lab-agent.service 'NoNewPrivileges=yes
RestrictNamespaces=yes
OOMScoreAdjust=-900
Type=notify
ExecStart=${CHECKOUT}/bin/upkeep agent -c /etc/upkeep/upkeep.yaml --log text
Restart=always
RestartSec=100ms
[Unit]
StartLimitIntervalSec=0'
# A container in the container: a system of its own is more than is needed, a first process is enough.
mkdir -p /etc/systemd/system/systemd-nspawn@box.service.d
printf '[Service]\\nExecStart=\\nExecStart=unshare --pid --fork --kill-child sleep 100000\\nType=simple\\nDeviceAllow=\\nSlice=\\nKillMode=mixed\\nSuccessExitStatus=\\nRestartForceExitStatus=\\n' > /etc/systemd/system/systemd-nspawn@box.service.d/lab.conf
lxc=/var/lib/lxc/lbox
mkdir -p $lxc/rootfs/dev $lxc/rootfs/proc $lxc/rootfs/sys $lxc/rootfs/bin
cp "$(command -v busybox)" $lxc/rootfs/bin/busybox
printf 'lxc.uts.name = lbox\\nlxc.rootfs.path = dir:%s/rootfs\\nlxc.init.cmd = /bin/busybox sleep 7779\\nlxc.net.0.type = empty\\nlxc.apparmor.profile = unconfined\\n' $lxc > $lxc/config
systemctl daemon-reload
systemctl start lab-agent`;

describe("what an agent keeps running under a real systemd", { skip: labRefusal() ?? nspawnRefusal() ?? lacking("lxc-start", "lxc-info", "busybox") }, () => {
  let network: Network;
  let machine: SystemdMachine;
  const sh = async (script: string): Promise<{ readonly code: number | null; readonly out: string }> => {
    const { code, stdout, stderr } = await machine.exec(["sh", "-c", script], { timeoutMs: LIMIT_MS });
    return { code, out: `${stdout}${stderr}`.trim() };
  };
  const log = async (): Promise<string> => (await sh("journalctl -u lab-agent -o cat --no-pager")).out;
  const must = async (script: string): Promise<string> => {
    const { code, out } = await sh(script);
    assert.equal(code, 0, `${script}: exit ${code}: ${out}\n${await log()}`);
    return out;
  };
  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (const endMs = performance.now() + LIMIT_MS; !(await holds()); await sleep(200)) if (performance.now() > endMs) assert.fail(`never: ${what}\n${await log()}\n${(await sh("systemctl status lab-web lab-broken systemd-nspawn@box --no-pager")).out}`);
  }
  const serves = async (port: number): Promise<boolean> => (await sh(`env -i timeout 10 /bin/bash --norc -c 'cat < /dev/tcp/127.0.0.1/${port}'`)).out === "hello";
  /** Never 0: that would be everything in our own process group. */
  const kill = async (unit: string): Promise<void> => {
    const pid = await pidOf(unit);
    assert.notEqual(pid, "0", `${unit} does not run`);
    await must(`kill -9 ${pid}`);
  };
  const pidOf = (unit: string): Promise<string> => must(`systemctl show -p MainPID --value ${unit}`);
  const jobPids = async (): Promise<readonly string[]> => (await sh("pgrep -f '^[^ ]*node[^ ]* .*server.cjs 7002'")).out.split("\n").filter((line) => line !== "");
  /** What the agent said since. */
  const mark = async (): Promise<(pattern: RegExp) => Promise<boolean>> => {
    const { length } = await log();
    return async (pattern) => pattern.test((await log()).slice(length));
  };

  before(async () => {
    thirdParty("LXC", ["lxc-start", "--version"]);
    network = await startNetwork();
    machine = await startSystemdMachine(await network.node("keeper"), join(import.meta.dirname, "../../.."));
    await must(SETUP);
  });
  after(async () => {
    await machine?.stop();
    network?.stop();
  });

  test("what has not run since the start of the machine is started, in its order, and one that always fails is given up", async () => {
    await until("web serves", () => serves(7001));
    await until("the job serves", () => serves(7002));
    await until("the box runs", async () => (await pidOf("systemd-nspawn@box")) !== "0");
    // Which needs new namespaces: what the agent's unit may not make.
    await until("the container of LXC runs", async () => /keep:lbox: good/.test(await log()));
    const said = await log();
    assert.ok(said.indexOf("keep web: start") < said.indexOf("keep job: start"), said);
    await until("it was given up", async () => /keep:broken: bad, given up after 2 starts/.test(await log()));
  });

  test("killed, it is there again", async () => {
    for (const unit of ["lab-web", "systemd-nspawn@box"]) {
      const before = await pidOf(unit);
      await must(`kill -9 ${before}`);
      await until(`${unit} runs again`, async () => !["0", before].includes(await pidOf(unit)));
    }
    await until("web serves", () => serves(7001));
  });

  test("wedged, it is stopped and started: that the process is there is not enough", async () => {
    const before = await pidOf("lab-web");
    const said = await mark();
    // The kernel accepts connections for it all the same.
    await must(`kill -STOP ${before}`);
    await until("another one serves", async () => (await pidOf("lab-web")) !== before && (await serves(7001)));
    await until("the agent has seen it", () => said(/keep:web: good/));
  });

  test("stopped by a person it is left alone, and started by a person it is looked after again", async () => {
    const said = await mark();
    await must("systemctl stop lab-web");
    await until("the agent saw it", () => said(/keep:web: warn, lab-web.service is inactive.*: left alone/));
    await sleep(3_000);
    assert.equal(await pidOf("lab-web"), "0");
    await must("systemctl start lab-web");
    await until("it is good again", () => said(/keep:web: good/));
    await kill("lab-web");
    await until("web serves", () => serves(7001));
  });

  test("held it is left alone whatever becomes of it, and released it is started", async () => {
    await must(`${CHECKOUT}/bin/upkeep agent hold web --reason 'a new version' -c /etc/upkeep/upkeep.yaml`);
    const said = await mark();
    await kill("lab-web");
    await until("the agent says why", () => said(/keep web: held: a new version/));
    await sleep(3_000);
    assert.equal(await pidOf("lab-web"), "0");
    assert.equal((await sh(`${CHECKOUT}/bin/upkeep agent hold nonsense -c /etc/upkeep/upkeep.yaml`)).code, 2);
    await must(`${CHECKOUT}/bin/upkeep agent release web -c /etc/upkeep/upkeep.yaml`);
    await until("web serves", () => serves(7001));
  });

  test("what forks away and lets go of everything is ended with its command, and why a start fails is said", async () => {
    await until("both are given up", async () => /keep:away: bad, given up after 2 starts/.test(await log()) && /keep:nowhere: bad, given up after 2 starts.*its last start failed: .*its folder cannot be entered/.test(await log()));
    await until("nothing of it is left", async () => (await sh("pgrep -f '^sleep 7777'")).out === "");
  });

  test("the agent is killed and stopped at every turn, on a disk that takes nothing any more, and what it keeps goes on, once", async () => {
    await must("mount --bind /var/lib/upkeep-agent /var/lib/upkeep-agent && mount -o remount,bind,ro /var/lib/upkeep-agent");
    const [before] = await jobPids();
    assert.ok(before !== undefined);
    // Nothing of what the agent's own unit forbids and grants.
    const status = await must(`cat /proc/${before}/status /proc/${before}/oom_score_adj /proc/${before}/cgroup`);
    assert.match(status, /^NoNewPrivs:\t0$/m);
    assert.match(status, /^0$/m);
    assert.match(status, /upkeep-keep-[0-9a-f]{8}-job\.service/);
    // A stop, too, kills all that is in the service's control group.
    await must("systemctl kill -s KILL lab-agent; systemctl restart lab-agent");
    assert.deepEqual(await jobPids(), [before], `${(await log()).slice(-3_000)}\n${(await sh("journalctl -n 60 -o cat --no-pager; ps axf")).out}`);
    // From before it is started again to after.
    for (const seconds of [0.2, 1.1]) {
      const [pid = ""] = await jobPids();
      assert.notEqual(pid, "");
      await must(`kill -9 ${pid}; sleep ${seconds}`);
      const said = await mark();
      await sh("systemctl kill -s KILL lab-agent");
      await until("the next agent finds it well", () => said(/keep:job: good/));
      const pids = await jobPids();
      assert.equal(pids.length, 1, pids.join());
      assert.ok(!pids.includes(pid) && (await serves(7002)));
    }
    assert.match(await log(), /\/var\/lib\/upkeep-agent cannot be written \(EROFS\)/);
    await until("what was given up is still so", async () => /keep:broken: bad, given up after 2 starts/.test((await log()).slice(-4_000)));
  });
});
