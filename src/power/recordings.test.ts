// Every file in recordings/ is played to its driver: the recorded side says what it said then, and the driver has to say the
// same words and make the same readings of it. Whoever sends a recording of a device makes it one that all changes are tried
// on. How a side is played depends on how the driver speaks: over a connection, to an agent, or by running programs.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpsServer } from "node:https";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { selfSigned } from "../../lab/redfish-bmc.ts";
import { loadPowerDrivers, POWER_DRIVER_NAMES } from "./index.ts";
import type { PowerDevice } from "./power.ts";
import { parseRecording } from "./recording.ts";
import type { Recording, Turn } from "./recording.ts";
import type { SnmpAgent } from "./snmp-client.ts";
import { SnmpDevice } from "./snmp-pdu.ts";
import type { SnmpPduOptions } from "./snmp-pdu.ts";

const FOLDER = new URL("./recordings/", import.meta.url);
const TIMES = { stepMs: 20_000, maxActMs: 60_000 };

type Played = { readonly device: PowerDevice; /** What was said otherwise than then. */ readonly wrong: string[] };

async function created(driver: string, options: Readonly<Record<string, unknown>>): Promise<PowerDevice> {
  const name = POWER_DRIVER_NAMES.find((each) => each === driver);
  assert.ok(name !== undefined, `no driver is called ${driver}`);
  return (await loadPowerDrivers([name])).get(name)?.create({ ...options, ...TIMES }) as PowerDevice;
}

/** Over TCP, or a socket of this machine where the driver has one: says what was heard then, and waits for what was said then. */
async function overConnection(t: TestContext, { driver, options, turns }: Recording): Promise<Played> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-replay-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = "socket" in options ? join(folder, "socket") : null;
  const wrong: string[] = [];
  const server = createServer((socket) => {
    const left = [...turns];
    let said = "";
    const go = (): void => {
      for (let turn = left[0]; turn !== undefined; turn = left[0]) {
        if (turn.by === "us") {
          if (!said.startsWith(turn.text)) {
            if (turn.text.startsWith(said)) return;
            wrong.push(`said ${JSON.stringify(said)}, and then ${JSON.stringify(turn.text)}`);
            return void socket.destroy();
          }
          said = said.slice(turn.text.length);
        } else socket.write(Buffer.from(turn.text, "latin1"));
        left.shift();
      }
      socket.end();
    };
    socket.on("error", () => {}).on("data", (bytes) => {
      said += bytes.toString("latin1");
      go();
    });
    go();
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => (path === null ? server.listen(0, "127.0.0.1", resolve) : server.listen(path, resolve)));
  const here = path === null ? { host: "127.0.0.1", port: (server.address() as AddressInfo).port } : { socket: path };
  return { device: await created(driver, { ...options, ...here }), wrong };
}

/** An agent that answers the questions of the recording, each once and in order. */
function toAgent(_t: TestContext, { options, turns }: Recording): Promise<Played> {
  const wrong: string[] = [];
  const left = pairs(turns);
  const answer = (question: string): unknown => {
    const [said, heard] = left.shift() ?? ["nothing", "null"];
    if (said !== question) wrong.push(`asked ${question}, and then ${said}`);
    return JSON.parse(heard);
  };
  const agent: SnmpAgent = {
    ended: false,
    get: async (oids) => oids.map((oid) => answer(`get ${oid}`)) as never,
    next: async (oid) => answer(`next ${oid}`) as never,
    set: () => assert.fail("a replay switches nothing"),
    close: () => {},
  };
  return Promise.resolve({ device: new SnmpDevice({ host: "recorded", port: 161, ...options, ...TIMES } as unknown as SnmpPduOptions, async () => agent), wrong });
}

/** Over HTTPS: answers the requests of the recording, each once and in order. */
async function overHttps(t: TestContext, { driver, options, turns }: Recording): Promise<Played> {
  const wrong: string[] = [];
  const left = pairs(turns);
  const { key, cert } = selfSigned();
  const server = createHttpsServer({ key, cert }, (request, response) => {
    let body = "";
    request.on("data", (bytes: Buffer) => (body += bytes.toString()));
    request.on("end", () => {
      const [said, heard] = left.shift() ?? ["nothing", "{}"];
      const asked = JSON.stringify({ method: request.method, path: request.url, body });
      if (said !== asked) wrong.push(`asked ${asked}, and then ${said}`);
      const answer = JSON.parse(heard) as { status?: number; headers?: Record<string, string>; body?: string };
      response.writeHead(answer.status ?? 500, answer.headers ?? {}).end(answer.body ?? "");
    });
  }).listen(0, "127.0.0.1");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const here = { host: "127.0.0.1", port: (server.address() as AddressInfo).port, verify: false, ca: null, fingerprint: null };
  return { device: await created(driver, { ...options, ...here }), wrong };
}

