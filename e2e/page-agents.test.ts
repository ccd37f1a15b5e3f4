// What the page says of agents, kernels, rolling reboots and the return of power, in a real browser at a real watcher: what asks
// for somebody stands first, what can be done is offered where it is said, and all of it fits a phone in the dark.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { AgentStage } from "./agent-stage.ts";
import { FOUND, PANIC, startAgentStage } from "./agent-stage.ts";
import type { Reader } from "./page-reader.ts";
import { addressOf, addUser, noBrowser, Readers } from "./page-reader.ts";
import { guarded, incidentsOf, startWatching, until } from "./watching.ts";

const SETTINGS = `brakes: { startup: 0s, maxUnhealthy: 100%, coolDown: 1s }
defaults: { every: 500ms, timeout: 400ms, threshold: 3, debounce: 4s, boot: 20s, offFor: 1s, healthyFor: 1s, settle: 1s }
`;
const PASSWORD = "correct horse battery staple";
const PATIENT_MS = 90_000;

describe("agents on the page", { skip: noBrowser }, () => {
  let stage: AgentStage;
  let readers: Readers;
  let reader: Reader;
  let phone: Reader;
  let address: string;

  before(async () => {
    stage = await startAgentStage(SETTINGS);
    const watching = await startWatching(stage.rig);
    [readers, address] = await Promise.all([Readers.start(), addressOf(watching)]);
    await addUser(stage.rig, "ada", "admin", PASSWORD);
    [reader, phone] = await Promise.all([readers.reader(), readers.reader({ width: 390, height: 844, dark: true, calm: true, touch: true })]);
    for (const each of [reader, phone]) {
      await each.page.goto(address);
      await each.reads("Log in");
      await each.logsIn("ada", PASSWORD);
      await each.reads(/^Guarded/);
    }
    await guarded(stage.rig, undefined, PATIENT_MS);
  });
  after(async () => {
    await readers?.end();
    await stage?.stop();
  });

  /** The same on a phone: it says this, and fits. */
  const fits = async (path: string, text: string | RegExp): Promise<void> => {
    await phone.page.goto(`${address}${path}`);
    await phone.sees(text);
    await phone.isFit(`${path} on a phone`);
    phone.isCalm();
  };

  test("what an agent has found, the worst first, and what comes of it; a lease; an agent that is shut out", async () => {
    const { page } = reader;
    const host = await stage.enrols("ethos", FOUND);
    await page.goto(`${address}hosts/ethos`);
    await reader.sees(/^Connected for .* 3 of 8 findings are good\.$/);
    const first = page.getByRole("listitem").filter({ hasText: "has not reached the disk" });
    await first.getByText("power may be the cure").waitFor();
    assert.match(await page.locator(".findings li").first().innerText(), /^bad\s+storage:\/var/);
    await reader.sees(/^It is told, and its power is not cut for it: this host has no probe/);
    await page.getByText("3 findings are good").click();
    await reader.sees("a write comes to the disk and back within 50 ms.");
    assert.equal((await stage.rig.upkeep("lease", "grant", "ethos", "db", "--reason", "first place")).code, 0);
    await reader.sees(/^The agent has not taken it yet\..*Granted by .*: first place\.$/);
    await reader.isFit("a host with an agent");
    await page.goto(`${address}watchers`);
    await reader.reads("Agents of hosts");
    await page.getByRole("listitem").filter({ hasText: "ethos" }).getByText("2 bad").waitFor();
    await reader.isFit("agents");
    await fits("hosts/ethos", "storage:/var");
    await host.close();
    assert.equal((await stage.rig.upkeep("agents", "revoke", "ethos")).code, 0);
    await page.goto(`${address}hosts/ethos`);
    await reader.sees(/^Revoked by .*: nothing of it is listened to\. A new code lets it in again/);
    assert.equal(await page.getByText("storage:/var").count(), 0, "and nothing of it is shown");
    reader.isCalm();
  });

  test("a rolling reboot stops at the first that does not go down; the page says where, and one may stop it there", async () => {
    const { page } = reader;
    assert.equal((await stage.rig.upkeep("reboots", "start", "web1", "db2", "--reason", "new kernel")).code, 0);
    await page.goto(address);
    await reader.sees(/^Rolling reboot 1 has stopped: web1 did not go down/, PATIENT_MS);
    await page.getByRole("link", { name: "Rolling reboot 1" }).click();
    await reader.reads("Rolling reboot 1");
    const row = (host: string) => page.locator(".findings li").filter({ has: page.getByRole("link", { name: host, exact: true }) });
    await row("web1").getByText("failed").waitFor();
    await row("db2").getByText("to come").waitFor();
    await reader.isFit("a rolling reboot that has stopped");
    await fits("maintenance", "It has stopped: web1");
    await page.getByRole("button", { name: "Stop it…" }).click();
    await page.getByRole("button", { name: "Stop it", exact: true }).click();
    await reader.sees(/rolling reboot 1 is stopped/i);
    await page.getByRole("button", { name: "Close" }).click();
    await row("db2").getByText("not touched").waitFor();
    reader.isCalm();
  });

  test("a kernel's last words at the host and at its incident", async () => {
    const { page } = reader;
    await stage.kernelSays("logos", PANIC);
    await stage.rig.host("logos").wedge("frozen");
    await page.goto(`${address}hosts/logos`);
    await reader.reads("Its kernel's last words", PATIENT_MS);
    await page.getByRole("link", { name: "Its kernel panicked: Fatal exception in interrupt." }).waitFor();
    await page.getByLabel("Lines of its kernel").getByText("RIP: 0010:mlx5e_napi_poll").waitFor();
    await reader.isFit("a host whose kernel spoke");
    const incident = await until("an incident is on record", async () => (await incidentsOf(stage.rig, "logos"))[0]?.incident, PATIENT_MS, 100);
    await page.goto(`${address}incidents/${incident}`);
    await reader.reads("Its kernel's last words");
    await reader.isFit("an incident with a kernel's words");
    await fits(`incidents/${incident}`, "Its kernel panicked: Fatal exception in interrupt.");
    reader.isCalm();
  });

  test("off for want of cooling: who, why, when it returns, and a person's word that it may", async () => {
    const { page } = reader;
    stage.cool(false);
    await page.goto(address);
    await reader.sees(/^Power is lost: intake reads 41 °C/, PATIENT_MS);
    assert.equal((await stage.rig.upkeep("going-down", "db1", "--careful", "--event", "rack-2-hot", "--reason", "intake 41 °C")).code, 0);
    await reader.row("db1").getByText(/^going off$|^off, as wanted$/).waitFor();
    await stage.rig.host("db1").wedge("frozen");
    await reader.sees(/^db1 is off: careful shutdown of .* returns when power has been good for 4 s/, PATIENT_MS);
    await reader.isFit("the fleet without cooling");
    await page.getByRole("link", { name: "Power is lost" }).click();
    await reader.reads("Power is lost. sucker can be read.");
    await reader.sees(/^Off: careful shutdown/);
    await reader.isFit("power that is lost");
    await fits("power", /^Off: careful shutdown/);
    await page.getByRole("button", { name: "Start it again now…" }).click();
    await reader.sees(/^It is started without waiting for power to be good/);
    await page.getByRole("button", { name: "Start it again now", exact: true }).click();
    await reader.sees(/db1: started now/);
    await page.getByRole("button", { name: "Close" }).click();
    await until("db1 has power again", async () => (await stage.rig.records()).some((record) => record.kind === "edge" && record.outlet === stage.rig.outlet("db1") && record.state === "on"), PATIENT_MS, 100);
    reader.isCalm();
  });
});
