// The transcripts of several watchers, compared letter by letter.

import assert from "node:assert/strict";
import { test } from "node:test";
import { regenerateSeveral, severalScenarios } from "./several.ts";

test("there are scenarios of several watchers", () => assert.ok(severalScenarios().length >= 12));

for (const name of severalScenarios()) {
  test(`several: ${name.replace(".scenario", "").replaceAll("-", " ")}`, () => {
    const { was, is } = regenerateSeveral(name);
    assert.equal(was, is, "run `bin/node24 scenarios/several.ts --write` if the change is meant");
  });
}
