// A thousand hosts at the page: a real watcher's core and interface, in memory, because what is on trial is the page. It makes
// thirty rows of a thousand, keeps its pace while it is scrolled and while rounds come in, and is found by a few letters.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { opened } from "../src/api/doors-for-tests.ts";
import type { Opened } from "../src/api/doors-for-tests.ts";
import { openWorld } from "../src/api/world-for-tests.ts";
import type { Reader } from "./page-reader.ts";
import { noBrowser, Readers } from "./page-reader.ts";

const HOSTS = Array.from({ length: 1_000 }, (_, index) => `web${String(index + 1).padStart(4, "0")}`);
/** Rows that are made at most: those that are seen and a margin. */
const ROWS_MAX = 60;
/** Processor time of the page for each frame while it is scrolled, on average: how long a frame takes depends on what else the machine does. */
const FRAME_MS_MAX = 25;

describe("a thousand hosts", { skip: noBrowser }, () => {
  let it: Opened;
  let readers: Readers;
  let reader: Reader;

  before(async () => {
    it = await opened({ world: openWorld({ hosts: HOSTS, change: (host) => ({ ...host, everyMs: 5_000, threshold: 5, group: `rack ${host.name.slice(3, 5)}` }) }) });
    readers = await Readers.start();
    reader = await readers.reader();
    assert.ok(it.api.tcp !== null);
    await reader.page.goto(`http://127.0.0.1:${it.api.tcp.port}/`);
    await reader.reads("Guarded 1000 of 1000.");
  });
  after(async () => {
    await readers?.end();
    await it?.close();
  });

  test("what is not seen is not made, and what is made says which row of how many it is", async () => {
    const { page } = reader;
    await reader.row("web0001").waitFor();
    assert.ok(await page.locator(".host-row").count() <= ROWS_MAX);
    // Eleven groups have a line of their own, and the head is a row.
    assert.equal(await page.getByRole("table").getAttribute("aria-rowcount"), "1012");
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await reader.row("web1000").waitFor();
    assert.ok(await page.locator(".host-row").count() <= ROWS_MAX);
    assert.equal(await reader.row("web1000").getAttribute("aria-rowindex"), "1012");
    await reader.isFit("a thousand hosts, at the end");
  });

  test("it keeps its pace while it is scrolled from one end to the other", async (t) => {
    const session = await reader.page.context().newCDPSession(reader.page);
    await session.send("Performance.enable", { timeDomain: "threadTicks" });
    const workedMs = async () => ((await session.send("Performance.getMetrics")).metrics.find((metric) => metric.name === "TaskDuration")?.value ?? NaN) * 1_000;
    const beforeMs = await workedMs();
    const frames = await reader.page.evaluate(async () => {
      const took: number[] = [];
      const end = document.documentElement.scrollHeight - innerHeight;
      const STEPS = 120;
      let before = performance.now();
      for (let step = 0; step <= STEPS; step += 1) {
        scrollTo(0, end * (1 - step / STEPS));
        await new Promise<void>((resolve) => requestAnimationFrame(() => resolve()));
        took.push(performance.now() - before);
        before = performance.now();
      }
      return took;
    });
    const eachMs = (await workedMs() - beforeMs) / frames.length;
    const sorted = frames.toSorted((one, other) => one - other);
    t.diagnostic(`${frames.length} frames: ${eachMs.toFixed(1)} ms of processor time each; they took ${sorted[frames.length >> 1]?.toFixed(1)} ms in the middle, 95 of 100 within ${sorted[Math.floor(frames.length * 0.95)]?.toFixed(1)} ms`);
    assert.ok(eachMs <= FRAME_MS_MAX, `${eachMs} ms of processor time for each frame`);
  });

  test("a host that is not well comes to the front, and the others stay where they are", async () => {
    const { page } = reader;
    it.world.wedged.add("web0777");
    await page.getByRole("row").filter({ hasText: "Not well" }).waitFor();
    await reader.row("web0777").getByText(/suspect|down|booting|off/).first().waitFor();
    assert.equal(await reader.row("web0777").getAttribute("aria-rowindex"), "3");
    it.world.wedged.delete("web0777");
  });

  test("a browser that has slept for a day begins anew, and shows nothing of yesterday as now", async () => {
    const sleeper = await readers.reader();
    await sleeper.page.clock.install();
    let streams = 0;
    sleeper.page.on("request", (request) => void (request.url().endsWith("/v1/stream") && (streams += 1)));
    await sleeper.page.goto(reader.page.url());
    await sleeper.reads(/^Guarded/);
    await sleeper.page.evaluate(() => {
      const seen: string[] = [];
      Object.assign(globalThis, { seen });
      new MutationObserver(() => seen.push(document.querySelector(".stale-note")?.textContent ?? "")).observe(document.body, { childList: true, subtree: true });
    });
    await sleeper.page.clock.fastForward("24:00:00");
    await sleeper.page.waitForFunction(() => ((globalThis as unknown as { seen: string[] }).seen).some((text) => text.startsWith("Stale since")));
    await sleeper.page.locator(".stale-note").waitFor({ state: "detached" });
    await sleeper.page.getByText(/^live/).waitFor();
    assert.equal(streams, 2);
    await sleeper.leave();
  });

  test("by keys: filter, step, open, back; and the address says what is shown", async () => {
    const { page } = reader;
    await page.locator("main").focus();
    await page.keyboard.press("/");
    await page.keyboard.type("web00 rack 00 web0042");
    await page.waitForURL(/q=web00/);
    await reader.row("web0042").waitFor();
    assert.equal(await page.locator(".host-row").count(), 1);
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    await page.waitForFunction(() => document.activeElement?.textContent === "web0042");
    await page.keyboard.press("Enter");
    await reader.reads(/^web0042/);
    await page.goBack();
    assert.match(page.url(), /q=web00/);
    await reader.row("web0042").waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).getByText("filter the hosts").waitFor();
    await reader.isFit("the help");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.goto(new URL("/?q=nothing-like-it", page.url()).href);
    await reader.sees("No host fits this filter.");
    await page.getByRole("button", { name: "Show all" }).click();
    await reader.row("web0001").waitFor();
    reader.isCalm();
  });
});
