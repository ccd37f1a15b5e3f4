// Every transcript reads as the core speaks today; a changed line is a changed behaviour and is looked at before it is written.

import assert from "node:assert/strict";
import { test } from "node:test";
import { regenerate, scenarios } from "./run.ts";

test("there are scenarios", () => assert.ok(scenarios().length >= 25));

for (const name of scenarios()) {
  test(name.replace(".scenario", "").replaceAll("-", " "), () => {
    const { was, is } = regenerate(name);
    assert.equal(was, is, "run `bin/node24 scenarios/run.ts --write` if the change is meant");
  });
}
