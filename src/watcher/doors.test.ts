// The doors of a real watcher's process: off loopback it makes its own certificate and says so, tells the way to the first user
// in its log and nowhere else, takes up a certificate that was renewed, and keeps its rounds while passwords are guessed.

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { promisify } from "node:util";
import { lacking } from "../../lab/third-party.ts";
import type { AuditLine } from "../api/contract.ts";
import { until } from "../api/world-for-tests.ts";

const UPKEEP = join(import.meta.dirname, "../../bin/upkeep");
const run = promisify(execFile);

type Running = { readonly folder: string; readonly port: number; log(): string; up(...args: string[]): Promise<{ stdout: string; stderr: string }>; child: ReturnType<typeof spawn> };

async function watching(t: TestContext, api: (port: number, folder: string) => string): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-doors-"));
  const free = net.createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const config = join(folder, "upkeep.yaml");
  writeFileSync(config, `data: ./data\nwatcher: { name: w }\napi: ${api(port, folder)}\nhosts: { h: { address: 127.0.0.1, every: 1s, probes: [{ ssh: { port: 9 } }], power: p/1 } }\npower: { p: { driver: command, on: ["true"], off: ["true"], status: ["true"] } }\n`);
  const child = spawn(UPKEEP, ["watch", "-c", config, "--log", "json"], { stdio: ["ignore", "pipe", "pipe"] });
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    rmSync(folder, { recursive: true, force: true });
  });
  let [out, log] = ["", ""];
  child.stdout.on("data", (text: Buffer) => (out += text.toString()));
  child.stderr.on("data", (text: Buffer) => (log += text.toString()));
  await until("it watches", () => {
    assert.equal(child.exitCode, null, log);
    return out.includes("upkeep: watching 1 hosts");
  }, 60_000);
  return { folder, port, child, log: () => log, up: (...args) => run(UPKEEP, [...args, "-c", config]) };
}

/** The SHA-256 of the certificate that is shown, and the status of an answer. */
function shownAt(port: number, path = "/v1/health"): Promise<{ fingerprint: string; status: number }> {
  return new Promise((resolve, reject) => {
    const request = https.request({ host: "127.0.0.1", port, path, rejectUnauthorized: false, agent: false }, (response) => {
      const { fingerprint256 } = (response.socket as import("node:tls").TLSSocket).getPeerCertificate();
      response.resume().on("end", () => resolve({ fingerprint: fingerprint256, status: response.statusCode ?? 0 }));
    });
    request.on("error", reject);
    request.end();
  });
}

test("off loopback there is TLS by a certificate of its own; the log tells its fingerprint and the link, the journal does not", { timeout: 120_000 }, async (t) => {
  const it = await watching(t, (port) => `{ listen: "0.0.0.0:${port}", names: [watcher.lan] }`);
  const { fingerprint, status } = await shownAt(it.port);
  assert.equal(status, 200);
  assert.ok(it.log().includes(fingerprint), it.log());
  const [link = "", code = ""] = /https:\/\/watcher\.lan:\d+\/set-up#([A-Za-z0-9_-]{27})/.exec(it.log()) ?? [];
  assert.notEqual(link, "", it.log());
  // Every file of the data folder, and what the journal tells.
  for (const name of readdirSync(join(it.folder, "data")).filter((each) => each !== "upkeep.sock")) assert.ok(!readFileSync(join(it.folder, "data", name)).includes(code), name);
  assert.ok(!(await it.up("events", "--limit", "1000", "--json")).stdout.includes(code));
  await it.up("user", "add", "riki", "--role", "admin", "--password-file", passwordFile(it.folder));
  // Who was told that there is a user may rely on it, whatever happens next.
  it.child.kill("SIGKILL");
  await once(it.child, "exit");
  const again = spawn(UPKEEP, ["watch", "-c", join(it.folder, "upkeep.yaml")], { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => again.kill("SIGKILL"));
  let log = "";
  again.stderr.on("data", (text: Buffer) => (log += text.toString()));
  await once(again.stdout, "data");
  await until("the same certificate", async () => (await shownAt(it.port).catch(() => null))?.fingerprint === fingerprint, 60_000);
  assert.ok(log.includes(fingerprint) && !log.includes("/set-up#"), log);
  again.kill("SIGTERM");
  const [exit] = await once(again, "exit") as [number | null];
  assert.equal(exit, 0);
});

test("files of somebody's own are shown, and after a reload those that took their place", { timeout: 120_000, skip: lacking("openssl") }, async (t) => {
  const make = (folder: string, name: string) => execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.pem`], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const it = await watching(t, (port, folder) => {
    for (const name of ["a", "b"]) make(folder, name);
    return `{ listen: "127.0.0.1:${port}", tls: { cert: a.pem, key: a.key } }`;
  });
  const first = await shownAt(it.port);
  assert.equal(first.status, 200);
  copyFileSync(join(it.folder, "b.pem"), join(it.folder, "a.pem"));
  const half = await it.up("reload").catch((error: unknown) => error as { stdout: string; code: number });
  assert.match(half.stdout, /key of another certificate/, "half of a renewal is refused");
  assert.equal((await shownAt(it.port)).fingerprint, first.fingerprint);
  copyFileSync(join(it.folder, "b.key"), join(it.folder, "a.key"));
  await it.up("reload");
  await until("the new one", async () => (await shownAt(it.port)).fingerprint !== first.fingerprint);
});

test("while passwords are guessed by the thousand the rounds go on, every second", { timeout: 180_000 }, async (t) => {
  const it = await watching(t, (port) => `{ listen: "127.0.0.1:${port}" }`);
  await it.up("user", "add", "riki", "--role", "admin", "--password-file", passwordFile(it.folder));
  const http = await import("node:http");
  const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
  const statuses = new Map<number, number>();
  let sent = 0;
  const guess = () => new Promise<void>((resolve) => {
    sent += 1;
    const body = JSON.stringify({ user: "riki", password: `guess number ${sent}` });
    const request = http.request({ host: "127.0.0.1", port: it.port, agent, method: "POST", path: "/v1/session", headers: { "content-type": "application/json", "content-length": body.length } }, (response) => {
      statuses.set(response.statusCode ?? 0, (statuses.get(response.statusCode ?? 0) ?? 0) + 1);
      response.resume().on("end", () => resolve());
    });
    request.on("error", () => resolve());
    request.end(body);
  });
  const began = Date.now();
  await Promise.all(Array.from({ length: 32 }, async () => {
    while (sent < 2_000 || Date.now() - began < 3_000) await guess();
  }));
  agent.destroy();
  const tookMs = Date.now() - began;
  const rounds = (await it.up("history", "h", "--since", new Date(began).toISOString(), "--step", "raw", "--json")).stdout.trim().split("\n").length;
  assert.deepEqual([...statuses.keys()].toSorted(), [401, 429]);
  assert.ok(rounds >= tookMs / 1_000 / 2, `${rounds} rounds in ${tookMs} ms`);
  const lines = (await it.up("audit", "--json", "--limit", "5000")).stdout.trim().split("\n").map((line) => JSON.parse(line) as AuditLine);
  assert.ok(lines.some(({ answer }) => /refusals before it that repeated others/.test(answer)) || lines.length < sent);
  const status = JSON.parse((await it.up("status", "--json").catch((error: unknown) => error as { stdout: string })).stdout) as { hosts: unknown[] };
  assert.equal(status.hosts.length, 1);
});

function passwordFile(folder: string): string {
  const path = join(folder, "password");
  writeFileSync(path, "correct horse battery\n", { mode: 0o600 });
  return path;
}
