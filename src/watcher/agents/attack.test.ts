// What strangers, thieves, broken hosts and bad moments can do at the door: each is refused with its word, or bounded.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { connect, createServer } from "node:tls";
import { hashOf, makeCode, readCode } from "../../link/code.ts";
import { TLS } from "../../link/dial.ts";
import type { Identity } from "../../link/identity.ts";
import { nextIdentity, ownIdentity, readIdentity, VALID_MS } from "../../link/identity.ts";
import type { FromAgent, FromWatcher } from "../../link/messages.ts";
import { LINE_BYTES_MAX } from "../../link/messages.ts";
import type { Site, TestHost } from "./link-for-tests.ts";
import { makeHost, makeSite, until } from "./link-for-tests.ts";

const DAY_MS = 86_400_000;
const closing: (() => Promise<void> | void)[] = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

async function site(): Promise<Site> {
  const made = await makeSite();
  closing.push(made.close);
  return made;
}

async function enrolled(name: string, at: Site): Promise<TestHost> {
  const host = makeHost(name, () => [at.agents.port ?? 0]);
  closing.push(host.close);
  const { code } = await at.agents.code("anna", name, 3_600_000);
  assert.equal((await host.enroll(code)).outcome, "enrolled");
  return host;
}

const identityOf = (host: TestHost): Identity => {
  const identity = readIdentity(join(host.folder, "link"));
  assert.ok(identity !== null);
  return identity;
};

/** Speaks by hand, with this identity. */
type Raw = { readonly socket: TLSSocket; readonly heard: FromWatcher[]; readonly closed: Promise<void>; say(line: string): void };
async function raw(at: Site, identity: Identity): Promise<Raw> {
  const socket = connect({ ...TLS, host: "127.0.0.1", port: at.agents.port ?? 0, key: identity.key, cert: identity.cert, checkServerIdentity: () => undefined });
  closing.push(() => void socket.destroy());
  const heard: FromWatcher[] = [];
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) heard.push(JSON.parse(line) as FromWatcher);
  });
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  return { socket, heard, closed, say: (line) => void socket.write(line) };
}

const hello = (host: string, change: Partial<Extract<FromAgent, { kind: "hello" }>> & Record<string, unknown> = {}): string =>
  `${JSON.stringify({ kind: "hello", protocol: [1, 1], version: "0.4.0", host, boot: "b", uptimeMs: 1, life: randomBytes(4).toString("hex"), ...change })}\n`;

/** The word with which it is sent away. */
async function bye(one: Raw): Promise<string> {
  await one.closed;
  const last = one.heard.at(-1);
  return last?.kind === "bye" ? `${last.reason}: ${last.because}` : JSON.stringify(last ?? "nothing");
}

function stranger(name = "logos"): Identity {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-stranger-"));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  return ownIdentity(folder, name, Date.now());
}

test("a stranger, another host's key, another protocol, a second hello, an unknown message: each gets its word", async () => {
  const at = await site();
  const logos = await enrolled("logos", at);
  const identity = identityOf(logos);
  const said = async (who: Identity, ...lines: string[]): Promise<string> => {
    const one = await raw(at, who);
    for (const line of lines) one.say(line);
    return bye(one);
  };
  assert.match(await said(stranger(), hello("logos")), /^unknown: rikis-hopuuj does not know this key of logos: make a code there with `upkeep agent code logos`/);
  assert.match(await said(identity, hello("ethos")), /^wrong-host: this is the key of logos, and not of ethos/);
  assert.match(await said(identity, hello("logos", { protocol: [7, 9] })), /^protocol: this watcher \(0\.4\.0-test\) speaks protocol 1 to 1, and the agent \(0\.4\.0\) 7 to 9/);
  await said(identity, hello("logos", { protocol: [8, 9] }));
  const told = at.said.filter((text) => text.startsWith("the agent of logos at "));
  assert.equal(told.length, 2, `a reason is told once until it is let in, and nothing of strangers: ${told.join("; ")}`);
  assert.match(told[1] ?? "", / is not let in: this watcher \(0\.4\.0-test\) speaks protocol 1 to 1, and the agent \(0\.4\.0\) 7 to 9: upgrade the older one$/);
  assert.match(await said(identity, hello("logos"), hello("logos")), /^refused: a second hello/);
  assert.match(await said(identity, hello("logos"), '{"kind":"off","outlet":3}\n'), /^refused: a message of a kind that is not known here: off/);
  assert.match(await said(identity, hello("logos", { more: 1 })), /^refused: a hello that is not well formed/);
  assert.match(await said(identity, '{"kind":"alive"}\n'), /^refused: the first message is hello or enroll/);
  assert.match(await said(identity, "GET / HTTP/1.1\r\n\r\n"), /^refused: a line that is not JSON/);
  assert.match(await said(identity, hello("logos"), '{"kind":"findings","whole":false,"more":false,"set":[],"gone":[]}\n'), /^refused: changes of findings that were never told/);
  // Passed over, because it says that it may be.
  const one = await raw(at, identity);
  one.say(hello("logos"));
  one.say('{"kind":"weather","optional":true}\n{"kind":"alive"}\n');
  await until(() => one.heard.some(({ kind }) => kind === "alive"), "it goes on");
  assert.equal(at.agents.heard("logos")?.connected, false, "there is no finding yet, and so nothing to be complete");
});

