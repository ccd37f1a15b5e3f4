// A dialogue with a real device as a file: who said what, in order, without secrets. It becomes a test: recordings/ holds
// such files, and each is replayed against its driver, so that a device that one person has is a device that every change is
// tried on. Only reading is ever recorded: a log-in, one listing, a log-out.
//
// The file is text that a person can read through before it leaves the house, one JSON string a line, `>` what we said and
// `<` what was heard. A secret becomes `secret1`, `secret2` wherever it stands, whole answers being searched, so that one that
// is echoed in pieces is found too. A line that begins with # is a remark: which device, which firmware. The options stand in it with the same words in place of the secrets, so that a replay says
// what was said.

import { UpkeepError } from "../core/errors.ts";
import type { PowerDevice, Reading, Tap } from "./power.ts";

export type Turn = { readonly by: "us" | "device"; readonly text: string };

export type Recording = {
  readonly driver: string;
  /** As `create` takes them, secrets and the device's address replaced. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly outlets: readonly string[];
  /** What the driver made of it then. */
  readonly readings: readonly Reading[];
  readonly turns: readonly Turn[];
};

export type RecordedDevice = {
  readonly driver: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Whatever must not be in the file, passwords and communities. */
  readonly secrets: readonly string[];
  /** Names to log in with, and the device's address: replaced where they are said and where they are echoed, and elsewhere unless they are factory names. */
  readonly names: readonly string[];
  readonly outlets: readonly string[];
};

const FORMAT = "upkeep recording 1";
const CHARACTERS_MAX = 1_048_576;
const TURNS_MAX = 10_000;
const PART_CHARACTERS_MIN = 6;
/** How patient we were: of no use to a replay. */
const LEFT_OUT: ReadonlySet<string> = new Set(["stepMs", "maxActMs"]);
/** Replacing these everywhere would change prompts and titles, and tell nobody anything. */
const FACTORY_NAMES: ReadonlySet<string> = new Set(["apc", "device", "readonly", "admin", "administrator", "root", "user", "cyber", "localadmin"]);

/** Logs in, reads `outlets`, logs out, and gives the file. */
export async function recordDialogue(device: PowerDevice, what: RecordedDevice, signal: AbortSignal): Promise<string> {
  const turns: { by: "us" | "device"; text: string }[] = [];
  let characters = 0;
  const keep = (by: "us" | "device", text: string): void => {
    characters += text.length;
    if (turns.at(-1)?.by === by && by === "device") (turns.at(-1) as { text: string }).text += text;
    else if (turns.length < TURNS_MAX) turns.push({ by, text });
  };
  const tap: Tap = { said: (text) => keep("us", text), heard: (text) => keep("device", text) };
  const session = await device.open(signal, tap);
  let readings: readonly Reading[];
  try {
    readings = await session.read(what.outlets, signal);
  } finally {
    await session.close();
  }
  if (turns.length === 0) throw new UpkeepError("POWER_NONSENSE", `${what.driver} does not tell what it says: it cannot be recorded`);
  if (characters > CHARACTERS_MAX || turns.length >= TURNS_MAX) throw new UpkeepError("POWER_NONSENSE", "the dialogue is too long to be kept");
  return formatRecording({ driver: what.driver, options: what.options, outlets: what.outlets, readings, turns }, what);
}

export function formatRecording({ driver, options, outlets, readings, turns }: Recording, { secrets, names }: Pick<RecordedDevice, "secrets" | "names">): string {
  const cleaner = new Cleaner(secrets, names);
  const kept = Object.fromEntries(Object.entries(options).filter(([key]) => !LEFT_OUT.has(key)));
  const head = [FORMAT, `driver ${driver}`, `options ${cleaner.own(kept)}`, `outlets ${cleaner.own(outlets)}`, `readings ${cleaner.seen(readings)}`, ""];
  let before = "";
  const lines = turns.flatMap(({ by, text }) => {
    const clean = by === "us" ? cleaner.said(text) : cleaner.heard(text, before);
    before = by === "us" ? text : "";
    // One line of the device a line of the file.
    return (by === "us" ? [clean] : clean.split(/(?<=\n)/)).map((part) => `${by === "us" ? ">" : "<"} ${JSON.stringify(part)}`);
  });
  return `${[...head, ...lines].join("\n")}\n`;
}

