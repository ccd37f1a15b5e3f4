// The door with a lock, knocked at by other programs: curl and openssl trust it by its certificate, old versions and plain HTTP
// are turned away with a word, and a renewed certificate is shown to the next one.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import tls from "node:tls";
import { promisify } from "node:util";
import { lacking, thirdParty } from "../../lab/third-party.ts";
import { ownCertificate } from "./access/own-certificate.ts";
import { CSRF_HEADER } from "./contract.ts";
import type { Opened } from "./doors-for-tests.ts";
import { ask, newPath, opened, post } from "./doors-for-tests.ts";
import { until } from "./world-for-tests.ts";

const run = promisify(execFile);
const PASSWORD = "correct horse battery";

const curl = async (it: Opened, path: string, ...more: string[]) => {
  const { stdout } = await run("curl", ["-s", "-S", "-i", "--max-time", "20", "--cacert", join(it.folder, "api.crt"), "--resolve", `watcher.lan:${it.tcp.port}:127.0.0.1`, ...more, `https://watcher.lan:${it.tcp.port}${path}`]);
  const [head = "", ...body] = stdout.split("\r\n\r\n");
  return { head, body: body.join("\r\n\r\n") };
};

test("curl by the watcher's own certificate: log-in, a cookie for this host alone, a command, no hint for who has nothing", { skip: lacking("curl") }, async () => {
  thirdParty("curl", ["curl", "--version"]);
  const it = await opened({ tls: "own", names: ["watcher.lan"] });
  try {
    await post(it.control, "/v1/users", { user: "riki", role: "admin", password: PASSWORD });
    assert.match((await curl(it, "/v1/health")).head, /^HTTP\/1\.1 200 /);
    assert.match((await curl(it, "/v1/status")).head, /^HTTP\/1\.1 401 /);
    const held = await curl(it, "/v1/session", "--json", JSON.stringify({ user: "riki", password: PASSWORD }));
    const [, cookie = ""] = /set-cookie: (__Host-upkeep-[0-9a-f]{8}=[A-Za-z0-9_-]{43}); Path=\/; HttpOnly; SameSite=Strict; Secure; Max-Age=\d+/i.exec(held.head) ?? [];
    assert.notEqual(cookie, "", held.head);
    const { csrf } = JSON.parse(held.body) as { csrf: string };
    const command = { by: "x", command: { kind: "brake", brake: "maintenance", scope: "logos", forMs: 60_000, reason: "" } };
    const sent = await curl(it, "/v1/commands", "--json", JSON.stringify(command), "-b", cookie, "-H", `${CSRF_HEADER}: ${csrf}`);
    assert.match(sent.body, /"exit":0/);
    assert.match((await curl(it, "/v1/status", "-b", cookie.replace("__Host-", ""))).head, /^HTTP\/1\.1 401 /, "a cookie that anybody could have planted");
    assert.match((await curl(it, "/v1/status", "-b", cookie, "-H", "Host: evil.example")).head, /^HTTP\/1\.1 403 /);
    assert.doesNotMatch(held.head, /strict-transport-security/i, "of a certificate that nobody vouches for no promise is made");
  } finally {
    await it.close();
  }
});

test("TLS 1.2 and 1.3, and nothing older; what is no TLS is told so or let go", async () => {
  const it = await opened({ tls: "own" });
  try {
    const version = (min: tls.SecureVersion, max: tls.SecureVersion) => new Promise<string | null>((resolve, reject) => {
      const socket = tls.connect({ ...it.tcp, rejectUnauthorized: false, minVersion: min, maxVersion: max, ciphers: "DEFAULT@SECLEVEL=0" }, () => {
        resolve(socket.getProtocol());
        socket.destroy();
      });
      socket.on("error", reject);
    });
    assert.deepEqual([await version("TLSv1.2", "TLSv1.2"), await version("TLSv1.3", "TLSv1.3")], ["TLSv1.2", "TLSv1.3"]);
    for (const old of ["TLSv1", "TLSv1.1"] as const) await assert.rejects(version(old, old), /alert|protocol|version/i);
    const plain = await ask(it.tcp, "GET", "/v1/status");
    assert.deepEqual([plain.status, (plain.json as { error: string }).error], [400, "this port speaks TLS: write https:// instead of http://"]);
    const said = (bytes: Buffer) => new Promise<string>((resolve) => {
      const socket = net.connect(it.tcp, () => socket.write(bytes));
      let got = "";
      socket.setEncoding("latin1").on("data", (chunk: string) => (got += chunk));
      socket.on("error", () => {});
      socket.on("close", () => resolve(got));
    });
    // A handshake that is none; half of one; a length that lies.
    for (const bytes of [Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]), Buffer.from([0x16, 3, 3, 0xff, 0xff, ...Buffer.alloc(400, 1)]), Buffer.alloc(2_000, 0x16)]) {
      const got = await said(bytes);
      assert.doesNotMatch(got, /HTTP/);
    }
    assert.equal((await ask(it.control, "GET", "/v1/health")).status, 200);
    assert.deepEqual(it.troubles, []);
  } finally {
    await it.close();
  }
});

test("who opens a connection and says nothing holds no end up", async () => {
  const it = await opened({ tls: "own" });
  const silent = net.connect(it.tcp);
  silent.on("error", () => {});
  await new Promise<void>((resolve) => silent.on("connect", () => resolve()));
  const began = performance.now();
  await it.close();
  assert.ok(performance.now() - began < 4_000);
  silent.destroy();
});

test("files of somebody's own: shown, promised to browsers, and exchanged without a restart", async () => {
  const first = ownCertificate(folderOf("first"), ["localhost"], Date.now());
  const second = ownCertificate(folderOf("second"), ["localhost"], Date.now());
  const it = await opened({ tls: { cert: first.cert, key: first.key } });
  try {
    const shown = () => new Promise<string>((resolve, reject) => {
      const socket = tls.connect({ ...it.tcp, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
      socket.on("error", reject);
    });
    assert.equal(await shown(), first.fingerprint);
    assert.equal(it.api.doors.fingerprint, null, "the watcher did not make it");
    writeFileSync(join(it.folder, "api.crt"), first.cert);
    const { stdout } = await run("curl", ["-s", "-i", "--max-time", "20", "--cacert", join(it.folder, "api.crt"), `https://localhost:${it.tcp.port}/v1/health`]);
    assert.match(stdout, /strict-transport-security: max-age=31536000/i);
    it.api.renew({ cert: second.cert, key: second.key });
    await until("the new one", async () => (await shown()) === second.fingerprint);
    assert.throws(() => it.api.renew({ cert: second.cert, key: first.key }), /key/i);
    assert.equal(await shown(), second.fingerprint, "what does not fit changes nothing");
  } finally {
    await it.close();
  }
});

function folderOf(name: string): string {
  return mkdtempSync(`${newPath()}-${name}`);
}
