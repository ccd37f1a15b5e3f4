import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { run, whichProgram } from "./child.ts";
import { startProcessHost } from "./process-host.ts";
import type { VirtualHost, Wedge } from "./virtual-host.ts";

const SILENCE_MS = 250;
const BANNER = "SSH-2.0-UpkeepLab_1\r\n";

async function start(t: TestContext, bootMs = 0): Promise<VirtualHost> {
  const host = await startProcessHost({ name: "logos", address: "127.0.0.1", bootMs });
  t.after(() => host.stop());
  return host;
}

/** The banner; "" when a connection came about and nothing was said; null when it was refused. */
async function readBanner(host: VirtualHost): Promise<string | null> {
  const socket: Socket = connect(host.sshPort, host.address);
  try {
    await once(socket, "connect");
    const [banner] = await once(socket, "data", { signal: AbortSignal.timeout(SILENCE_MS) });
    return String(banner);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") return null;
    return "";
  } finally {
    socket.destroy();
  }
}

/** What c-ares makes of the host's DNS: an address or an error code. */
async function resolve(host: VirtualHost, name = host.dnsName): Promise<string> {
  const resolver = new Resolver({ timeout: SILENCE_MS, tries: 1 });
  resolver.setServers([`${host.address}:${host.dnsPort}`]);
  try {
    return (await resolver.resolve4(name)).join(" ");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "?";
  }
}

async function assertSeen(host: VirtualHost, banner: string | null, dns: string): Promise<void> {
  assert.deepEqual([await readBanner(host), await resolve(host)], [banner, dns]);
}

test("a process host serves a banner and its name", async (t) => {
  const host = await start(t);
  await assertSeen(host, BANNER, "127.0.0.1");
  assert.equal(await resolve(host, "LOGOS.Lab.Test"), "127.0.0.1");
  assert.equal(await resolve(host, "ethos.lab.test"), "EREFUSED");
});

const dig = whichProgram("dig") === null ? "not installed: dig" : false;
test("dig is answered over UDP and TCP, also for types and names that are not served", { skip: dig }, async (t) => {
  const host = await start(t);
  const ask = async (...question: string[]): Promise<string> =>
    (await run(["dig", "+time=5", "+tries=1", "-p", String(host.dnsPort), `@${host.address}`, ...question])).stdout;
  for (const transport of ["+notcp", "+tcp"]) {
    assert.match(await ask(transport, host.dnsName, "A"), /status: NOERROR[^]*IN\tA\t127\.0\.0\.1\n/);
    assert.match(await ask(transport, host.dnsName, "AAAA"), /status: NOERROR[^]*ANSWER: 0/);
    assert.match(await ask(transport, ".", "NS"), /status: REFUSED/);
    await host.wedge("dns-servfail");
    assert.match(await ask(transport, host.dnsName, "A"), /status: SERVFAIL/);
    await host.heal();
  }
});

test("nonsense does not end it", async (t) => {
  const host = await start(t);
  for (const port of [host.sshPort, host.dnsPort]) {
    for (const bytes of [Buffer.from([0xff, 0xff]), Buffer.from([0, 2, 1, 2]), Buffer.alloc(20_000, "x")]) {
      const socket = connect(port, host.address);
      socket.on("error", () => undefined);
      socket.resume().end(bytes);
      await once(socket, "close");
    }
  }
  await assertSeen(host, BANNER, "127.0.0.1");
});

