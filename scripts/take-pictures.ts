// Takes the pictures of the documentation: the page as a browser shows it, at a real watcher with the lab behind it, while
// something really is wrong. They are never drawn or touched up; when the page changes, this is run again and somebody looks.
// Run: bin/node24 scripts/take-pictures.ts [--quick] [--agents]   (eight minutes, because strips are five minutes long; --quick:
// three; --agents: only those of agents, kernels, rolling reboots and the return of power)

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FOUND, PANIC, startAgentStage } from "../e2e/agent-stage.ts";
import { addUser, addressOf, Readers } from "../e2e/page-reader.ts";
import type { Reader } from "../e2e/page-reader.ts";
import { guarded, hostStatus, incidentsOf, startWatching, statusOf, until } from "../e2e/watching.ts";
import { startRig } from "../lab/rig.ts";

const FOLDER = join(import.meta.dirname, "../docs/pictures");
const FILL_MS = process.argv.includes("--quick") ? 20_000 : 290_000;
const PASSWORD = "taking pictures";
const QUALITY = 0.86;

/** A picture of what is seen, as WebP: the browser makes it, since it can. */
async function take(reader: Reader, name: string): Promise<void> {
  const png = (await reader.page.screenshot({ animations: "disabled" })).toString("base64");
  const webp = await reader.page.evaluate(async ({ data, quality }) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    canvas.getContext("2d")?.drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", quality).split(",")[1] ?? "";
  }, { data: png, quality: QUALITY });
  const bytes = Buffer.from(webp, "base64");
  writeFileSync(join(FOLDER, `${name}.webp`), bytes);
  process.stdout.write(`docs/pictures/${name}.webp: ${Math.ceil(bytes.length / 1_000)} kB\n`);
}

async function enter(reader: Reader, url: string): Promise<void> {
  await reader.page.goto(url);
  await reader.reads("Log in");
  await reader.logsIn("riki", PASSWORD);
}

/** The fleet, a host that is power-cycled, and what one can ask for. */
async function takeFleet(readers: Readers): Promise<void> {
  const rig = await startRig({
    hosts: ["logos", "ethos", "pathos", "db1", "db2", "web1"], kind: "processes", bootMs: 6_000, pdu: { outlets: 12 }, device: "check: 10s, timeout: 2s, deadline: 20s",
    settings: `brakes: { startup: 0s, maxUnhealthy: 60%, coolDown: 2s }
defaults: { every: 2s, timeout: 1s, threshold: 5, debounce: 10s, boot: 60s, offFor: 3s, healthyFor: 4s, settle: 5s }
groups: { core: { hosts: [logos, ethos, pathos] }, data: { hosts: [db1, db2] }, web: { hosts: [web1] } }
statusPage: { title: Example status, groups: [{ group: core, as: Compute }, { group: data, as: Databases }, { group: web, as: Web }] }
`,
  });
  try {
    const watching = await startWatching(rig);
    const address = await addressOf(watching);
    await addUser(rig, "riki", "admin", PASSWORD);
    await guarded(rig);
    const door = await readers.reader();
    await door.page.goto(address);
    await door.reads("Log in");
    await take(door, "log-in");
    const logIn = (reader: Reader, path = "") => enter(reader, address + path);
    const [light, dark, phone] = await Promise.all([readers.reader({ height: 860 }), readers.reader({ height: 860, dark: true }), readers.reader({ width: 390, height: 844 })]);
    for (const reader of [light, dark, phone]) await logIn(reader);
    await light.reads(/^Guarded/);
    // A first incident, so that there is a past; then time for the strips.
    await rig.host("db1").wedge("frozen");
    await until("db1 is back", async () => (await incidentsOf(rig, "db1")).some((incident) => incident.outcome === "recovered"), 120_000, 500);
    await rig.upkeep("maintenance", "start", "db2", "--for", "2h", "--reason", "disk swap");
    await sleep(FILL_MS);
    await rig.host("ethos").wedge("frozen");
    await light.row("ethos").getByText("suspect · 3 of 5").waitFor();
    await Promise.all([take(light, "fleet-suspect"), take(phone, "phone")]);
    const wall = await readers.reader({ width: 1_280, height: 720 });
    await logIn(wall, "wall");
    await light.row("ethos").getByText("booting").waitFor();
    await sleep(3_000);
    for (const [reader, name] of [[light, "fleet"], [dark, "fleet-dark"]] as const) await take(reader, name);
    await take(wall, "wall");
    await light.page.goto(`${address}hosts/ethos`);
    await light.page.locator("canvas").first().waitFor();
    await sleep(1_500);
    await take(light, "host");
    await until("ethos is back", async () => (await incidentsOf(rig, "ethos")).some((incident) => incident.outcome === "recovered"), 120_000, 500);
    const [incident] = await incidentsOf(rig, "ethos");
    await light.page.goto(`${address}incidents/${incident?.incident ?? ""}`);
    await light.reads(/^ethos was out of service/);
    await take(light, "incident");
    await dark.page.goto(`${address}hosts/db1?range=15+min`);
    await dark.page.locator("canvas").first().waitFor();
    await sleep(1_500);
    await take(dark, "host-dark");
    await light.page.goto(`${address}hosts/pathos`);
    await light.page.getByRole("button", { name: "Fence…" }).click();
    await light.page.getByRole("dialog").getByLabel(/^Why/).fill("it hangs and nobody can log in");
    await take(light, "fence");
    await rig.upkeep("notice", "add", "Databases are slow", "--severity", "disturbance", "--component", "Databases", "--text", "A disk is being replaced. **Nothing is lost.**");
    for (const [path, heading] of [["power", /^sucker/], ["maintenance", /^db2 is held back/], ["availability", /^Available/], ["status", /available/]] as const) {
      await light.page.goto(address + path);
      await light.reads(heading);
      await take(light, path);
    }
    await light.page.goto(address);
    await light.reads(/^Guarded/);
    watching.child.kill("SIGSTOP");
    await light.sees(/^Stale since/);
    await take(light, "stale");
    watching.child.kill("SIGCONT");
  } finally {
    await rig.stop();
  }
}

