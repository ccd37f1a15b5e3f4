import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import fc from "fast-check";
import { noFaults, setFaults, startApcPdu, type ApcPdu, type ApcPduOptions } from "./apc-pdu.ts";
import { RawClient } from "./apc-raw-client.ts";

const PROMPT = "\r\napc>";

async function start(t: TestContext, options: Partial<ApcPduOptions> = {}): Promise<ApcPdu> {
  const pdu = await startApcPdu({ dialect: "shell", ...options });
  t.after(() => pdu.close());
  return pdu;
}

async function client(t: TestContext, pdu: ApcPdu, login = true): Promise<RawClient> {
  const raw = await RawClient.open(pdu);
  t.after(() => raw.socket.destroy());
  if (login) await raw.login("apc", "apc", "apc>");
  return raw;
}

const edges = (pdu: ApcPdu): string[] => pdu.log.all("edge").map((edge) => `${edge.outlet} ${edge.state}`);

/** What a menu3 client sends for `off 2`, with no regard for answers. */
const DIALOGUE = "apc\rapc\r1\r2\r1\r2\r1\r2\rYES\r";

test("one session at a time: the second is closed or reset at once, or after its log-in, and the first goes on", async (t) => {
  const pdu = await start(t);
  const first = await client(t, pdu);
  const second = await client(t, pdu, false);
  assert.equal(await second.ended(), "end");
  assert.equal(second.text, "");
  pdu.faults.secondSession = "reset";
  // The RST may come before the connection counts as made.
  const third = await RawClient.open(pdu).then((raw) => raw.ended(), (error: NodeJS.ErrnoException) => error.code);
  assert.equal(third, "ECONNRESET");
  pdu.faults.secondSession = "after-login";
  const fourth = await client(t, pdu, false);
  await fourth.login("apc", "apc", "Another user is logged in");
  assert.equal(await fourth.ended(), "end");
  assert.equal(pdu.state().sessionsMax, 1);
  assert.equal(pdu.state().connectionsMax, 2);
  assert.deepEqual(pdu.log.all("open").map((open) => open.admitted), [true, false, false, false]);
  assert.match(await first.ask("olStatus 2", PROMPT), /On/);
  pdu.faults.secondSession = "allow";
  await client(t, pdu);
  assert.equal(pdu.state().sessionsMax, 2);
});

test("a client that vanished holds the session as a ghost; one that logged out does not", async (t) => {
  const pdu = await start(t, { faults: { ghostMs: 1_000 } });
  const polite = await client(t, pdu);
  polite.send("quit\r");
  await polite.ended();
  await pdu.log.until("released");
  const rude = await client(t, pdu);
  rude.vanish();
  const close = await pdu.log.until("close", (record) => record.connection === 2);
  assert.equal(pdu.state().sessions, 1);
  const refused = await client(t, pdu, false);
  assert.equal(await refused.ended(), "end");
  const released = await pdu.log.until("released", (record) => record.connection === 2);
  assert.ok(released.monoMs - close.monoMs >= 990, `${released.monoMs - close.monoMs} ms`);
  await client(t, pdu);
  assert.equal(pdu.state().sessionsMax, 1);
});

test("a line delivered late: the off of a client that is long gone is carried out, and the session is its own until then", async (t) => {
  const pdu = await start(t, { dialect: "menu3", faults: { hold: { ms: 200, match: "YES", times: 1 } } });
  const raw = await client(t, pdu, false);
  raw.send(DIALOGUE.slice(0, -4));
  await raw.until("to cancel : ");
  raw.send("YES\r");
  const held = await pdu.log.until("held");
  raw.vanish();
  assert.equal(pdu.state().sessions, 1);
  const edge = await pdu.log.until("edge");
  assert.ok(edge.monoMs - held.monoMs >= 190, `${edge.monoMs - held.monoMs} ms`);
  assert.deepEqual([edge.outlet, edge.state], [2, "off"]);
  const close = await pdu.log.until("close");
  assert.ok(close.seq > edge.seq, "the end of the connection is seen after what came before it");
  assert.equal(pdu.faults.hold, null, "once");
});

