// What a peer's answer is expected to hold: a substring, or `/regex/flags`. A substring is searched as bytes arrive, each
// byte once. A regular expression is an administrator's text run over a stranger's bytes, and Node's engine backtracks:
// `(a+)+$` over forty letters stops the loop for years, and every other host's probes with it. So the input is bounded
// (64 KiB), an expression that could be expensive on it runs under a time limit that V8 enforces (node:vm), and one look
// has 100 ms of it in all. Over that the look is not judged: our own slowness never speaks against a host.

import { Script, createContext } from "node:vm";

export const ANSWER_BYTES_MAX = 65_536;
const REGEX_BUDGET_MS = 100;
/** Steps that backtracking may take, at worst, without a time limit: well under a millisecond to a few. */
const STEPS_FREE = 1_000_000;

export type Expectation = { readonly text: string; readonly needle: Buffer | null; readonly regex: RegExp | null };

/** found: it is there. absent: not (yet). spent: the expression's time is used up. */
export type Match = "found" | "absent" | "spent";

const known = new WeakMap<object, Map<string, ReturnType<typeof compileExpectation>>>();
const sandbox = createContext({ regex: /./, text: "" }) as { regex: RegExp; text: string };
const limited = new Script("regex.test(text)");

/** Compiles an expectation; `/…/` may turn out to be no regular expression. */
export function compileExpectation(text: string): Expectation | "not a regular expression" {
  const parts = /^\/(.+)\/([imsu]*)$/s.exec(text);
  if (parts === null) return { text, needle: Buffer.from(text, "utf8"), regex: null };
  const [, source = "", flags = ""] = parts;
  try {
    return { text, needle: null, regex: new RegExp(source, flags) };
  } catch {
    return "not a regular expression";
  }
}

/** The compiled form of an option's text; compiled once for each options object. */
export function expectationOf(options: object, text: string): ReturnType<typeof compileExpectation> {
  let compiled = known.get(options);
  if (compiled === undefined) known.set(options, (compiled = new Map()));
  let expectation = compiled.get(text);
  if (expectation === undefined) compiled.set(text, (expectation = compileExpectation(text)));
  return expectation;
}

/** Looks for one expectation in one growing answer. Call it with everything received so far. */
export function watcherFor(expectation: Expectation): (soFar: Buffer) => Match {
  const { needle, regex } = expectation;
  let searched = 0;
  let leftMs = REGEX_BUDGET_MS;
  return (soFar) => {
    if (needle !== null) {
      const found = soFar.indexOf(needle, searched) !== -1;
      searched = Math.max(0, soFar.length - needle.length + 1);
      return found ? "found" : "absent";
    }
    if (regex === null || leftMs < 1) return "spent";
    const startedAt = performance.now();
    const found = testRegex(regex, soFar.toString("utf8"), Math.floor(leftMs));
    leftMs -= performance.now() - startedAt;
    return found;
  };
}

/** True when backtracking over `length` characters cannot take more than STEPS_FREE steps, whatever they are. */
export function isCheap(regex: RegExp, length: number): boolean {
  // Every quantifier and every alternative is a choice point; n nested or in a row cost at most length^(n+1). Escaped
  // ones and those in classes are counted too, which errs on the careful side. The bound does not hold for a group that
  // is repeated, nor for back references.
  const { source } = regex;
  if (/\)[*+?{]|\\[1-9k]/.test(source)) return false;
  const choices = source.match(/[*+?{|]/g)?.length ?? 0;
  return Math.max(2, length) ** (choices + 1) <= STEPS_FREE;
}

function testRegex(regex: RegExp, text: string, limitMs: number): Match {
  if (isCheap(regex, text.length)) return regex.test(text) ? "found" : "absent";
  sandbox.regex = regex;
  sandbox.text = text;
  try {
    return limited.runInContext(sandbox, { timeout: limitMs }) === true ? "found" : "absent";
  } catch {
    return "spent"; // ERR_SCRIPT_EXECUTION_TIMEOUT
  } finally {
    sandbox.text = "";
  }
}
