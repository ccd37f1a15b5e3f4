// Several watchers: exactly one power cycle, whoever dies, sleeps or is cut off.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Site } from "./several.ts";

test("three watchers guard, one is in charge, a wedged host is cut once and comes back", () => {
  const site = Site.running();
  for (const watcher of site.watchers) assert.equal(watcher.state.hosts.get("logos")?.record.learned.seenHealthyAt === null, false, watcher.name);
  const commits = site.commits;
  site.pass(300_000);
  assert.equal(site.commits, commits, "a healthy fleet writes nothing");
  site.wedge("logos");
  site.pass(240_000);
  if (process.env["SHOW"] !== undefined) process.stdout.write(`${site.journal.join("\n")}\n`);
  assert.deepEqual([site.offs(), site.ons()], [["sucker/2"], ["sucker/2"]]);
  assert.deepEqual(site.operations(), []);
});

/** Runs until the operation stands at a phase, in the store. */
function reach(site: Site, phase: string): void {
  site.until(() => site.operations().some((operation) => operation.phase === phase), 60_000);
}

function settled(site: Site, withinMs = 600_000): void {
  site.until(() => site.operations().length === 0 && site.serves("logos"), withinMs);
  site.pass(60_000);
  if (process.env["SHOW"] !== undefined) process.stdout.write(`${site.journal.join("\n")}\n`);
  assert.deepEqual([site.offs(), site.ons()], [["sucker/2"], ["sucker/2"]]);
}

for (const phase of ["intended", "off-sent", "off-confirmed", "on-sent", "booting"]) {
  test(`the watcher in charge is killed at ${phase}: another carries it on, one off and one on`, () => {
    const site = Site.running();
    site.wedge("logos");
    reach(site, phase);
    const { holder } = site;
    holder.kill();
    settled(site);
    assert.notEqual(site.holder, holder);
  });

  test(`the watcher in charge is cut off from the store at ${phase}`, () => {
    const site = Site.running();
    site.wedge("logos");
    reach(site, phase);
    const { holder } = site;
    site.cut(holder);
    settled(site);
    site.mend(holder);
    settled(site);
  });

  test(`the watcher in charge sleeps for longer than its lease at ${phase}`, () => {
    const site = Site.running();
    site.wedge("logos");
    reach(site, phase);
    const { holder } = site;
    const { session } = holder;
    holder.pause(45_000);
    site.in(10_000, () => site.end(session as number));
    settled(site);
    assert.deepEqual(site.operations(), []);
  });

  test(`the store is away from ${phase} on: what is owed is paid, and on record when it is back`, () => {
    const site = Site.running();
    site.wedge("logos");
    reach(site, phase);
    site.storeAway = true;
    for (const watcher of site.watchers) watcher.due({ kind: "blind", because: "no majority" });
    site.pass(120_000);
    const cut = site.offs().length;
    assert.equal(site.ons().length, cut, "an on for each off");
    site.storeAway = false;
    for (const watcher of site.watchers) site.mend(watcher);
    settled(site);
  });

  test(`the watcher in charge is killed and started again at ${phase}`, () => {
    const site = Site.running();
    site.wedge("logos");
    reach(site, phase);
    const { holder } = site;
    holder.kill();
    site.pass(1_000);
    holder.start();
    settled(site);
  });
}

test("one of three alive cuts nothing, until the dead are forgotten", () => {
  const site = Site.running();
  const [one, two, three] = site.watchers as [typeof site.holder, typeof site.holder, typeof site.holder];
  two.kill();
  three.kill();
  site.pass(60_000);
  site.wedge("logos");
  site.pass(120_000);
  assert.deepEqual(site.edges, []);
  assert.match(one.told("refused").join(), /1 of 3 say down, 2 are needed/);
  assert.equal(one.ask({ kind: "forget-watcher", watcher: "w2" }).exit, 0);
  site.pass(30_000);
  assert.deepEqual(site.edges, [], "1 of 2 is not a majority either");
  assert.equal(one.ask({ kind: "forget-watcher", watcher: "w3" }).exit, 0);
  settled(site);
});

test("lone: act lets the last one act", () => {
  const site = Site.running(3, undefined, { lone: "act" });
  site.watchers[1]?.kill();
  site.watchers[2]?.kill();
  site.pass(60_000);
  site.wedge("logos");
  settled(site);
});

