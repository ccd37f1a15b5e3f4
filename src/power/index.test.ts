import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { loadPowerDrivers, POWER_DRIVER_NAMES } from "./index.ts";

test("every driver has its own name, says what proves it, passes the conformance suite, and has a page", async () => {
  for (const [name, driver] of await loadPowerDrivers(POWER_DRIVER_NAMES)) {
    assert.equal(driver.name, name);
    assert.ok(driver.testedOn.length > 0);
    const tests = [`./${name}.test.ts`, `./${name}-conformance.test.ts`].map((file) => new URL(file, import.meta.url)).filter((file) => existsSync(file));
    assert.ok(tests.some((file) => readFileSync(file, "utf8").includes("powerConformance(")), `${name} does not run the conformance suite`);
    const page = readFileSync(new URL(`../../docs/reference/power/${name}.md`, import.meta.url), "utf8");
    for (const proof of driver.testedOn) assert.ok(page.includes(proof), `the page of ${name} does not say what it was tested on: ${proof}`);
  }
});
