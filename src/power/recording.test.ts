import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { UpkeepError } from "../core/errors.ts";
import type { PowerDevice, PowerSession, Tap } from "./power.ts";
import { formatRecording, parseRecording, recordDialogue } from "./recording.ts";
import type { RecordedDevice, Turn } from "./recording.ts";

const WHAT: RecordedDevice = { driver: "apc", options: { host: "10.0.0.9", port: 23, username: "bobby", password: "hunter2 -c", stepMs: 1 }, secrets: ["hunter2 -c"], names: ["bobby", "10.0.0.9"], outlets: ["2"] };

/** A device that says what it is told to. */
function talker(turns: readonly Turn[], readings = [{ outlet: "2", state: "on" as const, label: "of bobby" }]): PowerDevice {
  return {
    open: async (_signal: AbortSignal, tap?: Tap) => {
      for (const { by, text } of turns) {
        if (by === "us") tap?.said(text);
        else for (const letter of text) tap?.heard(letter);
      }
      return { read: async () => readings, set: () => assert.fail("a recording switches nothing"), close: async () => {} } as PowerSession;
    },
  };
}

const record = (turns: readonly Turn[], what = WHAT): Promise<string> => recordDialogue(talker(turns), what, AbortSignal.timeout(10_000));

test("what was said and heard, and what the driver made of it, without secrets and without where the device is", async () => {
  const text = await record([
    { by: "device", text: "User Name : " }, { by: "us", text: "bobby\r" }, { by: "device", text: "bobby\r\nPassword  : " }, { by: "us", text: "hunter2 -c\r" },
    { by: "device", text: "hunter2 -c\r\nwelcome bobby, your word hunter2 is weak\r\n> " },
  ]);
  assert.equal(text, [
    "upkeep recording 1", "driver apc", 'options {"host":"secret3","port":23,"username":"secret2","password":"secret1"}', 'outlets ["2"]', 'readings [{"outlet":"2","state":"on","label":"of secret2"}]', "",
    '< "User Name : "', '> "secret2\\r"', '< "secret2\\r\\n"', '< "Password  : "', '> "secret1\\r"', '< "secret1\\r\\n"', '< "welcome secret2, your word secret1 is weak\\r\\n"', '< "> "', "",
  ].join("\n"));
  assert.doesNotMatch(text, /hunter2|bobby|10\.0\.0\.9/);
});

test("a factory name is hidden where it is typed and echoed, and left where it is part of a prompt", async () => {
  const text = await record([{ by: "us", text: "apc\r" }, { by: "device", text: "apc\r\napc>" }], { ...WHAT, names: ["apc"] });
  assert.match(text, /> "secret2\\r"\n< "secret2\\r\\n"\n< "apc>"/);
});

test("a secret that stands inside JSON is hidden as well", async () => {
  const secret = 'a"quoted\\word';
  const text = await record([{ by: "us", text: JSON.stringify({ argv: ["x"], input: `passwd=${secret}\n` }) }], { ...WHAT, options: {}, secrets: [secret] });
  assert.doesNotMatch(text, /quoted/);
  assert.deepEqual(JSON.parse(parseRecording(text).turns[0]?.text ?? ""), { argv: ["x"], input: "passwd=secret1\n" });
});

test("a file is read back as it was written; remarks are no turns", () => {
  fc.assert(fc.property(fc.array(fc.record({ by: fc.constantFrom("us" as const, "device" as const), text: fc.string({ unit: "binary", minLength: 1, maxLength: 60 }) }), { maxLength: 20 }), (said) => {
    const turns = said.filter((turn, index) => turn.by === "us" || said[index - 1]?.by !== "device");
    const text = formatRecording({ driver: "apc", options: { a: 1 }, outlets: ["1"], readings: [], turns }, { secrets: [], names: [] });
    const read = parseRecording(text.replace("\n\n", "\n# an AP7921\n"));
    assert.deepEqual(read.turns.map(({ by, text: heard }) => [by, heard]), turns.map(({ by, text: heard }) => [by, heard]));
  }));
});

test("no secret is left, however the device throws it about", () => {
  const secret = fc.string({ minLength: 4, maxLength: 12, unit: fc.constantFrom("a", "b", "%", '"', "\\") });
  fc.assert(fc.property(secret, fc.array(fc.oneof(fc.string({ maxLength: 20 }), fc.constant("\u0000")), { maxLength: 12 }), (hidden, parts) => {
    const text = formatRecording({ driver: "apc", options: { password: hidden }, outlets: [], readings: [], turns: [{ by: "device", text: parts.map((part) => (part === "\u0000" ? hidden : part)).join("") }] }, { secrets: [hidden], names: [] });
    for (const { text: heard } of parseRecording(text).turns) assert.ok(!heard.includes(hidden), heard);
    assert.ok(!JSON.stringify(parseRecording(text).options).includes(JSON.stringify(hidden).slice(1, -1)));
  }));
});

test("what is no recording is refused with the line", () => {
  const good = formatRecording({ driver: "apc", options: {}, outlets: [], readings: [], turns: [{ by: "us", text: "x" }] }, { secrets: [], names: [] });
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["", /^line 1/], [good.replace("recording 1", "recording 2"), /^line 1/], [good.replace("driver", "drover"), /^line 2/], [good.replace("options {", "options {{"), /^line 3: not JSON/],
    [good.replace("outlets []", "outlets 1"), /wrong kind/], [good.replace("> \"x\"", "* \"x\""), /^line 7/], [good.replace("> \"x\"", "> 7"), /^line 7/], [`${good}${"x".repeat(3_000_000)}`, /larger/],
  ];
  for (const [text, why] of wrong) assert.throws(() => parseRecording(text), (error: unknown) => error instanceof Error && why.test(error.message), String(why));
});

test("a dialogue without an end is not kept, and the session is closed", async () => {
  let closed = false;
  const device: PowerDevice = {
    open: async (_signal, tap) => {
      for (let turn = 0; turn < 12_000; turn++) tap?.said("again");
      return { read: async () => [], set: () => assert.fail("a recording switches nothing"), close: async () => void (closed = true) };
    },
  };
  await assert.rejects(recordDialogue(device, WHAT, AbortSignal.timeout(10_000)), (error) => error instanceof UpkeepError && error.code === "POWER_NONSENSE");
  assert.ok(closed);
});
