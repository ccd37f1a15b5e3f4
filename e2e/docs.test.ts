// The documentation as people read it from a disk, in Debian's Chromium: search finds what stands there, nothing is wider than a
// telephone, and axe finds nothing serious, by day and by night.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";
import { lacking, programPath, thirdParty } from "../lab/third-party.ts";

const ROOT = join(import.meta.dirname, "..");
const LIMIT_MS = 60_000;

test("the site", { skip: lacking("chromium") }, async () => {
  thirdParty("Chromium", [programPath("chromium") ?? "", "--version"]);
  const folder = mkdtempSync(join(tmpdir(), "upkeep-docs-"));
  execFileSync(process.execPath, [join(ROOT, "scripts/docs.ts"), folder], { timeout: LIMIT_MS });
  const browser = await chromium.launch({ executablePath: programPath("chromium") ?? "", args: process.getuid?.() === 0 ? ["--no-sandbox"] : [], timeout: LIMIT_MS });
  try {
    for (const [colorScheme, paths] of [["light", ["index.html", "reference/alerts.html"]], ["dark", ["guides/safety.html"]]] as const) {
      const context = await browser.newContext({ colorScheme });
      const page = await context.newPage();
      page.setDefaultTimeout(LIMIT_MS);
      for (const path of paths) {
        await page.goto(`file://${folder}/${path}`);
        const { violations } = await new AxeBuilder({ page }).analyze();
        assert.deepEqual(violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id, nodes }) => `${path}: ${id}: ${nodes[0]?.html}`), []);
      }
      await context.close();
    }
    const page = await browser.newPage({ viewport: { width: 360, height: 640 } });
    page.setDefaultTimeout(LIMIT_MS);
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.goto(`file://${folder}/reference/cli.html`);
    assert.ok((await page.evaluate("document.documentElement.scrollWidth") as number) <= 360, "it is as wide as the telephone");
    await page.keyboard.press("/");
    await page.keyboard.type("owed on");
    await page.locator(".found a").first().waitFor();
    assert.ok((await page.locator(".found a").allTextContents()).some((text) => /What is owed/.test(text)));
    await page.locator(".found b", { hasText: "What is owed" }).first().click();
    await page.waitForURL(/guides\/safety\.html#what-is-owed$/);
    await page.keyboard.press("/");
    await page.keyboard.type("zzzzzz");
    await page.getByText("Nothing has all these words.").waitFor();
    assert.deepEqual(errors, [], "nothing that its policy forbids");
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