/** The file as data; throws with what is wrong with it, and where. */
export function parseRecording(text: string): Recording {
  if (text.length > 2 * CHARACTERS_MAX) throw new Error("larger than a recording can be");
  const lines = text.split("\n");
  const wrong = (line: number, why: string): Error => new Error(`line ${line}: ${why}`);
  if (lines[0] !== FORMAT) throw wrong(1, `not "${FORMAT}"`);
  const head = (line: number, key: string): string => {
    const found = lines[line - 1];
    if (found?.startsWith(`${key} `) !== true) throw wrong(line, `expected ${key}`);
    return found.slice(key.length + 1);
  };
  const json = (line: number, source: string): unknown => {
    try {
      return JSON.parse(source);
    } catch {
      throw wrong(line, "not JSON");
    }
  };
  const turns: { by: "us" | "device"; text: string }[] = [];
  for (const [index, line] of lines.entries()) {
    if (index < 5 || line === "" || line.startsWith("#")) continue;
    const by = line.startsWith("> ") ? "us" : line.startsWith("< ") ? "device" : null;
    const said = by === null ? null : json(index + 1, line.slice(2));
    if (by === null || typeof said !== "string") throw wrong(index + 1, "neither > nor < and a JSON string");
    if (by === "device" && turns.at(-1)?.by === "device") (turns.at(-1) as { text: string }).text += said;
    else turns.push({ by, text: said });
    if (turns.length > TURNS_MAX) throw wrong(index + 1, "more turns than a recording can have");
  }
  const options = json(3, head(3, "options"));
  const outlets = json(4, head(4, "outlets"));
  const readings = json(5, head(5, "readings"));
  if (typeof options !== "object" || options === null || !Array.isArray(outlets) || !Array.isArray(readings)) throw wrong(3, "options, outlets and readings of the wrong kind");
  return { driver: head(2, "driver"), options: options as Record<string, unknown>, outlets: outlets as string[], readings: readings as Reading[], turns };
}

class Cleaner {
  readonly #everywhere: readonly (readonly [text: string, word: string])[];
  readonly #echoed: readonly (readonly [text: string, word: string])[];

  constructor(secrets: readonly string[], names: readonly string[]) {
    const words = [...new Set([...secrets, ...names].filter((text) => text !== ""))].map((text, index): readonly [string, string] => [text, `secret${index + 1}`]);
    // Of a secret of several words a device may show one.
    const parts = words.flatMap(([text, word]) => (secrets.includes(text) ? text.split(/\s+/).filter((part) => part.length >= PART_CHARACTERS_MIN && part !== text).map((part): readonly [string, string] => [part, word]) : []));
    // The longest first, so that one that is the beginning of another does not leave the rest of it.
    const sorted = [...words, ...parts].toSorted(([one], [other]) => other.length - one.length);
    this.#echoed = sorted;
    this.#everywhere = sorted.filter(([text]) => !names.includes(text) || secrets.includes(text) || !FACTORY_NAMES.has(text.toLowerCase()));
  }

  /** What we wrote ourselves, a value as JSON: secrets in its texts. */
  own(value: unknown): string {
    return JSON.stringify(value, (_key, member: unknown) => (typeof member === "string" ? replaced(member, this.#echoed) : member));
  }

  /** What the driver made of what was heard. */
  seen(value: unknown): string {
    return JSON.stringify(value, (_key, member: unknown) => (typeof member === "string" ? replaced(member, this.#everywhere) : member));
  }

  said(text: string): string {
    return replaced(text, this.#echoed);
  }

  /** A name that was said just before may be echoed at the beginning. */
  heard(text: string, said: string): string {
    const echoed = said !== "" && text.startsWith(said.trimEnd()) ? said.trimEnd() : "";
    return replaced(echoed, this.#echoed) + replaced(text.slice(echoed.length), this.#everywhere);
  }
}

/** Also as it stands inside JSON, since what a program was given is told so. */
function replaced(text: string, words: readonly (readonly [text: string, word: string])[]): string {
  let clean = text;
  for (const [secret, word] of words) {
    const quoted = JSON.stringify(secret).slice(1, -1);
    clean = clean.replaceAll(secret, () => word);
    if (quoted !== secret) clean = clean.replaceAll(quoted, () => word);
  }
  return clean;
}