/** What an agent finds, a kernel's last words, a rolling reboot that has stopped, and who is off for want of cooling. */
async function takeAgents(readers: Readers): Promise<void> {
  const stage = await startAgentStage(`brakes: { startup: 0s, maxUnhealthy: 60%, coolDown: 2s }
defaults: { every: 2s, timeout: 1s, threshold: 5, debounce: 10s, boot: 60s, offFor: 3s, healthyFor: 4s, settle: 5s }
`);
  const { rig } = stage;
  try {
    const watching = await startWatching(rig);
    const address = await addressOf(watching);
    await addUser(rig, "riki", "admin", PASSWORD);
    await guarded(rig);
    const [light, dark, phone] = await Promise.all([readers.reader({ height: 860 }), readers.reader({ height: 860, dark: true }), readers.reader({ width: 390, height: 844 })]);
    for (const reader of [light, dark, phone]) await enter(reader, address);
    await light.reads(/^Guarded/);
    await stage.enrols("ethos", FOUND);
    await stage.agent();
    await rig.upkeep("lease", "grant", "pathos", "db", "--reason", "first place");
    const at = async (reader: Reader, path: string, section: string, name: string): Promise<void> => {
      await reader.page.goto(address + path);
      const heading = reader.page.getByRole("heading", { name: section });
      await heading.waitFor();
      await sleep(1_500);
      await heading.evaluate((element) => scrollTo(0, element.getBoundingClientRect().top + scrollY - 90));
      await take(reader, name);
    };
    await at(light, "hosts/ethos", "Agent", "agent");
    await rig.upkeep("reboots", "start", "web1", "db2", "db1", "--reason", "new kernel");
    await until("the rolling reboot stops at web1", async () => (await statusOf(rig) as unknown as { readonly reboots: { readonly state: string } | null } | null)?.reboots?.state === "held", 120_000, 500);
    await at(light, "maintenance", "Rolling reboot 1", "rolling-reboot");
    await rig.upkeep("reboots", "stop");
    await stage.kernelSays("logos", PANIC);
    await rig.host("logos").wedge("frozen");
    await until("logos is back", async () => (await incidentsOf(rig, "logos")).some((incident) => incident.outcome === "recovered"), 120_000, 500);
    const [incident] = await incidentsOf(rig, "logos");
    await at(dark, `incidents/${incident?.incident ?? ""}`, "Its kernel's last words", "last-words");
    stage.cool(false);
    await light.page.goto(address);
    await light.sees(/^Power is lost/);
    for (const host of ["db1", "db2"]) {
      await rig.upkeep("going-down", host, "--careful", "--event", "rack-2-hot", "--reason", "intake 41 °C");
      await rig.host(host).wedge("frozen");
    }
    await until("both are silent", async () => (await Promise.all(["db1", "db2"].map(async (host) => (await hostStatus(rig, host) as unknown as Silent)?.careful?.lastSign))).every((sign) => typeof sign === "string"), 120_000, 500);
    await at(light, "power", "Mains and cooling", "power-lost");
    await phone.page.goto(address);
    await phone.sees(/^Power is lost/);
    await take(phone, "phone-power-lost");
  } finally {
    await stage.stop();
  }
}

type Silent = { readonly careful: { readonly lastSign: string | null } | null } | undefined;

mkdirSync(FOLDER, { recursive: true });
const readers = await Readers.start();
try {
  if (!process.argv.includes("--agents")) await takeFleet(readers);
  await takeAgents(readers);
} finally {
  await readers.end();
}