test("one sees it up: a veto, shown, and a person is called", () => {
  const site = Site.running();
  const { holder } = site;
  const others = site.watchers.filter((watcher) => watcher !== holder);
  holder.cutFrom.add("logos");
  others[0]?.cutFrom.add("logos");
  site.pass(120_000);
  assert.deepEqual(site.edges, []);
  assert.match(holder.told("disagreement").join(), new RegExp(`2 of 3 say down.*${others[1]?.name} sees it up`));
  assert.ok(holder.of("alarm").some(({ alarm }) => alarm.kind === "disagreement"));
  holder.cutFrom.delete("logos");
  others[0]?.cutFrom.delete("logos");
  site.pass(60_000);
  assert.ok(holder.of("alarm-over").some(({ alarm }) => alarm.kind === "disagreement"));
  assert.equal(holder.state.hosts.get("logos")?.record.hold, null);
});

test("who does not reach the device hands over, and another cuts", () => {
  const site = Site.running();
  const { holder } = site;
  holder.cutFrom.add("sucker");
  site.wedge("logos");
  settled(site);
  assert.notEqual(site.edges[0]?.by, holder.name);
});

test("who is blind hands over", () => {
  const site = Site.running();
  const { holder } = site;
  holder.cutFrom.add("references");
  site.pass(30_000);
  assert.notEqual(site.holder, holder);
  site.wedge("logos");
  settled(site);
});

test("maintenance that another watcher has acknowledged holds the one in charge, however late it hears of it", () => {
  const site = Site.running();
  const { holder } = site;
  const other = site.watchers.find((watcher) => watcher !== holder) as typeof holder;
  site.wedge("logos");
  site.pass(15_000);
  assert.equal(other.ask({ kind: "brake", brake: "maintenance", scope: "logos", forMs: 3_600_000, reason: "test" }).exit, 0);
  site.pass(120_000);
  assert.deepEqual(site.edges, []);
  assert.equal(other.ask({ kind: "unbrake", brake: "maintenance", scope: "logos" }).exit, 0);
  settled(site);
});

test("a request at another watcher is carried out by the one in charge and answered where it was asked", () => {
  const site = Site.running();
  const { holder } = site;
  const other = site.watchers.find((watcher) => watcher !== holder) as typeof holder;
  const asked = other.ask({ kind: "fence", host: "logos", reason: "test", again: false, confirm: null });
  assert.equal(asked.exit, 4);
  assert.equal(asked.confirm, "logos");
  const reply = other.ask({ kind: "fence", host: "logos", reason: "test", again: false, confirm: "logos" });
  assert.equal(reply.exit, 0, reply.text);
  settled(site);
  assert.equal(site.edges[0]?.by, holder.name);
  assert.ok(![...site.store.keys()].some((key) => key.startsWith("ask/")));
});

test("a unit that is handed over with its ballot open leaves nobody voting for ever", () => {
  const site = Site.running();
  const { holder } = site;
  // Who is in charge sees it down and asks; the others see it up. Then it loses its references, and hands over.
  holder.cutFrom.add("logos");
  site.until(() => site.store.has("ballot/logos"), 60_000);
  holder.cutFrom.add("references");
  site.until(() => ((site.store.get("charge/sucker")?.value as { watcher?: string } | undefined)?.watcher ?? holder.name) !== holder.name, 60_000);
  site.pass(60_000);
  const { commits } = site;
  site.pass(120_000);
  assert.ok(site.commits - commits <= 2, `${site.commits - commits} writes in two quiet minutes`);
  assert.ok(!site.store.has("ballot/logos"));
});

test("every watcher knows the end of an incident, and so does who was away", () => {
  const site = Site.running();
  const away = site.watchers.find((watcher) => watcher !== site.holder) as typeof site.holder;
  site.wedge("logos");
  reach(site, "booting");
  site.cut(away);
  site.until(() => site.operations().length === 0, 300_000);
  site.pass(5_000);
  site.mend(away);
  site.pass(1_000);
  for (const watcher of site.watchers) {
    const last = watcher.of("incident").at(-1)?.record;
    assert.equal(last?.outcome, "recovered", watcher.name);
    assert.notEqual(last?.endedAt, null, watcher.name);
    assert.equal(watcher.state.hosts.get("logos")?.incident, null, watcher.name);
  }
  assert.ok(![...site.store.keys()].some((key) => key.startsWith("incident/")), "what is over is no record of its own");
});

test("who is asked to stop while it hands a unit over that owes power hands it over all the same", () => {
  const site = Site.running();
  site.wedge("logos");
  reach(site, "off-confirmed");
  const { holder } = site;
  holder.cutFrom.add("sucker");
  site.until(() => (holder.state.fleet?.yielding.size ?? 0) > 0, 120_000, true);
  assert.ok((holder.state.fleet?.yielding.size ?? 0) > 0, "it is about to hand over");
  holder.due({ kind: "stop" });
  settled(site);
});