test("what a host says of others, and what is not printable, goes nowhere", async () => {
  const at = await site();
  const logos = await enrolled("logos", at);
  await enrolled("ethos", at);
  const one = await raw(at, identityOf(logos));
  one.say(hello("logos"));
  one.say(`${JSON.stringify({ kind: "findings", whole: true, more: false, gone: [], set: [{ subject: "storage:/\u001b[2J\u202e", verdict: "good", because: "x\u0000y", mayCut: true }] })}\n`);
  await until(() => at.agents.heard("logos")?.findings.length === 1, "it has come");
  assert.deepEqual(at.agents.heard("logos")?.findings, [{ subject: "storage:/ [2J", verdict: "good", because: "x y", mayCut: false }]);
  assert.equal(at.agents.heard("ethos"), null);
  // An answer to an order of another host is none.
  const order = at.agents.order("logos", { id: "o1", order: "reboot", subject: null, reason: "r", limitMs: 500 }, new AbortController().signal);
  const other = await raw(at, stranger("ethos"));
  other.say(hello("ethos"));
  await other.closed;
  assert.equal((await order).outcome, "unknown");
});

test("long lines, too many lines, garbage, silence: bounded, and the others are served meanwhile", async () => {
  const at = await site();
  const logos = await enrolled("logos", at);
  const identity = identityOf(logos);
  const long = await raw(at, identity);
  long.say(hello("logos"));
  long.say("x".repeat(LINE_BYTES_MAX + 10));
  assert.match(await bye(long), new RegExp(`^refused: a line of more than ${LINE_BYTES_MAX} bytes`));
  const many = await raw(at, identity);
  many.say(hello("logos"));
  for (let n = 0; n < 1_000; n += 1) many.say('{"kind":"alive"}\n');
  assert.match(await bye(many), /^refused: more than 50 messages a second/);

  // Slowly, byte by byte, and never a whole line; and connections without a word, more than there is room for.
  const slow = await raw(at, identity);
  const drip = setInterval(() => slow.socket.write("x"), 20);
  closing.push(() => clearInterval(drip));
  const idle: Socket[] = [];
  let refused = 0;
  for (let n = 0; n < 300; n += 1) {
    const socket = connectTcp({ host: "127.0.0.1", port: at.agents.port ?? 0 });
    socket.on("error", () => undefined);
    socket.on("close", () => (refused += 1));
    idle.push(socket);
  }
  closing.push(() => {
    for (const socket of idle) socket.destroy();
  });
  await until(() => refused >= 200, "most of them are not let in");
  for (const socket of idle.slice(0, 120)) if (!socket.destroyed) socket.write(randomBytes(200));
  // It gives up on them, and who is enrolled comes in by itself.
  logos.begin();
  await until(() => at.agents.heard("logos")?.connected === true, "the agent comes in all the same", 120_000);
  await slow.closed;
  clearInterval(drip);
  await until(() => idle.every((socket) => socket.destroyed), "none of them is kept", 120_000);
});