/** Programs of the recorded names, first in the path, that print what was printed then. */
async function byPrograms(t: TestContext, { driver, options, turns }: Recording): Promise<Played> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-replay-"));
  const path = process.env["PATH"];
  t.after(() => {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true });
  });
  const runs = pairs(turns).map(([said, heard]) => ({ asked: JSON.parse(said) as { argv: string[]; input: string }, answer: JSON.parse(heard) as { end: { code?: number }; stdout: string; said: string } }));
  writeFileSync(join(folder, "runs.json"), JSON.stringify(runs));
  writeFileSync(join(folder, "play.mjs"), PLAY);
  for (const name of new Set(runs.map(({ asked }) => basename(asked.argv[0] ?? "")))) {
    writeFileSync(join(folder, name), `#!/bin/sh\nexec '${process.execPath}' '${join(folder, "play.mjs")}' '${name}' "$@"\n`);
    chmodSync(join(folder, name), 0o755);
  }
  process.env["PATH"] = `${folder}:${path}`;
  const local = (value: unknown): unknown => (Array.isArray(value) ? value.map((word, index) => (index === 0 ? basename(String(word)) : word)) : value);
  const device = await created(driver, Object.fromEntries(Object.entries(options).map(([key, value]) => [key, local(value)])));
  return { device, wrong: [] };
}

const PLAY = `
import { readFileSync, writeFileSync, writeSync } from "node:fs";
const place = new URL("./runs.json", import.meta.url);
const runs = JSON.parse(readFileSync(place, "utf8"));
const [name, ...rest] = process.argv.slice(2);
const run = runs.shift();
writeFileSync(place, JSON.stringify(runs));
const input = run?.asked.input ? readFileSync(0, "utf8") : "";
const expected = run === undefined ? null : [run.asked.argv[0].split("/").at(-1), ...run.asked.argv.slice(1)];
if (JSON.stringify(expected) !== JSON.stringify([name, ...rest]) || input !== run.asked.input) {
  writeSync(2, "not as it was recorded\\n");
  process.exit(97);
}
writeSync(1, run.answer.stdout);
writeSync(2, run.answer.said.replace(run.answer.stdout, ""));
process.exit(run.answer.end.code ?? 98);
`;

function pairs(turns: readonly Turn[]): [said: string, heard: string][] {
  return turns.flatMap(({ by, text }, index): [string, string][] => (by === "us" ? [[text, turns[index + 1]?.text ?? "null"]] : []));
}

const HOW: Readonly<Record<string, (t: TestContext, recording: Recording) => Promise<Played>>> = { apc: overConnection, "snmp-pdu": toAgent, redfish: overHttps, qmp: overConnection };

const files = readdirSync(FOLDER).filter((name) => name.endsWith(".recording"));

for (const file of files) {
  test(`${file}: the driver says the same and reads the same`, async (t) => {
    const recording = parseRecording(readFileSync(new URL(file, FOLDER), "utf8"));
    const { device, wrong } = await (HOW[recording.driver] ?? byPrograms)(t, recording);
    const session = await device.open(AbortSignal.timeout(30_000));
    const readings = await session.read(recording.outlets, AbortSignal.timeout(30_000));
    await session.close();
    assert.deepEqual(readings, recording.readings);
    assert.deepEqual(wrong, []);
  });
}

test("a replay notices a driver that says something else, and one that reads something else", async (t) => {
  const file = files.find((name) => name.includes("apc"));
  assert.ok(file !== undefined);
  const recording = parseRecording(readFileSync(new URL(file, FOLDER), "utf8"));
  const { device, wrong } = await overConnection(t, { ...recording, turns: recording.turns.map((turn) => (turn.by === "us" && turn.text === "1\r" ? { ...turn, text: "9\r" } : turn)) });
  await assert.rejects(device.open(AbortSignal.timeout(30_000)).then((session) => session.read(recording.outlets, AbortSignal.timeout(30_000))));
  assert.equal(wrong.length, 1);
});