test("cut after byte n, for every n: the off happens if and only if the CR after YES was among them", async (t) => {
  const pdu = await start(t, { dialect: "menu3", faults: { secondSession: "allow" } });
  for (let n = 1; n <= DIALOGUE.length; n++) {
    const before = edges(pdu).length;
    pdu.faults.cut = { at: "byte", n, side: "after", how: "reset", times: 1 };
    const raw = await client(t, pdu, false);
    raw.send(DIALOGUE);
    await raw.ended();
    assert.equal(edges(pdu).length - before, n === DIALOGUE.length ? 1 : 0, `byte ${n}`);
    const close = await pdu.log.until("close", (record) => record.connection === n);
    assert.equal(close.bytes, n);
    if (n === DIALOGUE.length) assert.doesNotMatch(raw.text, /Command successfully/, "its answer is lost");
  }
  for (const [side, state] of [["before", "on"], ["after", "off"]] as const) {
    await pdu.switchByHand(2, "on");
    pdu.faults.cut = { at: "byte", n: DIALOGUE.length, side, how: "close", times: 1 };
    const raw = await client(t, pdu, false);
    raw.send(DIALOGUE);
    assert.equal(await raw.ended(), "end");
    assert.doesNotMatch(raw.text, /Command successfully/);
    assert.equal(pdu.truth(2), state, `cut ${side} the last byte`);
  }
});

test("cut at line n: before, it is lost; after, it is acted on and only its answer is lost", async (t) => {
  const pdu = await start(t, { dialect: "menu3" });
  const last = DIALOGUE.split("\r").length - 1;
  for (const [side, state] of [["before", "on"], ["after", "off"]] as const) {
    pdu.faults.cut = { at: "line", n: last, side, how: "close", times: 1 };
    const raw = await client(t, pdu, false);
    raw.send(DIALOGUE);
    assert.equal(await raw.ended(), "end");
    assert.doesNotMatch(raw.text, /Command successfully/);
    assert.equal(pdu.truth(2), state, side);
    await pdu.log.until("released", (record) => record.connection === pdu.log.all("open").length);
  }
});

test("cut around a command: lost, unanswered, at its effect, after its answer; in silence the connection stays and says nothing", async (t) => {
  const pdu = await start(t, { faults: { effectDelayMs: 60 } });
  const run = async (side: "before" | "after" | "effect" | "answer", how: "reset" | "silence"): Promise<{ answered: boolean; raw: RawClient }> => {
    const raw = await client(t, pdu);
    pdu.faults.cut = { at: "command", n: 1, side, how, times: 1 };
    raw.send("olOff 2\r");
    await pdu.log.until("cut", (record) => record.connection === pdu.log.all("open").length);
    if (how === "reset") await raw.ended();
    await pdu.idle();
    return { answered: /E000/.test(raw.text.split("olOff")[1] ?? ""), raw };
  };
  assert.equal((await run("before", "reset")).answered, false);
  assert.equal(pdu.truth(2), "on");
  assert.equal((await run("after", "reset")).answered, false);
  assert.equal(pdu.truth(2), "off");
  await pdu.switchByHand(2, "on");
  assert.equal((await run("effect", "reset")).answered, false);
  assert.equal(pdu.truth(2), "off");
  const [edge, cut] = [pdu.log.all("edge").at(-1), pdu.log.all("cut").at(-1)];
  assert.equal((cut?.seq ?? 0) - (edge?.seq ?? 0), 1, "the cut comes with the relay");
  await pdu.switchByHand(2, "on");
  assert.equal((await run("answer", "reset")).answered, true);
  assert.equal(pdu.truth(2), "off");
  const silent = await run("after", "silence");
  silent.raw.send("olStatus 2\r");
  await assert.rejects(silent.raw.until("E000", 100), /no E000/);
  assert.equal(silent.raw.closed, null);
  assert.equal(pdu.state().sessions, 1, "the device does not know that the cable is cut");
  assert.deepEqual(pdu.log.all("command").map((command) => command.outcome), ["lost", "accepted", "accepted", "accepted", "accepted"]);
});

