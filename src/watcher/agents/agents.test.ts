// The link from end to end: enrolment, findings, announcements and orders over real TLS on loopback, between the agent's own end
// and the watcher's, with the real core behind it.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { HostFinding } from "../../core/finding.ts";
import type { Site, TestHost } from "./link-for-tests.ts";
import { makeHost, makeSite, until } from "./link-for-tests.ts";

const closing: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

async function site(): Promise<Site> {
  const made = await makeSite();
  closing.push(made.close);
  return made;
}

function hostOf(name: string, at: Site, folder?: string): TestHost {
  const made = makeHost(name, () => [at.agents.port ?? 0], folder);
  closing.push(made.close);
  return made;
}

async function enrolled(name: string, at: Site): Promise<TestHost> {
  const host = hostOf(name, at);
  const { code } = await at.agents.code("anna", name, 3_600_000);
  assert.deepEqual(await host.enroll(code), { outcome: "enrolled", watcher: "rikis-hopuuj", others: [] });
  return host;
}

const bad = (subject: string, because = "no end within 30 s"): HostFinding => ({ subject, verdict: "bad", because, mayCut: true });
const subjects = (at: Site, host = "logos") => at.agents.heard(host)?.findings.map(({ subject, verdict }) => `${subject} ${verdict}`).sort().join(", ");

test("a code lets one host in, once; then its findings come whole, and changes as they happen", async () => {
  const at = await site();
  const logos = hostOf("logos", at);
  const { code, text } = await at.agents.code("anna", "logos", 3_600_000);
  assert.equal(text, "the code of logos is good once, within 1 h");
  const ethos = hostOf("ethos", at);
  const wrong = await ethos.enroll(code);
  assert.equal(wrong.outcome, "refused");
  assert.match("because" in wrong ? wrong.because : "", /no code of ethos/);
  assert.equal((await logos.enroll(code)).outcome, "enrolled");

  for (let n = 0; n < 130; n += 1) logos.findings.set(`health:${n}`, bad(`health:${n}`));
  const seen: boolean[] = [];
  logos.onLinked = () => seen.push(logos.link?.contacts()[0]?.connected === true);
  logos.begin();
  await until(() => at.agents.heard("logos")?.connected === true, "the agent is there");
  assert.deepEqual(seen, [true], "said once, when the watcher can be asked");
  assert.equal(at.agents.pending, 0, "who is known takes no place of those who are not");
  assert.equal(at.agents.heard("logos")?.findings.length, 130);
  assert.deepEqual([...new Set(at.heard)], ["logos"]);
  for (let n = 1; n < 130; n += 1) logos.forget(`health:${n}`);
  logos.find({ subject: "storage:/", verdict: "good", because: "written in 3 ms", mayCut: false });
  await until(() => subjects(at) === "health:0 bad, storage:/ good", "the changes have come");
  assert.deepEqual(logos.link?.contacts().map(({ watcher, connected }) => [watcher, connected]), [["rikis-hopuuj", true]]);

  // The code is spent, and of no use to whoever has found it; the host itself may ask once more.
  const thief = hostOf("logos", at);
  assert.equal((await thief.enroll(code)).outcome, "refused");
  assert.equal((await logos.enroll(code)).outcome, "enrolled");
});

test("an announcement is answered when it is durable, and by nobody otherwise", async () => {
  const at = await site();
  const logos = await enrolled("logos", at);
  const link = logos.begin();
  const going = { kind: "going-down", because: "a new kernel", withinMs: 60_000 } as const;
  assert.deepEqual(await link.announce(going, 30_000), ["rikis-hopuuj"]);
  assert.deepEqual(at.announced, [["logos", going]]);
  at.durable = false;
  assert.deepEqual(await link.announce(going, 300), []);
});

test("an order is answered over a cut, by the same process only", async () => {
  const at = await site();
  const logos = await enrolled("logos", at);
  logos.begin();
  await until(() => at.agents.heard("logos")?.connected === true, "the agent is there");
  const order = (id: string) => ({ id, order: "reboot", subject: null, reason: "a new kernel", limitMs: 60_000 });
  assert.deepEqual(await at.agents.order("logos", order("a"), new AbortController().signal), { outcome: "done", evidence: "carried out" });
  assert.equal((await at.agents.order("ethos", order("b"), new AbortController().signal)).outcome, "failed");

  // The agent's process ends while it carries one out, and another begins: nobody asks that one.
  logos.onOrder = () => new Promise(() => {});
  const asked = at.agents.order("logos", order("c"), new AbortController().signal);
  await until(() => logos.orders.length === 2, "it has the order");
  await logos.link?.close();
  logos.begin();
  assert.deepEqual(await asked, { outcome: "unknown", evidence: "the agent has begun anew since it was told" });
  assert.equal(logos.orders.length, 2);

  // Nobody waits any more.
  const controller = new AbortController();
  await until(() => at.agents.heard("logos")?.connected === true, "it is there again");
  const third = at.agents.order("logos", order("d"), controller.signal);
  controller.abort();
  assert.equal((await third).outcome, "unknown");
});

test("the watcher begins anew: the agent comes back by itself and tells everything", async () => {
  const at = await site();
  const logos = await enrolled("logos", at);
  logos.find(bad("storage:/"));
  logos.begin();
  await until(() => subjects(at) === "storage:/ bad", "it is there");
  const port = at.agents.port ?? 0;
  at.agents.close();
  logos.forget("storage:/");
  logos.find(bad("storage:/srv"));
  await at.reopen(port);
  await until(() => subjects(at) === "storage:/srv bad", "it has come back");
});

test("revoked: cut at once, shut out, and let in again by another code only", async () => {
  const at = await site();
  const logos = await enrolled("logos", at);
  logos.begin();
  await until(() => at.agents.heard("logos")?.connected === true, "the agent is there");
  assert.equal((await at.world.watcher.command("anna", { kind: "agent-revoke", host: "logos" })).text, "the agent of logos is revoked; upkeep agent code logos lets it in again");
  await until(() => at.agents.heard("logos")?.connected === false, "it is cut");
  await until(() => logos.said.some((text) => text.includes("revoked by anna")), "it says why");
  assert.equal((await at.world.watcher.command("anna", { kind: "agent-revoke", host: "logos" })).exit, 1);
  const { code } = await at.agents.code("anna", "logos", 3_600_000);
  assert.equal((await logos.enroll(code)).outcome, "enrolled");
  await until(() => at.agents.heard("logos")?.connected === true, "it is in again", 90_000);
});
