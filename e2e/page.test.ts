// The page in a real browser, at a real watcher with a real PDU dialogue and hosts that really stop serving: what a person sees
// and does, from the first link to a night call. One watcher and one browser serve all of it, in the order of a first day.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Rig } from "../lab/rig.ts";
import { startRig } from "../lab/rig.ts";
import type { Reader } from "./page-reader.ts";
import { addressOf, noBrowser, Readers } from "./page-reader.ts";
import type { Watching } from "./watching.ts";
import { guarded, startWatching } from "./watching.ts";

const SETTINGS = `brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 1s }
defaults: { every: 500ms, timeout: 400ms, threshold: 5, debounce: 4s, boot: 20s, offFor: 1s, healthyFor: 1s, settle: 1s }
`;

describe("the page", { skip: noBrowser }, () => {
  let rig: Rig;
  let watching: Watching;
  let readers: Readers;
  let reader: Reader;
  let address: string;

  before(async () => {
    rig = await startRig({ hosts: ["logos", "ethos", "pathos"], kind: "processes", bootMs: 1_500, settings: SETTINGS, device: "check: 2s, timeout: 2s, deadline: 10s" });
    watching = await startWatching(rig);
    [readers, address] = await Promise.all([Readers.start(), addressOf(watching)]);
    reader = await readers.reader();
  });
  after(async () => {
    await readers?.end();
    await rig?.stop();
  });

  test("it opens with one sentence, and every host in a row", async () => {
    await reader.page.goto(address);
    await guarded(rig);
    await reader.reads("Guarded 3 of 3.");
    for (const host of ["logos", "ethos", "pathos"]) await reader.row(host).getByText(/^up · /).waitFor();
    assert.match(await reader.page.title(), /^Fleet · lab$/);
    await reader.isFit("fleet");
    reader.isCalm();
  });

  test("a host is wedged and comes back while one looks, and the incident says how", async () => {
    const { page } = reader;
    await rig.host("logos").wedge("frozen");
    await reader.row("logos").getByText(/^suspect · /).waitFor();
    await page.getByRole("listitem").filter({ hasText: /logos is suspect, \d of 5: / }).waitFor();
    await reader.row("logos").getByText("booting").waitFor();
    assert.match(await page.title(), /^▲ logos/);
    await reader.isFit("fleet with an incident");
    await page.getByRole("listitem").filter({ hasText: "logos is" }).getByRole("link").nth(1).click();
    await reader.reads(/^logos was out of service for .* and came back after its power was cut and restored\.$/);
    for (const word of ["First bad sign", "Down", "Decided", "Off confirmed", "On confirmed", "Back in service"]) await reader.sees(word);
    for (const phase of ["detect", "decide", "cut", "off", "boot"]) await page.getByRole("listitem").filter({ hasText: new RegExp(`^${phase} [0-9.]+ m?s`) }).waitFor();
    await page.getByText("what the device answered").first().click();
    await reader.sees(/sucker\/2 off: acknowledged/);
    await page.getByRole("button", { name: "Copy as Markdown" }).click();
    await reader.sees("The incident is copied as Markdown.");
    const markdown = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(markdown, /^# Incident \w+-\w+: logos\n\nlogos was out of service for .*\n[^]*\| detect \| [\d.]+ s \|[^]*\*\*Back in service\*\*/);
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download as Markdown" }).click()]);
    assert.match(download.suggestedFilename(), /^\w+-\w+\.md$/);
    await reader.isFit("incident");
    const url = page.url();
    await page.goto(url);
    await reader.reads(/^logos was out of service/);
    await page.keyboard.press("g");
    await page.keyboard.press("i");
    await reader.reads("No incident is open.");
    await reader.isFit("incidents");
    reader.isCalm();
  });

  test("a host's page says what happens next, what is seen, and draws its past", async () => {
    const { page } = reader;
    await page.goto(`${address}hosts/logos`);
    await reader.reads(/^logos/);
    await reader.sees(/After 5 bad rounds .* its power at sucker\/2 is cut/);
    await page.locator("canvas").first().waitFor();
    await page.getByRole("img", { name: /^Latency of ssh: \d+ of \d+ good/ }).waitFor();
    await reader.isFit("host");
    await page.getByRole("button", { name: "15 min" }).click();
    assert.match(page.url(), /range=15\+min/);
    await page.goto(`${address}hosts/nobody`);
    await reader.reads("There is no host nobody.");
    await page.goto(`${address}hosts/logos/more`).catch(() => undefined);
    reader.complaints.length = 0;
  });

  test("a stream that is lost greys everything, and a watcher that is back colours it again", async () => {
    const { page } = reader;
    await page.goto(address);
    await reader.reads("Guarded 3 of 3.");
    const colour = () => page.locator(".verdict.up").first().evaluate((element) => getComputedStyle(element).color);
    const green = await colour();
    watching.child.kill("SIGSTOP");
    await reader.sees(/^Stale since \d\d:\d\d:\d\d$/);
    assert.notEqual(await colour(), green);
    assert.ok(await page.evaluate(() => {
      const [red, greenPart, blue] = /(\d+), (\d+), (\d+)/.exec(getComputedStyle(document.querySelector(".verdict.up") as Element).color)?.slice(1).map(Number) as [number, number, number];
      return Math.abs(red - greenPart) < 30 && Math.abs(blue - greenPart) < 30;
    }), "what was green is grey");
    await reader.isFit("stale");
    watching.child.kill("SIGCONT");
    await page.locator(".stale-note").waitFor({ state: "detached" });
    assert.equal(await colour(), green);
    reader.complaints.length = 0;
  });

  test("on a phone, in the dark, without motion", async () => {
    const phone = await readers.reader({ width: 390, height: 844, dark: true, calm: true, touch: true });
    await phone.page.goto(address);
    await phone.reads(/^Guarded/);
    await phone.row("ethos").waitFor();
    await phone.isFit("fleet on a phone");
    await phone.page.getByRole("link", { name: "logos", exact: true }).click();
    await phone.reads(/^logos/);
    await phone.page.locator("canvas").first().waitFor();
    await phone.isFit("host on a phone");
    assert.equal(await phone.page.evaluate(() => getComputedStyle(document.body).colorScheme || getComputedStyle(document.documentElement).colorScheme), "light dark");
    const ground = await phone.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await phone.page.getByText("menu", { exact: true }).click();
    await phone.page.getByRole("radio", { name: "light", exact: true }).check();
    assert.notEqual(await phone.page.evaluate(() => getComputedStyle(document.body).backgroundColor), ground);
    await phone.page.reload();
    await phone.reads(/^logos/);
    assert.notEqual(await phone.page.evaluate(() => getComputedStyle(document.body).backgroundColor), ground, "the choice is kept");
    phone.isCalm();
    await phone.leave();
  });
});