test("the relay lags behind the acknowledgement, and may be late for off alone", async (t) => {
  const pdu = await start(t, { faults: { effectDelayMs: { on: 0, off: 1_000 } }, pendingMark: true });
  const raw = await client(t, pdu);
  assert.match(await raw.ask("olOff 2", PROMPT), /E000/);
  assert.match(await raw.ask("olStatus 2", PROMPT), /: On\* /);
  await raw.ask("olOn 2", PROMPT);
  assert.deepEqual(edges(pdu), []);
  await pdu.idle();
  assert.deepEqual(edges(pdu), ["2 off"], "the on came first and had nothing to do; the late off stands");
  assert.match(await raw.ask("olStatus 2", PROMPT), /: Off /);
});

test("slow answers come in order, and what was sent meanwhile waits", async (t) => {
  const pdu = await start(t);
  const raw = await client(t, pdu);
  pdu.faults.answerDelayMs = 60;
  const beganMs = performance.now();
  raw.send("olStatus 1\rolStatus 2\r");
  await raw.until(" 2: Outlet 2");
  assert.ok(performance.now() - beganMs >= 115);
  assert.ok(raw.text.indexOf(" 1: Outlet 1") < raw.text.indexOf(" 2: Outlet 2"));
});

test("a status may be stale, a lie, or another host's name; an outlet may be unknown, deaf, or refuse", async (t) => {
  const pdu = await start(t, { faults: { staleMs: 1_000 } });
  const raw = await client(t, pdu);
  const shown = async (outlet: number): Promise<string> => / \d+: (.*?) \r\n/.exec(await raw.ask(`olStatus ${outlet}`, PROMPT))?.[1] ?? "";
  await raw.ask("olOff 2", PROMPT);
  assert.equal(pdu.truth(2), "off");
  assert.equal(await shown(2), "Outlet 2: On", "stale");
  const deadlineMs = performance.now() + 5_000;
  while ((await shown(2)) !== "Outlet 2: Off") {
    assert.ok(performance.now() < deadlineMs, "never caught up");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  setFaults(pdu.faults, { staleMs: 0, lying: { 3: "off", 4: "commanded" }, ignores: { 4: "off" }, labels: { 5: "ethos" }, rejects: { 6: "both" }, missing: [7] });
  assert.equal(await shown(3), "Outlet 3: Off");
  assert.equal(pdu.truth(3), "on");
  assert.match(await raw.ask("olOff 4", PROMPT), /E000/);
  assert.equal(await shown(4), "Outlet 4: Off", "acknowledged, shown, and never done");
  assert.equal(pdu.truth(4), "on");
  assert.equal(await shown(5), "ethos: On");
  assert.match(await raw.ask("olOff 6", PROMPT), /E100: Command failed/);
  assert.match(await raw.ask("olOff 7", PROMPT), /E102: Parameter Error/);
  assert.doesNotMatch(await raw.ask("olStatus all", PROMPT), / 7:/);
  assert.deepEqual(edges(pdu), ["2 off"]);
  assert.deepEqual(pdu.log.all("command").map((command) => command.outcome), ["accepted", "ignored", "rejected"]);
});

test("log-in faults: mute, hang-up, refused password", async (t) => {
  const pdu = await start(t, { faults: { mute: true } });
  const mute = await client(t, pdu, false);
  mute.send("apc\rapc\r");
  await pdu.log.until("bytes");
  assert.equal(mute.text + mute.commands.join(), "");
  mute.vanish();
  await pdu.log.until("released");
  setFaults(pdu.faults, { mute: false, hangUp: true });
  const hungUp = await RawClient.open(pdu).then((raw) => raw.ended(), (error: NodeJS.ErrnoException) => error.code);
  assert.equal(hungUp, "end");
  setFaults(pdu.faults, { hangUp: false, refusePassword: true });
  const refused = await client(t, pdu, false);
  await refused.login("apc", "apc", "User Name : ");
});

test("noise is in the output only, is the same for the same seed, and ends with the fault", async (t) => {
  const heard: string[] = [];
  for (const seed of [7, 7, 8]) {
    const pdu = await start(t, { faults: { garbage: 30 }, seed });
    const raw = await client(t, pdu, false);
    raw.send("apc\rapc\rolOff 2\r");
    await pdu.log.until("edge");
    pdu.faults.garbage = 0;
    raw.send("olStatus 3\r");
    await raw.until(" 3: Outlet 3: On \r\n");
    // What comes first is free of races: the log-in prompt.
    heard.push(raw.text.slice(0, 20));
  }
  assert.equal(heard[0], heard[1]);
  assert.notEqual(heard[0], heard[2]);
});

test("any bytes at all from a client, in any dialect, before and after the log-in: the device goes on, and switches nothing", async (t) => {
  for (const dialect of ["menu2", "menu3", "shell"] as const) {
    const pdu = await start(t, { dialect });
    let connection = 0;
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, login) => {
      connection += 1;
      const raw = await RawClient.open(pdu);
      // Connected is before accepted: a busy device may not have it yet.
      await pdu.log.until("open", (record) => record.connection === connection, 60_000);
      raw.send(login ? "apc\rapc\r" : "");
      raw.send([...bytes]);
      raw.socket.end();
      await pdu.log.until("released", (record) => record.connection === connection, 60_000);
      raw.socket.destroy();
    }), { numRuns: 25 });
    assert.deepEqual(edges(pdu), []);
    const raw = await client(t, pdu, false);
    await raw.login("apc", "apc", />/);
  }
});

