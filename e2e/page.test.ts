// The page in a real browser, at a real watcher with a real PDU dialogue and hosts that really stop serving: what a person sees
// and does, from the first link to a night call. One watcher and one browser serve all of it, in the order of a first day.

import assert from "node:assert/strict";
import { Secret, TOTP } from "otpauth";
import { after, before, describe, test } from "node:test";
import type { Rig } from "../lab/rig.ts";
import { startRig } from "../lab/rig.ts";
import type { Reader } from "./page-reader.ts";
import { addressOf, addUser, noBrowser, Readers, setUpLink } from "./page-reader.ts";
import type { Watching } from "./watching.ts";
import { guarded, startWatching } from "./watching.ts";

const SETTINGS = `brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 1s }
defaults: { every: 500ms, timeout: 400ms, threshold: 5, debounce: 4s, boot: 20s, offFor: 1s, healthyFor: 1s, settle: 1s }
`;

const PASSWORD = "a long walk home";

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

  test("before there is a user whoever is on this machine may look, and is told how to begin", async () => {
    await reader.page.goto(address);
    await guarded(rig);
    await reader.reads("Guarded 3 of 3.");
    for (const host of ["logos", "ethos", "pathos"]) await reader.row(host).getByText(/^up · /).waitFor();
    assert.match(await reader.page.title(), /^Fleet · lab$/);
    await reader.row("logos").getByRole("link", { name: "logos" }).click();
    await reader.sees(/for commands one needs the role operator/);
    assert.equal(await reader.page.getByRole("button", { name: /Fence/ }).count(), 0);
    await reader.isFit("host, before there is a user");
    reader.isCalm();
  });

  test("the interface can be read, searched and tried, from what this watcher serves", async () => {
    const { page } = reader;
    await page.goto(`${address}docs`);
    await reader.reads("GET /v1/status");
    await page.getByLabel("Search").fill("maintenance");
    await page.getByRole("heading", { name: "GET /v1/status" }).waitFor({ state: "detached" });
    await reader.reads("POST /v1/commands");
    await reader.isFit("the interface");
    await page.getByRole("link", { name: "Command" }).first().click();
    await reader.reads("Command");
    await page.locator("#post-commands").getByRole("button", { name: "Copy" }).click();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^curl .*"maintenance".*\/v1\/commands$/);
    const narrow = await readers.reader({ width: 390, height: 800, dark: true });
    await narrow.page.goto(`${address}docs?q=incident`);
    await narrow.reads("GET /v1/incidents");
    await narrow.isFit("the interface on a phone, in the dark");
    narrow.isCalm();
    await narrow.leave();
    reader.isCalm();
    await page.goto(address);
  });

  test("the link makes the first user, once", async () => {
    const { page } = reader;
    const link = await setUpLink(rig);
    await page.goto(link);
    await reader.reads("The first user");
    await page.getByLabel("Your name here").fill("riki");
    await page.getByLabel("Password", { exact: true }).fill("short");
    await reader.sees("5 more characters.");
    assert.ok(await page.getByRole("button", { name: "Begin" }).isDisabled());
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByLabel("The same again").fill(PASSWORD);
    await reader.isFit("set-up");
    await page.getByRole("button", { name: "Begin" }).click();
    await reader.reads("Guarded 3 of 3.");
    assert.ok(!page.url().includes("#"), "the code does not stay in the address");
    await reader.isFit("fleet");
    reader.isCalm();
    const second = await readers.reader();
    await second.page.goto(link);
    await second.page.getByLabel("Your name here").fill("mallory");
    await second.page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await second.page.getByLabel("The same again").fill(PASSWORD);
    await second.page.getByRole("button", { name: "Begin" }).click();
    await second.sees(/There is a user: log in/);
    await second.page.goto(address);
    await second.reads("Log in");
    await second.isFit("log-in");
    await second.logsIn("riki", "not the password");
    await second.page.getByRole("alert").waitFor();
    await second.leave();
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
    await page.goto(`${address}hosts/ethos`);
    await reader.reads(/^ethos/);
    await reader.sees(/After 5 bad rounds .* its power at sucker\/3 is cut/);
    await page.locator("canvas").first().waitFor();
    await page.getByRole("img", { name: /^Latency of ssh: \d+ of \d+ good/ }).waitFor();
    await reader.isFit("host");
    await page.getByRole("button", { name: "15 min" }).click();
    assert.match(page.url(), /range=15\+min/);
    await page.goto(`${address}hosts/nobody`);
    await reader.reads("There is no host nobody.");
    reader.complaints.length = 0;
  });

  test("maintenance, and what is refused says which brake refused", async () => {
    const { page } = reader;
    await page.goto(`${address}hosts/ethos`);
    await page.getByRole("button", { name: "Start maintenance…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(/^Why/).fill("new <b>disk</b>");
    await dialog.getByLabel("For how long").selectOption("30 minutes");
    await reader.isFit("a dialogue");
    await dialog.getByRole("button", { name: "Start maintenance" }).click();
    await dialog.getByText(/Done\. maintenance for ethos for 30 min\./).waitFor();
    await dialog.getByRole("button", { name: "Close" }).click();
    // What somebody wrote is shown as he wrote it, and is no markup.
    await reader.sees(/Not guarded: .*maintenance.*new <b>disk<\/b>/);
    await page.getByRole("button", { name: "Fence…" }).click();
    assert.ok(await dialog.getByRole("button", { name: "Fence" }).isDisabled(), "a fence needs its reason");
    await dialog.getByLabel(/^Why/).fill("to see what happens");
    await dialog.getByRole("button", { name: "Fence" }).click();
    await dialog.getByText(/^Refused\. .*maintenance/).waitFor();
    await dialog.getByRole("button", { name: "Close" }).click();
    await page.getByRole("button", { name: "End maintenance…" }).click();
    await dialog.getByRole("button", { name: "End maintenance" }).click();
    await dialog.getByText(/Done\. maintenance has ended/).waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    reader.isCalm();
  });

  test("what serves is cut only by who types its name", async () => {
    const { page } = reader;
    const offs = async () => (await rig.records()).filter((record) => record.kind === "edge").length;
    const before = await offs();
    await page.getByRole("button", { name: "Power cycle…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(/^Why/).fill("a new kernel");
    await dialog.getByRole("button", { name: "Power cycle" }).click();
    await dialog.getByText(/ethos is serving right now: type its name/).waitFor();
    await dialog.getByLabel(/^Type ethos/).fill("etho");
    assert.ok(await dialog.getByRole("button", { name: "Power cycle" }).isDisabled());
    assert.equal(await offs(), before);
    await dialog.getByLabel(/^Type ethos/).fill("ethos");
    await dialog.getByRole("button", { name: "Power cycle" }).click();
    await dialog.getByRole("link", { name: /^Incident / }).click();
    await reader.reads(/^ethos was out of service for .* came back after its power was cut and restored/);
    assert.equal(await offs(), before + 2);
    await reader.sees(/riki asked for a power cycle: a new kernel/);
    reader.isCalm();
  });

  test("an outlet that somebody else switched off is told, acknowledged, and switched on by who asks for it", async () => {
    const { page } = reader;
    await page.goto(address);
    await rig.switchByHand(rig.outlet("pathos"), "off");
    await page.getByRole("listitem").filter({ hasText: /pathos was switched off at sucker\/4, and not by us: it is left off\./ }).waitFor();
    await page.getByRole("button", { name: /^Acknowledge: .*pathos/ }).click();
    await reader.sees(/^1 acknowledged alarm is not over/);
    await page.goto(`${address}hosts/pathos`);
    await page.getByRole("button", { name: "Power on…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Power on" }).click();
    await dialog.getByText(/^Done\. operation \d+ begins/).waitFor();
    await page.keyboard.press("Escape");
    await page.locator("h1").getByText(/^up · /).waitFor();
    assert.equal((await rig.state()).outlets.find((outlet) => outlet.outlet === rig.outlet("pathos"))?.state, "on");
    reader.isCalm();
  });

  test("codes of a phone: set up, asked for, wrong and right", async () => {
    const { page } = reader;
    await page.goto(`${address}account`);
    await reader.reads("riki");
    const codes = page.getByRole("region", { name: "Codes of a phone" });
    await codes.getByLabel("Your present password").fill(PASSWORD);
    await codes.getByRole("button", { name: "Set up codes" }).click();
    await codes.getByRole("img", { name: /Code for a phone/ }).waitFor();
    const totp = new TOTP({ secret: Secret.fromBase32(await codes.locator(".secret-text").innerText()) });
    await reader.isFit("account with a code for a phone");
    await codes.getByLabel("The code that it shows").fill(totp.generate());
    await codes.getByRole("button", { name: "Begin with codes" }).click();
    await codes.getByText(/Codes for the day when the phone is lost/).waitFor();
    assert.equal((await codes.locator("pre").innerText()).trim().split("\n").length, 8);
    await codes.getByRole("button", { name: "I have kept them" }).click();
    await page.getByText("riki", { exact: true }).first().click();
    await page.getByRole("button", { name: "Log out" }).click();
    await reader.reads("Log in");
    await reader.logsIn("riki", PASSWORD);
    const code = page.getByLabel(/^Code of your phone/);
    await code.fill("000000");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").waitFor();
    // The code of now has been used to begin with; the next one is good already (RFC 6238 §5.2).
    await code.fill(totp.generate({ timestamp: Date.now() + 30_000 }));
    await page.getByRole("button", { name: "Log in" }).click();
    await reader.reads(/^Guarded/);
    reader.complaints.length = 0;
  });

  test("another user looks and may not act; the trail says who did what; and whoever is removed is out at once", async () => {
    const { page } = reader;
    await page.goto(`${address}users`);
    await page.getByLabel(/^Name: small letters/).fill("vera");
    await page.getByLabel(/^A password to begin with/).fill("other words entirely");
    await page.getByLabel("The same again").fill("other words entirely");
    await page.getByRole("button", { name: "Add" }).click();
    await page.getByRole("cell", { name: "vera", exact: true }).waitFor();
    await reader.isFit("users");
    const other = await readers.reader();
    await other.page.goto(`${address}hosts/pathos`);
    await other.reads("Log in");
    await other.logsIn("vera", "other words entirely");
    await other.reads(/^pathos/);
    await other.sees(/for commands one needs the role operator/);
    await other.page.goto(`${address}users`);
    await other.sees(/This page is for who has the role admin; yours is viewer/);
    await other.page.goto(address);
    await other.reads(/^Guarded/);
    other.isCalm();
    await page.getByRole("button", { name: "Change vera" }).click();
    await page.getByLabel(/vera is to be removed/).check();
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await page.getByRole("cell", { name: "vera", exact: true }).waitFor({ state: "detached" });
    await other.reads("Log in");
    await other.leave();
    await page.goto(`${address}audit`);
    await page.getByRole("cell", { name: /^riki session from 127\.0\.0\.1/ }).first().waitFor();
    await reader.sees(/ethos/);
    await reader.isFit("audit");
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
    await addUser(rig, "otto", "operator", PASSWORD);
    const phone = await readers.reader({ width: 390, height: 844, dark: true, calm: true, touch: true });
    await phone.page.goto(address);
    await phone.reads("Log in");
    await phone.isFit("log-in on a phone");
    await phone.logsIn("otto", PASSWORD);
    await phone.reads(/^Guarded/);
    await phone.row("ethos").waitFor();
    await phone.isFit("fleet on a phone");
    await phone.page.getByRole("link", { name: "logos", exact: true }).click();
    await phone.reads(/^logos/);
    await phone.page.locator("canvas").first().waitFor();
    await phone.isFit("host on a phone");
    assert.equal(await phone.page.evaluate(() => getComputedStyle(document.body).colorScheme || getComputedStyle(document.documentElement).colorScheme), "light dark");
    const ground = await phone.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await phone.page.getByText("otto", { exact: true }).click();
    await phone.page.getByRole("radio", { name: "light", exact: true }).check();
    assert.notEqual(await phone.page.evaluate(() => getComputedStyle(document.body).backgroundColor), ground);
    await phone.page.reload();
    await phone.reads(/^logos/);
    assert.notEqual(await phone.page.evaluate(() => getComputedStyle(document.body).backgroundColor), ground, "the choice is kept");
    phone.isCalm();
    await phone.leave();
  });
});
