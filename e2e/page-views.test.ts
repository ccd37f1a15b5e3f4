// Power, watchers, maintenance, availability, the wall and the public status page in a real browser, at a real watcher with a
// real PDU dialogue: what each says first, that it changes while one looks, on a phone and in the dark.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, describe, test } from "node:test";
import { STALE_AFTER_MS } from "../src/api/live.ts";
import type { Rig } from "../lab/rig.ts";
import { startRig } from "../lab/rig.ts";
import type { Reader } from "./page-reader.ts";
import { addressOf, noBrowser, Readers } from "./page-reader.ts";
import type { Watching } from "./watching.ts";
import { guarded, startWatching } from "./watching.ts";

const SETTINGS = `brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 1s }
defaults: { every: 500ms, timeout: 400ms, threshold: 3, debounce: 4s, boot: 20s, offFor: 1s, healthyFor: 1s, settle: 1s }
statusPage: { title: Example, groups: [{ hosts: [logos, ethos], as: Web }, { hosts: [pathos], as: Mail }], history: 30d }
`;

describe("views of the page", { skip: noBrowser }, () => {
  let rig: Rig;
  let watching: Watching;
  let readers: Readers;
  let reader: Reader;
  let address: string;

  before(async () => {
    rig = await startRig({ hosts: ["logos", "ethos", "pathos"], kind: "processes", bootMs: 1_500, settings: SETTINGS, device: "check: 6s, timeout: 2s, deadline: 10s" });
    watching = await startWatching(rig);
    [readers, address] = await Promise.all([Readers.start(), addressOf(watching)]);
    reader = await readers.reader();
    await guarded(rig);
  });
  after(async () => {
    await readers?.end();
    await rig?.stop();
  });

  test("power: who hangs on what, and a device that cannot be read", async () => {
    const { page } = reader;
    await page.goto(address);
    await reader.reads(/^Guarded/);
    await page.keyboard.press("g");
    await page.keyboard.press("p");
    await reader.reads("sucker can be read.");
    const row = reader.row("ethos");
    await row.getByText("on", { exact: true }).waitFor();
    await reader.isFit("power");
    await rig.faults({ hangUp: true });
    await reader.reads("sucker cannot be read.");
    await reader.sees(/logos, ethos and pathos hang on it and cannot be cut/);
    await reader.isFit("power that cannot be read");
    await rig.faults({ hangUp: false });
    await reader.reads("sucker can be read.");
    reader.isCalm();
  });

  test("maintenance: put on, seen at once, taken off, and on record", async () => {
    const { page } = reader;
    await page.goto(`${address}maintenance`);
    await reader.reads("Nothing is held back.");
    assert.equal((await rig.upkeep("maintenance", "start", "pathos", "--for", "2h", "--reason", "new disk <b>")).code, 0);
    await reader.reads("pathos is held back.");
    await reader.row("pathos").getByText("new disk <b>", { exact: false }).waitFor();
    await page.getByRole("listitem").filter({ hasText: /maintenance for pathos for 2 h/ }).waitFor();
    await reader.isFit("maintenance");
    assert.equal((await rig.upkeep("maintenance", "end", "pathos")).code, 0);
    await reader.reads("Nothing is held back.");
    await page.reload();
    await page.getByRole("listitem").filter({ hasText: /maintenance for pathos for 2 h/ }).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("w");
    await reader.reads(/^One watcher: /);
    await reader.isFit("watchers");
    reader.isCalm();
  });

  test("the wall says what is wrong, and availability what it cost", async () => {
    const wall = await readers.reader({ width: 1_920, height: 1_080 });
    // So that nobody has to wait until silence is long.
    await wall.page.clock.install();
    await wall.page.goto(`${address}wall`);
    await wall.reads("All 3 hosts are well.");
    await wall.isFit("calm wall");
    assert.equal(await wall.page.locator("a, button, input").count(), 0, "nothing to click");
    await rig.host("logos").wedge("frozen");
    await wall.reads(/^logos is /);
    await wall.page.getByRole("listitem").getByText("logos").waitFor();
    await wall.isFit("wall with an outage");
    await wall.reads("All 3 hosts are well.");
    watching.child.kill("SIGSTOP");
    await wall.page.clock.fastForward(STALE_AFTER_MS + 1_000);
    await wall.reads(/^Stale since /);
    watching.child.kill("SIGCONT");
    await wall.reads("All 3 hosts are well.");
    wall.complaints.length = 0;
    await wall.leave();

    const { page } = reader;
    await page.goto(`${address}availability`);
    await reader.reads(/^Available .*: 1 outage, .* lost\.$/);
    await reader.row("logos").first().getByRole("img", { name: /to detect.*off.*to boot/ }).waitFor();
    await reader.sees(/has recorded how hosts stand since/);
    await reader.reads("What to expect");
    await reader.isFit("availability");
    await page.getByRole("button", { name: "by group" }).click();
    assert.match(page.url(), /by=group/);
    await page.getByRole("row", { name: /^ungrouped / }).first().waitFor();
    await page.keyboard.press("[");
    await reader.reads("Nothing is known of this time.");
    reader.isCalm();
  });

  test("the status page: open to all, without script, the same as files; a notice is text", async () => {
    const folder = mkdtempSync(join(tmpdir(), "upkeep-status-page-"));
    const open = await readers.reader();
    try {
      await open.page.goto(`${address}status`);
      await open.reads("Everything is available.");
      for (const inside of ["logos", "ethos", "pathos", "127."]) assert.ok(!(await open.page.content()).includes(inside), inside);
      const added = await rig.upkeep("notice", "add", "Web is <slow>", "--severity", "disturbance", "--component", "Web", "--text", "We **look**.\n\n- <script>alert(1)</script>");
      assert.deepEqual([added.code, added.stderr], [0, ""]);
      await open.page.reload();
      await open.reads("Web is <slow>");
      await open.sees("<script>alert(1)</script>");
      assert.equal(await open.page.locator("strong").textContent(), "look");
      assert.equal(await open.page.locator("script").count(), 0);
      await open.isFit("status page");
      assert.equal((await rig.upkeep("status-page", "--out", folder)).code, 0);
      assert.equal((await rig.upkeep("notice", "end", "1", "--text", "It is fast.")).code, 0);
      await open.page.goto(pathToFileURL(join(folder, "index.html")).href);
      await open.reads("Web is <slow>");
      assert.notEqual(await open.page.evaluate(() => getComputedStyle(document.body).maxWidth), "none", "its style comes with it");
      assert.match(readFileSync(join(folder, "index.html"), "utf8"), /^<!DOCTYPE html>/);
      await open.page.goto(`${address}notices`);
      await open.reads("The public is told nothing in particular.");
      await open.sees("It is fast.");
      await open.isFit("notices");
      open.isCalm();
    } finally {
      await open.leave();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("on a phone, in the dark", async () => {
    const phone = await readers.reader({ width: 390, height: 844, dark: true, calm: true, touch: true });
    for (const [path, heading] of [["power", /^sucker/], ["watchers", /^One watcher/], ["maintenance", /^Nothing is held back/], ["availability", /^Available/], ["wall", /hosts are well/], ["notices", /^The public/], ["status", /available/]] as const) {
      await phone.page.goto(`${address}${path}`);
      await phone.reads(heading);
      await phone.isFit(`${path} on a phone`);
    }
    phone.isCalm();
    await phone.leave();
  });

  test("an operator begins and ends maintenance and tells the public; whoever has not logged in sees the status page and nothing else", async () => {
    const password = join(rig.folder, "ada.password");
    writeFileSync(password, "correct horse battery staple\n", { mode: 0o600 });
    const added = await rig.upkeep("user", "add", "ada", "--role", "admin", "--password-file", password);
    assert.deepEqual([added.code, added.stderr], [0, ""]);
    const operator = await readers.reader();
    const { page } = operator;
    await page.goto(`${address}maintenance`);
    await operator.reads("Log in");
    await page.getByLabel("User").fill("ada");
    await page.getByLabel("Password").fill("correct horse battery staple");
    await page.getByRole("button", { name: "Log in" }).click();
    await operator.reads("Nothing is held back.");
    await page.getByLabel("Host; empty for the whole fleet").fill("nobody");
    await operator.sees("No host is named nobody.");
    await page.getByLabel("Host; empty for the whole fleet").fill("ethos");
    await page.getByRole("button", { name: "Begin maintenance…" }).click();
    await page.getByLabel(/^Why/).fill("a new disk");
    await page.getByRole("button", { name: "Begin maintenance", exact: true }).click();
    await operator.sees(/maintenance for ethos for 1 h/i);
    await page.getByRole("button", { name: "Close" }).click();
    await operator.reads("ethos is held back.");
    await operator.row("ethos").getByText(/^ada, since/).waitFor();
    await operator.isFit("maintenance of an operator");
    await page.getByRole("button", { name: "End…" }).click();
    await page.getByRole("button", { name: "End", exact: true }).click();
    await page.getByRole("button", { name: "Close" }).click();
    await operator.reads("Nothing is held back.");

    await page.goto(`${address}notices`);
    await page.getByRole("button", { name: "Tell them something…" }).click();
    await page.getByLabel("In a few words").fill("Mail is down");
    await page.getByLabel(/^What it is about/).fill("Nothing");
    await page.getByLabel(/^What there is to say/).fill("We know.");
    await page.getByRole("button", { name: "Tell them", exact: true }).click();
    await operator.sees(/The status page has no component Nothing; components: Web, Mail/);
    await operator.isFit("a notice that is refused");
    await page.getByLabel(/^What it is about/).fill("Mail");
    await page.getByRole("button", { name: "Tell them", exact: true }).click();
    await operator.reads("The public is told 1 thing.");
    operator.complaints.length = 0;

    const stranger = await readers.reader();
    await stranger.page.goto(`${address}status`);
    await stranger.reads("Mail is down");
    assert.ok(!(await stranger.page.content()).includes("ada"));
    for (const path of ["v1/notices", "v1/status-page", "v1/availability"]) assert.equal((await stranger.page.request.get(`${address}${path}`)).status(), 401, path);
    await stranger.leave();
    await operator.leave();
  });
});