test("without a certificate, with TLS 1.2, in plain text: nothing is said", async () => {
  const at = await site();
  const logos = await enrolled("logos", at);
  const { key, cert } = identityOf(logos);
  const ends = (options: object, text: string): Promise<string> => new Promise((resolve) => {
    let got = "";
    const socket = connect({ ...TLS, host: "127.0.0.1", port: at.agents.port ?? 0, checkServerIdentity: () => undefined, ...options });
    socket.on("data", (bytes: Buffer) => (got += bytes.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("secureConnect", () => void socket.write(text));
    socket.on("close", () => resolve(got));
  });
  assert.equal(await ends({}, hello("logos")), "");
  assert.equal(await ends({ key, cert, minVersion: "TLSv1.2", maxVersion: "TLSv1.2" }, hello("logos")), "");
  const plain = connectTcp({ host: "127.0.0.1", port: at.agents.port ?? 0 });
  plain.on("error", () => undefined);
  plain.write(hello("logos"));
  await new Promise<void>((resolve) => plain.on("close", () => resolve()));
});

test("a copied host is told so, and of two with one key the newest has the line", async () => {
  const at = await site();
  const logos = await enrolled("logos", at);
  // The copy took another name.
  const copy = mkdtempSync(join(tmpdir(), "upkeep-copy-"));
  cpSync(logos.folder, copy, { recursive: true });
  const ethos = makeHost("ethos", () => [at.agents.port ?? 0], copy);
  closing.push(ethos.close);
  const { code } = await at.agents.code("anna", "ethos", 3_600_000);
  const ended = await ethos.enroll(code);
  assert.match("because" in ended ? ended.because : "", /^this is the key of logos: a host that was copied must make its own/);
  ethos.begin();
  await until(() => ethos.said.some((text) => text.includes("this is the key of logos, and not of ethos")), "it says so");
  const first = await raw(at, identityOf(logos));
  first.say(hello("logos"));
  await until(() => first.heard.length > 0, "it is in");
  const second = await raw(at, identityOf(logos));
  second.say(hello("logos"));
  assert.match(await bye(first), /^replaced: another connection of logos has come/);
});

test("a certificate that has ended, a clock that is wrong, a clock that nobody has set", async () => {
  const at = await site();
  const logos = await enrolled("logos", at);
  const identity = identityOf(logos);
  at.clock.shiftMs = VALID_MS + 2 * DAY_MS;
  const late = await raw(at, identity);
  late.say(hello("logos"));
  assert.match(await bye(late), /^expired: (the certificate was valid to|the key of logos has expired)/);
  // While the clock is not synchronised nothing expires.
  at.clock.synced = false;
  const unsynced = await raw(at, identity);
  unsynced.say(hello("logos"));
  await until(() => unsynced.heard[0]?.kind === "welcome", "it is let in");
  at.clock.shiftMs = 0;
  at.clock.synced = true;
  // The host's own clock stands in 1970, or far ahead: it says so, and comes in when the clock is right or not synchronised.
  logos.clock.shiftMs = -50 * 365 * DAY_MS;
  logos.begin();
  await until(() => logos.said.some((text) => /the certificate is valid from .* and it is 19/.test(text)), "it says what is wrong");
  logos.clock.synced = false;
  await until(() => at.agents.heard("logos")?.connected === true, "it comes in", 90_000);
});

test("the watcher's key is lost: the agent says so and tells nothing; a man in between is not talked to", async () => {
  const at = await site();
  const logos = await enrolled("logos", at);
  const port = at.agents.port ?? 0;
  at.agents.close();
  rmSync(join(at.folder, "agents"), { recursive: true });
  await at.reopen(port);
  logos.begin();
  await until(() => logos.said.some((text) => text.includes("shows another key than any watcher that this host was enrolled at")), "it says so");
  assert.equal(at.agents.heard("logos"), null);
  // A code of the new one heals it.
  const { code } = await at.agents.code("anna", "logos", 3_600_000);
  assert.equal((await logos.enroll(code)).outcome, "enrolled");
  await until(() => at.agents.heard("logos")?.connected === true, "it is in", 90_000);

  // Somebody listens in the watcher's place and takes whatever is said.
  const fake = stranger("rikis-hopuuj");
  const got: string[] = [];
  const server = createServer({ ...TLS, key: fake.key, cert: fake.cert, requestCert: true }, (socket) => {
    socket.on("data", (bytes: Buffer) => got.push(bytes.toString("latin1")));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => void server.close());
  const fakePort = (server.address() as { port: number }).port;
  const victim = makeHost("ethos", () => [fakePort]);
  closing.push(victim.close);
  const { code: other } = await at.agents.code("anna", "ethos", 3_600_000);
  const ended = await victim.enroll(other);
  assert.equal(ended.outcome, "unreachable");
  assert.match("because" in ended ? ended.because : "", /it is not the watcher that made this code/);
  assert.deepEqual(got, [], "the secret was not sent");
});

test("a code: expired, of another host, of another watcher, mistyped, guessed too often", async () => {
  const at = await site();
  const short = await at.agents.code("anna", "logos", 1_000);
  const logos = makeHost("logos", () => [at.agents.port ?? 0]);
  closing.push(logos.close);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  const late = await logos.enroll(short.code);
  assert.match("because" in late ? late.because : "", /no code of logos, or it was used, or it has expired/);
  const { code } = await at.agents.code("anna", "logos", 3_600_000);
  assert.ok(code !== null);
  assert.equal(readCode(`${code}X`), null);
  assert.equal(readCode(code.replaceAll("-", " ")), null);
  assert.deepEqual(readCode(code.toLowerCase()), readCode(code));
  // What is stored opens nothing: the record has the hash of the secret.
  const record = at.world.watcher.state.agents.get("logos");
  assert.equal(record?.code?.hash, hashOf(readCode(code)?.secret ?? ""));
  assert.ok(!JSON.stringify(record).includes(readCode(code)?.secret ?? "?"));
  // A stranger tries secrets of his own.
  const guesses: string[] = [];
  for (let n = 0; n < 8; n += 1) {
    const ended = await logos.enroll(makeCode(at.agents.pin).text);
    guesses.push("because" in ended ? ended.because : ended.outcome);
  }
  assert.ok(guesses.some((text) => /too many enrolments/.test(text)), guesses.join("\n"));
});

test("the store fails in the middle of an enrolment: the same command once more comes to the same end", async () => {
  const at = await site();
  const logos = makeHost("logos", () => [at.agents.port ?? 0]);
  closing.push(logos.close);
  const { code } = await at.agents.code("anna", "logos", 3_600_000);
  at.world.storeFailure = "no space left on device";
  const first = await logos.enroll(code);
  assert.equal(first.outcome, "refused");
  assert.match("because" in first ? first.because : "", /could not be recorded: no space left on device/);
  at.world.storeFailure = null;
  const second = await logos.enroll(code);
  assert.equal(second.outcome, "enrolled");
});

test("keys are renewed on both sides while the link stands, and the old ones end", async () => {
  const at = await site();
  const logos = await enrolled("logos", at);
  const before = identityOf(logos);
  // The host's certificate is near its end.
  logos.clock.shiftMs = VALID_MS - 100 * DAY_MS;
  logos.begin();
  await until(() => (at.world.watcher.state.agents.get("logos")?.pins.length ?? 0) === 2, "both keys are known", 90_000);
  await until(() => readIdentity(join(logos.folder, "link"))?.pin !== before.pin, "it has changed over");
  await logos.link?.close();
  logos.begin();
  await until(() => at.agents.heard("logos")?.connected === true, "it comes in with the new one");
  assert.equal(readIdentity(join(logos.folder, "link"))?.pin, at.world.watcher.state.agents.get("logos")?.pins.at(-1)?.pin);
  logos.clock.shiftMs = 0;

  // The watcher's: told to whoever is connected, shown months later.
  const folder = join(at.folder, "agents");
  const next = nextIdentity(folder, "rikis-hopuuj", Date.now() + VALID_MS - 100 * DAY_MS);
  assert.ok(next !== null);
  const port = at.agents.port ?? 0;
  await at.reopen(port);
  const known = (): string => {
    try {
      return readFileSync(join(logos.folder, "link/watchers/rikis-hopuuj.json"), "utf8");
    } catch {
      return "";
    }
  };
  await until(() => known().includes(next.pin), "the agent has heard of the next one", 90_000);
  at.clock.shiftMs = VALID_MS - 30 * DAY_MS;
  // Only the watcher's clock has moved: a key of the host that is as old would have ended, too.
  await at.reopen(port);
  assert.equal(at.agents.pin, next.pin);
  await until(() => at.agents.heard("logos")?.connected === true, "and it comes in", 90_000);
});
