// The Debian package in a fresh Debian that debootstrap has just made, booted with its real systemd, with a host and a power
// strip in the lab's network: what docs/guides/package.md tells people to type, to the first verdict; an upgrade in the
// middle of an operation; removed, installed again, purged until nothing is left.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { debianRoot, debootstrapRefusal } from "../lab/debian-root.ts";
import { labRefusal } from "../lab/machine.ts";
import type { SystemdMachine } from "../lab/nspawn.ts";
import { CHECKOUT, nspawnRefusal, startSystemdMachine } from "../lab/nspawn.ts";
import type { Ran, Rig } from "../lab/rig.ts";
import { startRig } from "../lab/rig.ts";
import { buildPackage } from "../scripts/package.ts";
import { ARCHITECTURES } from "../scripts/package/architecture.ts";
import type { Status } from "./watching.ts";
import { edgesOf, recordsOf, until } from "./watching.ts";

const ROOT = join(import.meta.dirname, "..");
const GUIDE = readFileSync(join(ROOT, "docs/guides/package.md"), "utf8");
const VERSION = (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string }).version;
const BEFORE = "0.2.0";
const CONFIG = "/etc/upkeep/upkeep.yaml";
const UNIT = "upkeep-watch";
const LIMIT_MS = 90_000;
const EXPOSURE_MAX = 3;
const OFF_FOR_S = 6;
const SETTINGS = `armed: true
brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 0s }
defaults: { every: 1s, timeout: 900ms, threshold: 3, debounce: 5s, boot: 10s, offFor: ${OFF_FOR_S}s, healthyFor: 1s, settle: 2s }
`;
/** What changes by itself, and what apt writes down about any package. */
const OF_NO_PACKAGE = "^/(proc|sys|dev|run|tmp|checkout|var/log|var/cache/(ldconfig|apt|man)|var/lib/(dpkg|apt|systemd|private)|etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|etc/\\.pwd\\.lock)";

const amd64 = ARCHITECTURES.find(({ debian }) => debian === "amd64");

