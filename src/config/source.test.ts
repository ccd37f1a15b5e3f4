import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProblemList } from "./problems.ts";
import type { Problem } from "./problems.ts";
import { parseSource } from "./source.ts";
import type { Source } from "./source.ts";

function parse(text: string): { source: Source | null; problems: readonly Problem[] } {
  const problems = new ProblemList();
  return { source: parseSource("f.yaml", text, problems), problems: problems.sorted() };
}

function told(text: string): readonly string[] {
  return parse(text).problems.map(({ line, column, code }) => `${line}:${column} ${code}`);
}

test("every key and value knows its place", () => {
  const { source } = parse('hosts:\n  web1:\n    power: [a/1, "b/2"]\n    probes:\n      - ssh\n      - tcp: { port: 53 }\nempty:\n');
  assert.ok(source !== null);
  const at = (path: readonly (string | number)[], part?: "key"): string => {
    const { line, column } = source.place(path, part);
    return `${line}:${column}`;
  };
  assert.equal(at(["hosts", "web1"], "key"), "2:3");
  assert.equal(at(["hosts", "web1", "power"]), "3:12");
  assert.equal(at(["hosts", "web1", "power", 1]), "3:18");
  assert.equal(at(["hosts", "web1", "probes", 1, "tcp", "port"]), "6:22");
  assert.equal(at(["hosts", "web1", "probes", 1, "tcp", "port"], "key"), "6:16");
  assert.equal(at(["empty"]), "7:1", "an empty value is shown at its key");
  assert.equal(at(["hosts", "web1", "address"]), "2:3", "what is missing is shown at the key around it");
  assert.equal(at(["nothing"]), "1:1");
  assert.ok(source.has(["hosts", "web1", "power", 0]) && !source.has(["hosts", "web2"]));
});

test("columns count characters after a byte order mark and with carriage returns", () => {
  const { source } = parse("\uFEFFa: 1\r\nb: { c: 2 }\r\n");
  assert.deepEqual(source?.place(["b", "c"]), { file: "f.yaml", line: 2, column: 9 });
});

test("aliases share values, and the problem is shown where the value stands", () => {
  const { source } = parse("a: &list [1, x]\nb: *list\n");
  assert.deepEqual(source?.value, { a: [1, "x"], b: [1, "x"] });
  assert.deepEqual(source?.place(["b"]), { file: "f.yaml", line: 2, column: 4 });
  assert.deepEqual(source?.place(["b", 1]), { file: "f.yaml", line: 1, column: 14 });
});

const MISTAKES = [
  ["a duplicate key, both places", "a: 1\nb: 2\na: 3\n", ["3:1 YAML_DUPLICATE"]],
  ["a duplicate in a flow mapping", "a: { b: 1, b: 2 }", ["1:12 YAML_DUPLICATE"]],
  ["an unclosed list", "a: [1, 2\nb: 1\n", ["2:1 YAML_SYNTAX"]],
  ["a tab as indentation", "a:\n\tb: 1\n", ["2:1 YAML_SYNTAX"]],
  ["two documents", "a: 1\n---\nb: 2\n", ["2:1 YAML_SYNTAX"]],
  ["a tag", "a: !!binary aGk=\n", ["1:4 YAML_SYNTAX"]],
  ["a list as a key", "? [a]\n: 1\n", ["1:3 YAML_SYNTAX"]],
  ["an alias without an anchor", "a: *x\n", ["1:4 YAML_ALIAS"]],
  ["an alias of itself", "a: &x [*x]\n", ["1:8 YAML_ALIAS"]],
  ["a key that would replace the prototype", "__proto__: { polluted: true }\n", ["1:1 KEY_UNKNOWN"]],
] as const;

for (const [what, text, expected] of MISTAKES) {
  test(`told with its place: ${what}`, () => {
    for (const place of expected) assert.ok(told(text).includes(place), `${place} in ${told(text).join(", ")}`);
    if (expected[0] === "3:1 YAML_DUPLICATE") assert.match(parse(text).problems[0]?.hint ?? "", /line 1, column 1/);
  });
}

test("a prototype is not polluted", () => {
  parse("__proto__: { polluted: true }\na: { __proto__: { polluted: true } }\n");
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

test("a billion laughs is refused in no time", () => {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level <= 12; level += 1) lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(", ")}]`);
  const { source, problems } = parse(lines.join("\n"));
  assert.equal(source, null);
  assert.deepEqual(problems.map(({ code }) => code), ["YAML_ALIAS"]);
});

test("what is nested too deeply is refused, not followed", () => {
  for (const text of ["[".repeat(5_000), `${"[".repeat(30)}${"]".repeat(30)}`, Array.from({ length: 60 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n")]) {
    const { source, problems } = parse(text);
    assert.equal(source, null);
    assert.ok(problems.some(({ code }) => code === "FILE_TOO_LARGE"), text.slice(0, 10));
  }
});

test("messages of the parser never quote the file, which may hold a secret", () => {
  for (const text of ['password: "hunter2" x', "password: hunter2: x", "password: 'hunter2", "password: [hunter2", "password: {hunter2", "password: *hunter2x y", "password: !hunter2 x", 'password: "\\qhunter2"', "password: \"hunter2\nx: 1", "password: >hunter2", "password: hunter2\n x: hunter2: y", "hunter2", "- hunter2\npassword: hunter2", "%hunter2", "password: @hunter2", "password: |hunter2"]) {
    const { problems } = parse(text);
    for (const { message, hint } of problems) assert.ok(!`${message}${hint}`.includes("hunter2"), `${text} → ${message}`);
  }
});

test("no text makes it throw", () => {
  const yamlish = fc.array(fc.constantFrom("a", "b:", ": ", "- ", "\n", "  ", "[", "]", "{", "}", "&x ", "*x", "!t ", "'", '"', "|\n", ">\n", "#", "? ", "---\n", "<<: ", "\t", "\u0000", "%YAML 1.1\n", "~", "1", ","), { maxLength: 40 }).map((parts) => parts.join(""));
  fc.assert(fc.property(fc.oneof(fc.string({ maxLength: 60 }), yamlish), (text) => {
    const { source, problems } = parse(text);
    if (source === null) assert.ok(problems.length > 0);
    else source.place(["a", 0, "b"]);
  }), { numRuns: 500 });
});