const seen: Readonly<Partial<Record<Wedge, readonly [banner: string, dns: string]>>> = {
  "frozen": ["", "ETIMEOUT"],
  "sshd-stopped": ["", "127.0.0.1"],
  "banner-silent": ["", "127.0.0.1"],
  "dns-servfail": [BANNER, "ESERVFAIL"],
};
test("every wedge is seen, heals, gives way to another, and is cured by a power cycle", async (t) => {
  const host = await start(t);
  assert.deepEqual(Object.keys(seen), host.wedges);
  for (const kind of host.wedges) {
    await host.wedge(kind);
    assert.equal(host.wedged, kind);
    await assertSeen(host, ...seen[kind] ?? assert.fail());
    await host.heal();
    assert.equal(host.wedged, null);
    await assertSeen(host, BANNER, "127.0.0.1");
    for (const other of host.wedges) {
      await host.wedge(other);
      await host.wedge(kind);
    }
    await assertSeen(host, ...seen[kind] ?? assert.fail());
    await host.powerOff();
    await host.powerOn();
    await host.serving();
    await assertSeen(host, BANNER, "127.0.0.1");
  }
  await assert.rejects(host.wedge("link-down"), /cannot be wedged as link-down/);
});

test("off refuses, on serves again at the same ports; both may be repeated", async (t) => {
  const host = await start(t);
  const ports = [host.sshPort, host.dnsPort];
  const open = connect(host.sshPort, host.address).on("error", () => undefined);
  const closed = once(open, "close");
  await once(open, "data");
  await Promise.all([host.powerOff(), host.powerOff()]);
  await closed;
  assert.equal(host.powered, false);
  assert.equal(await readBanner(host), null);
  await assert.rejects(host.serving(), /logos is off/);
  await assert.rejects(host.wedge("frozen"), /logos is off/);
  await host.heal();
  await Promise.all([host.powerOn(), host.powerOn()]);
  await host.serving();
  assert.deepEqual([host.sshPort, host.dnsPort], ports);
  await assertSeen(host, BANNER, "127.0.0.1");
  assert.deepEqual(host.edges.map((edge) => edge.to), ["on", "off", "on"]);
});

test("boots after its delay, and can be switched off while it boots", async (t) => {
  const host = await start(t, 300);
  await host.powerOff();
  const poweredAtMs = performance.now();
  await host.powerOn();
  assert.equal(await readBanner(host), null);
  await host.serving();
  assert.ok(performance.now() - poweredAtMs >= 300);
  await host.powerOff();
  await host.powerOn();
  const booting = assert.rejects(host.serving(), /ended before it served/);
  await host.powerOff();
  await booting;
  await sleep(350);
  assert.equal(await readBanner(host), null);
});

test("a port that is taken is said so, and two hosts can share a port on two addresses", async (t) => {
  const one = await start(t);
  const same = { sshPort: one.sshPort, dnsPort: one.dnsPort };
  await assert.rejects(startProcessHost({ name: "ethos", address: "127.0.0.1", ...same }), /EADDRINUSE/);
  const other = await startProcessHost({ name: "ethos", address: "127.0.0.2", ...same });
  t.after(() => other.stop());
  assert.deepEqual([other.sshPort, await resolve(other), await resolve(one)], [one.sshPort, "127.0.0.2", "127.0.0.1"]);
});

test("a frozen host dies with the process that plugged it in", async () => {
  const program = `
    import { startProcessHost } from ${JSON.stringify(new URL("process-host.ts", import.meta.url).href)};
    import { readFileSync } from "node:fs";
    const host = await startProcessHost({ name: "logos", address: "127.0.0.1" });
    await host.freeze();
    process.stdout.write(readFileSync("/proc/self/task/" + process.pid + "/children", "utf8").trim() + "\\n");
    setInterval(() => undefined, 1000);`;
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(child, "exit");
    const [line] = await once(child.stdout, "data") as [Buffer];
    const host = Number(line.toString());
    assert.ok(existsSync(`/proc/${host}/exe`));
    child.kill(signal);
    assert.deepEqual(await exited, [null, signal]);
    // Dead, if perhaps not yet reaped: a zombie has no program.
    for (let tries = 0; existsSync(`/proc/${host}/exe`) && tries < 200; tries += 1) await sleep(10);
    assert.equal(existsSync(`/proc/${host}/exe`), false);
  }
});