describe("the package in a fresh Debian", { skip: labRefusal() ?? nspawnRefusal() ?? debootstrapRefusal() ?? (process.arch === "x64" ? false : "the package of this architecture is not what is tried here") }, () => {
  let rig: Rig;
  let machine: SystemdMachine;
  let packages: string;
  let files: readonly string[];
  let beganMs: number;

  const sh = async (script: string): Promise<Ran> => {
    const { code, stdout, stderr } = await machine.exec(["sh", "-c", script], { timeoutMs: LIMIT_MS, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", DEBIAN_FRONTEND: "noninteractive" } });
    return { code: code ?? -1, stdout, stderr };
  };
  const must = async (script: string): Promise<string> => {
    const { code, stdout, stderr } = await sh(script);
    assert.equal(code, 0, `${script}: exit ${code}: ${stdout}${stderr}\n${(await sh(`systemctl status ${UNIT}; journalctl -u ${UNIT} -n 30 --no-pager`)).stdout}`);
    return stdout;
  };
  const property = async (name: string): Promise<string> => (await must(`systemctl show ${UNIT} -p ${name} --value`)).trim();
  const status = async (): Promise<Status | null> => {
    const { stdout } = await sh("upkeep status --json");
    return stdout === "" ? null : (JSON.parse(stdout) as Status);
  };
  const guarded = (): Promise<unknown> => until("logos is guarded", async () => (await status())?.hosts[0]?.guarded === true, LIMIT_MS, 200);
  /** What the guide installs, with this version of it. */
  const install = (version: string): Promise<string> => must(`apt-get install -y ${CHECKOUT}/upkeep_${version}-1_amd64.deb`);
  const everything = async (): Promise<readonly string[]> => (await must(`find / -xdev -regextype posix-extended -regex '${OF_NO_PACKAGE}.*' -prune -o -print`)).split("\n").filter((path) => path !== "").sort();

  before(async () => {
    assert.ok(amd64 !== undefined);
    packages = mkdtempSync(join(tmpdir(), "upkeep-packages-"));
    for (const version of [BEFORE, VERSION]) await buildPackage({ architecture: amd64, folder: packages, version, compression: "none" });
    const lower = await debianRoot();
    rig = await startRig({ hosts: ["logos"], kind: "machines", bootMs: 500, device: "check: 5s, timeout: 3s, deadline: 6s" });
    assert.ok(rig.lab !== null);
    mkdirSync(packages, { recursive: true });
    machine = await startSystemdMachine(await rig.lab.node("service"), packages, lower);
    files = await everything();
  });
  after(async () => {
    await machine?.stop();
    await rig?.stop();
    rmSync(packages, { recursive: true, force: true });
  });

  test("what the guide says leads to a guarded host", async (t) => {
    const [, typed = ""] = [...GUIDE.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block ?? "");
    const [apt = "", init = "", check = "", start = "", look = ""] = typed.trimEnd().split("\n");
    assert.match(apt, /^apt-get install \.\/upkeep_\*_amd64\.deb$/);
    beganMs = performance.now();
    const said = await install(BEFORE);
    t.diagnostic(`installed in ${Math.round(performance.now() - beganMs)} ms`);
    assert.match(said, /upkeep init --out \/etc\/upkeep\/upkeep\.yaml/, "it says what comes next");
    assert.equal((await sh(`systemctl is-enabled ${UNIT}`)).stdout.trim(), "enabled");
    assert.equal(await property("ActiveState"), "inactive", "nothing is started that has nothing to watch");
    await must(start);
    assert.equal(await property("ActiveState"), "inactive");
    assert.equal(await property("ConditionResult"), "no", "and systemd says why");
    assert.equal((await must("cat /proc/sys/net/ipv4/ping_group_range")).trim().replace(/\s+/, " "), "0 2147483647");

    const { address } = rig.host("logos");
    const device = (/sucker: \{ driver: apc, address: "([^"]+)"/.exec(readFileSync(rig.config, "utf8")) ?? [])[1];
    const flags = `--yes --power sucker=apc:${device} --set sucker.username=apc --set sucker.deadline=6s --secret sucker.password=- --host logos=${address},${rig.outlet("logos")} --reference ${device?.split(":")[0]} --mail root@localhost`;
    await must(`echo '${rig.password}' | ${init} ${flags}`);
    assert.match(await must(`stat -c %a:%U:%G /etc/upkeep ${CONFIG} /etc/upkeep/*password*`), /^750:root:upkeep\n640:root:upkeep\n640:root:upkeep\n$/, "the service may read it, and nobody else");
    await must(check);
    await must(`sed -i -e '/^armed:/d' -e '/^brakes:/d' -e '/^defaults:/d' ${CONFIG} && cat >> ${CONFIG} <<'END'\n${SETTINGS}END`);
    await must(`${check} && ${start}`);
    assert.match(look, /^upkeep status$/);
    await until("the first verdict", async () => (await status())?.hosts[0]?.verdict === "up", LIMIT_MS, 100);
    t.diagnostic(`from apt-get to the first verdict: ${((performance.now() - beganMs) / 1_000).toFixed(1)} s`);
    await guarded();
    const pid = await property("MainPID");
    const process = await must(`cat /proc/${pid}/status; tr '\\0' ' ' < /proc/${pid}/cmdline`);
    t.diagnostic(/VmRSS:\s+\d+ kB/.exec(process)?.[0] ?? "");
    assert.match(process, /^CapEff:\t0+$/m);
    assert.match(process, /\/usr\/lib\/upkeep\/bin\/node .*\/usr\/lib\/upkeep\/src\/watcher\/start\.mjs /);
    assert.match(process, new RegExp(` ${BEFORE.replaceAll(".", "\\.")} $`));
    assert.equal(await must(`stat -c %U /proc/${pid}`), "upkeep\n");
  });

  test("it is exposed as little as it says", async (t) => {
    const said = await must(`systemd-analyze security ${UNIT} --no-pager | tail -n 1`);
    const exposure = Number((/exposure level for \S+: ([0-9.]+)/.exec(said) ?? [])[1]);
    t.diagnostic(said.trim());
    assert.ok(exposure < EXPOSURE_MAX, said);
  });

  test("shells, `man` and the simulator find what they look for", async () => {
    assert.equal((await must("upkeep __complete -- incid")).trim(), "incidents");
    assert.equal((await must("upkeep __complete -- why lo")).trim(), "logos", "names come from the watcher");
    await must("bash -c '. /usr/share/bash-completion/completions/upkeep && complete -p upkeep'");
    assert.match(await must("zcat /usr/share/man/man1/upkeep-status.1.gz"), /^\.TH "UPKEEP-STATUS"/);
    assert.match(await must("upkeep sim --seeds 4 --jobs 2; upkeep check --schema | head -c 100"), /4 seeds/);
    for (const command of ["events --since 1h", "history logos", "incidents", "power logos status", "why logos", "maintenance list"]) assert.doesNotMatch((await sh(`upkeep ${command}`)).stderr, /Cannot find|ERR_/, command);
    assert.equal((await must("find /usr/lib/upkeep -newer /usr/lib/upkeep/package.json -type f | head -n 3")).trim(), "", "who types a command writes nothing into the package");
  });

  test("the page, the interface and its description are served from the package", async () => {
    const ask = (path: string): Promise<string> => must(`/usr/lib/upkeep/bin/node -e 'require("node:http").get("http://127.0.0.1:8080${path}", (answer) => { console.log(answer.statusCode, answer.headers["content-type"]); answer.setEncoding("utf8").on("data", (text) => process.stdout.write(text)); })'`);
    const page = await ask("/");
    assert.match(page, /^200 text\/html/);
    const [, script = ""] = /<script[^>]* src="([^"]+)"/.exec(page) ?? [];
    assert.match(await ask(script), /^200 text\/javascript/);
    assert.match(await ask("/v1/openapi.json"), /^200 application\/json[^]*"openapi":\s*"3\.1/);
    assert.match(await ask("/metrics"), /^200 [^]*upkeep_/);
  });

  test("an upgrade in the middle of an operation waits for the on, and goes on with the new version", async () => {
    const pid = await property("MainPID");
    const mark = (await rig.records()).length;
    await rig.host("logos").freeze();
    await until("logos is cut", async () => edgesOf((await rig.records()).slice(mark)).length > 0, LIMIT_MS, 50);
    await install(VERSION);
    assert.deepEqual(edgesOf((await rig.records()).slice(mark)), [`${rig.outlet("logos")} off`, `${rig.outlet("logos")} on`], "on again before its files were replaced");
    assert.equal(await property("ActiveState"), "active");
    assert.notEqual(await property("MainPID"), pid);
    assert.match(await must(`tr '\\0' ' ' < /proc/${await property("MainPID")}/cmdline`), new RegExp(` ${VERSION.replaceAll(".", "\\.")} $`));
    assert.equal((await must("upkeep -V")).trim(), VERSION);
    await rig.host("logos").serving();
    await guarded();
    assert.match((await must("upkeep incidents --json")), /"outcome":"(recovered|ended unseen)"/, "what the one before knew, the next knows");
  });

  test("a watcher that was stopped by hand stays stopped", async () => {
    await must(`systemctl stop ${UNIT}`);
    await must(`apt-get install -y --reinstall ${CHECKOUT}/upkeep_${VERSION}-1_amd64.deb`);
    assert.equal(await property("ActiveState"), "inactive");
    assert.equal((await sh(`systemctl is-enabled ${UNIT}`)).stdout.trim(), "enabled", "and starts at the next boot");
    // One that is not enabled, and was started by hand, goes on; and is no more enabled than it was.
    await must(`systemctl disable ${UNIT} && systemctl start ${UNIT}`);
    await must(`apt-get install -y --reinstall ${CHECKOUT}/upkeep_${VERSION}-1_amd64.deb`);
    assert.equal(await property("ActiveState"), "active");
    assert.equal((await sh(`systemctl is-enabled ${UNIT}`)).stdout.trim(), "disabled");
    await must(`systemctl enable ${UNIT}`);
    await guarded();
  });

  test("removed, it leaves what it remembers and what it was told; installed again it goes on", async () => {
    await must(`touch /var/lib/upkeep/a-file-of-somebody`);
    const kept = await must("find /etc/upkeep /var/lib/upkeep -type f ! -name '*-wal' ! -name '*-shm' | sort");
    await must("apt-get remove -y upkeep");
    assert.equal((await sh(`systemctl is-active ${UNIT}`)).stdout.trim(), "inactive");
    assert.equal((await sh("ls -d /usr/lib/upkeep /usr/bin/upkeep 2>/dev/null")).stdout, "");
    const left = (await must("find /etc/upkeep /var/lib/upkeep -type f | sort")).split("\n");
    for (const path of kept.trimEnd().split("\n").filter((each) => !/upkeep\.(sock|pid)|lock/.test(each))) assert.ok(left.includes(path), `${path} is gone: ${left.join(" ")}`);
    await install(VERSION);
    await guarded();
    assert.match(await must("upkeep incidents --json"), /"outcome"/);
  });

  test("purged, nothing of it is left", async () => {
    await must("apt-get purge -y upkeep");
    assert.deepEqual((await everything()).filter((path) => !files.includes(path)), []);
    assert.equal((await sh("dpkg -l upkeep 2>/dev/null | grep ^ii; systemctl list-unit-files --no-legend 'upkeep*'; pgrep -f upkeep")).stdout, "");
    assert.equal(recordsOf(await rig.records(), "edge").length, 2, "off and on, in the one outage that there was");
  });
});
