// Takes the pictures of the documentation: the page as a browser shows it, at a real watcher with the lab behind it, while
// something really is wrong. They are never drawn or touched up; when the page changes, this is run again and somebody looks.
// Run: bin/node24 scripts/take-pictures.ts [--quick]   (six minutes, because strips are five minutes long; --quick: one)

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { addUser, addressOf, Readers } from "../e2e/page-reader.ts";
import type { Reader } from "../e2e/page-reader.ts";
import { guarded, incidentsOf, startWatching, until } from "../e2e/watching.ts";
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

mkdirSync(FOLDER, { recursive: true });
const rig = await startRig({
  hosts: ["logos", "ethos", "pathos", "db1", "db2", "web1"], kind: "processes", bootMs: 6_000, pdu: { outlets: 12 }, device: "check: 10s, timeout: 2s, deadline: 20s",
  settings: `brakes: { startup: 0s, maxUnhealthy: 60%, coolDown: 2s }
defaults: { every: 2s, timeout: 1s, threshold: 5, debounce: 10s, boot: 60s, offFor: 3s, healthyFor: 4s, settle: 5s }
groups: { core: { hosts: [logos, ethos, pathos] }, data: { hosts: [db1, db2] }, web: { hosts: [web1] } }
statusPage: { title: Example status, groups: [{ group: core, as: Compute }, { group: data, as: Databases }, { group: web, as: Web }] }
`,
});
const readers = await Readers.start();
try {
  const watching = await startWatching(rig);
  const address = await addressOf(watching);
  await addUser(rig, "riki", "admin", PASSWORD);
  await guarded(rig);
  const door = await readers.reader();
  await door.page.goto(address);
  await door.reads("Log in");
  await take(door, "log-in");
  const logIn = async (reader: Reader, path = ""): Promise<void> => {
    await reader.page.goto(address + path);
    await reader.reads("Log in");
    await reader.logsIn("riki", PASSWORD);
  };
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
  await readers.end();
  await rig.stop();
}