test("hooks see every byte and line before the device moves, and can end the connection there", async (t) => {
  const pdu = await start(t, { dialect: "menu3" });
  const bytes: number[] = [];
  const lines: string[] = [];
  pdu.hooks.onByte = (n, total) => {
    assert.equal(n, total);
    bytes.push(n);
  };
  pdu.hooks.onLine = async (n, total, text) => {
    await new Promise((resolve) => setImmediate(resolve));
    lines.push(`${n} ${total} ${text} ${pdu.truth(2)}`);
    return n === 9 ? "cut" : undefined;
  };
  const raw = await client(t, pdu, false);
  raw.send(`${DIALOGUE}\r4\r`);
  await raw.ended();
  assert.deepEqual(bytes, Array.from({ length: DIALOGUE.length }, (_, index) => index + 1));
  assert.deepEqual(lines.slice(0, 3), ["1 1 apc on", "2 2 (password) on", "3 3 1 on"]);
  assert.equal(lines.at(-1), "9 9 YES on");
  assert.equal(pdu.truth(2), "off", "the line at which it was cut was received");
});

test("faults are checked: what is not one is refused with its path, and what was there stays", () => {
  const faults = noFaults();
  setFaults(faults, { cut: { at: "line", n: 3 } });
  assert.deepEqual(faults.cut, { at: "line", n: 3, side: "after", how: "reset", times: 1 });
  for (const [patch, says] of [[{ gostMs: 1 }, /gostMs/], [{ ghostMs: -1 }, /ghostMs/], [{ cut: { at: "word", n: 1 } }, /cut\.at/], [{ lying: { two: "on" } }, /lying/], [7, /object/]] as const) {
    assert.throws(() => setFaults(faults, patch), says);
  }
  assert.equal(faults.ghostMs, 0);
});

test("the file holds what memory holds, line by line", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-apc-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const logFile = join(folder, "log.jsonl");
  const pdu = await startApcPdu({ dialect: "shell", logFile });
  const raw = await RawClient.open(pdu);
  await raw.login("apc", "apc", "apc>");
  await raw.ask("olOff 2", PROMPT);
  raw.vanish();
  await pdu.close();
  const lines = readFileSync(logFile, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as unknown);
  assert.deepEqual(lines, JSON.parse(JSON.stringify(pdu.log.records)));
  assert.deepEqual(pdu.log.records.map((record) => record.kind).filter((kind) => kind !== "bytes"),
    ["open", "line", "line", "login", "line", "command", "edge", "close", "released"]);
});