test("an operation whose host served while nobody was in charge is given up, and the next outage is decided on anew", () => {
  const site = Site.running();
  site.wedge("logos");
  reach(site, "intended");
  const [first] = site.operations();
  site.holder.kill();
  site.heal("logos");
  site.pass(7_000);
  site.wedge("logos");
  settled(site);
  assert.notEqual(site.edges[0]?.operation, first?.id);
  assert.match(site.watchers.flatMap((watcher) => watcher.told("withdrawn")).join(), /a good round came before the cut/);
});

test("an end that could not be recorded is taken back when another is in charge: one story everywhere", () => {
  const site = Site.running();
  const { holder } = site;
  const open = (watcher: typeof holder) => watcher.state.hosts.get("logos")?.incident?.incident ?? null;
  assert.equal(holder.ask({ kind: "brake", brake: "maintenance", scope: "logos", forMs: 3_600_000, reason: "test" }).exit, 0);
  site.wedge("logos");
  site.until(() => [...site.store.keys()].some((key) => key.startsWith("incident/")), 60_000);
  const name = open(holder);
  site.heal("logos");
  site.pass(9_000);
  site.cut(holder);
  site.until(() => open(holder) === null, 10_000);
  assert.equal(holder.of("incident").at(-1)?.record.outcome, "recovered by itself");
  site.wedge("logos");
  site.until(() => ((site.store.get("charge/sucker")?.value as { watcher?: string } | undefined)?.watcher ?? holder.name) !== holder.name, 30_000);
  site.pass(10_000);
  site.mend(holder);
  site.pass(10_000);
  for (const watcher of site.watchers) assert.deepEqual([open(watcher), watcher.of("incident").at(-1)?.record.outcome], [name, "open"], watcher.name);
  assert.match(holder.told("charge").join(), new RegExp(`${name} is open again: its end is not on record, and ${site.holder.name} is in charge now`));
  site.heal("logos");
  site.pass(60_000);
  for (const watcher of site.watchers) assert.deepEqual([open(watcher), watcher.of("incident").at(-1)?.record.outcome], [null, "recovered by itself"], watcher.name);
});

for (const [first, second] of [[600_000, 44_000], [44_000, 600_000]] as const) {
  test(`of two inhibits that two people begin at once the longer holds: ${first}, then ${second}`, () => {
    const site = Site.running();
    const [one, two] = site.watchers as [typeof site.holder, typeof site.holder];
    const say = (watcher: typeof site.holder, forMs: number) => watcher.input({ kind: "command", id: 77, by: "anna", command: { kind: "brake", brake: "inhibit", scope: "logos", forMs, reason: "test" } });
    say(one, first);
    say(two, second);
    site.pass(5_000);
    for (const watcher of [one, two]) assert.equal(watcher.of("reply").find(({ id }) => id === 77)?.exit, 0, watcher.name);
    site.pass(55_000);
    for (const watcher of site.watchers) assert.ok(watcher.state.brakes.has("brake/inhibit/logos"), watcher.name);
    site.wedge("logos");
    site.pass(60_000);
    assert.deepEqual(site.edges, []);
    // A later word of somebody who knows of it replaces it.
    assert.equal(two.ask({ kind: "brake", brake: "inhibit", scope: "logos", forMs: 20_000, reason: "test" }).exit, 0);
    site.pass(40_000);
    for (const watcher of site.watchers) assert.equal(watcher.state.brakes.has("brake/inhibit/logos"), false, watcher.name);
  });
}

for (const order of ["the end first", "the new one first"]) {
  test(`an inhibit that is put on anew while somebody else ends the one before holds: ${order}`, () => {
    const site = Site.running();
    const [one, two] = site.watchers as [typeof site.holder, typeof site.holder];
    assert.equal(one.ask({ kind: "brake", brake: "inhibit", scope: "logos", forMs: 600_000, reason: "test" }).exit, 0);
    site.pass(1_000);
    const says = [
      () => one.input({ kind: "command", id: 77, by: "anna", command: { kind: "unbrake", brake: "inhibit", scope: "logos" } }),
      () => two.input({ kind: "command", id: 77, by: "ben", command: { kind: "brake", brake: "inhibit", scope: "logos", forMs: 900_000, reason: "test" } }),
    ];
    for (const say of order === "the end first" ? says : says.reverse()) say();
    site.pass(70_000);
    for (const watcher of site.watchers) assert.deepEqual([watcher.state.brakes.get("brake/inhibit/logos")?.by, watcher.state.brakes.get("brake/inhibit/logos")?.endedBy], ["ben", undefined], watcher.name);
    site.wedge("logos");
    site.pass(60_000);
    assert.deepEqual(site.edges, []);
  });
}
