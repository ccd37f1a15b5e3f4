// `statusPage`: what is shown to the public, by which names, and what is wrong with it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loadGood, loadText } from "./testing.ts";

const HOSTS = "hosts:\n  logos: { address: h1 }\n  ethos: { address: h2 }\n  db1: { address: h3 }\ngroups: { data: { hosts: [db1] } }\n";

test("groups, hosts, names of their own; days", async () => {
  assert.equal((await loadGood(HOSTS)).shell.statusPage, null);
  const { shell } = await loadGood(`${HOSTS}statusPage: { title: Example, history: 30d, groups: [data, { group: ungrouped, as: Web }, { hosts: [logos, ethos], as: Mail }] }\n`);
  assert.deepEqual(shell.statusPage, { title: "Example", historyDays: 30, components: [{ name: "data", group: "data", hosts: [] }, { name: "Web", group: "ungrouped", hosts: [] }, { name: "Mail", group: null, hosts: ["logos", "ethos"] }] });
  assert.deepEqual((await loadGood(`${HOSTS}statusPage: { groups: [data] }\n`)).shell.statusPage, { title: "Status", historyDays: 90, components: [{ name: "data", group: "data", hosts: [] }] });
});

test("names that are not there, twice there, or missing", async () => {
  const cases: readonly (readonly [string, string])[] = [
    ["{ groups: [dat] }", "GROUP_UNKNOWN"], ["{ groups: [{ hosts: [lagos], as: Mail }] }", "HOST_UNKNOWN"], ["{ groups: [data, { hosts: [logos], as: data }] }", "NAME_TAKEN"],
    ["{ groups: [] }", "VALUE_INVALID"], ["{ groups: [{ hosts: [logos] }] }", "KEY_MISSING"], ["{ groups: [data], history: 2y }", "DURATION_INVALID"], ["{ groups: [data], path: /x }", "KEY_UNKNOWN"], ["{ title: x }", "KEY_MISSING"],
  ];
  for (const [text, code] of cases) {
    const { problems } = await loadText(`${HOSTS}statusPage: ${text}\n`);
    const codes = problems.filter(({ severity }) => severity === "error").map((problem) => problem.code);
    assert.deepEqual([...new Set(codes)], [code], text);
  }
});
