// The words of Icinga 2's configuration language: text in quotes or in {{{ }}}, numbers with their units as seconds, names,
// signs, and the ends of lines, which end a statement.

import { ImportError } from "./source-file.ts";

export type Token = { readonly kind: "word" | "text" | "number" | "sign" | "line" | "end"; readonly text: string; readonly value: number; readonly line: number };

const SIGNS = ["=>", "==", "!=", "<=", ">=", "&&", "||", "+=", "-=", "{{", "}}", "{", "}", "(", ")", "[", "]", "=", "<", ">", "!", "+", "-", "*", "/", ".", ",", ";", ":", "?", "%", "|", "&", "^", "$", "@", "~"];
const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400 };

/** The words of a file; comments are passed over. */
export function tokens(text: string, file: string): readonly Token[] {
  const found: Token[] = [];
  let line = 1;
  let at = 0;
  const push = (kind: Token["kind"], token: string, value = 0): void => void found.push({ kind, text: token, value, line });
  const pass = (until: number): void => {
    for (let index = at; index < until; index += 1) if (text[index] === "\n") line += 1;
    at = until;
  };
  while (at < text.length) {
    const rest = text.slice(at, at + 4_096);
    const space = /^[ \t\r]+/.exec(rest)?.[0];
    if (space !== undefined) at += space.length;
    else if (text[at] === "\n") {
      push("line", "\n");
      pass(at + 1);
    } else if (rest.startsWith("//") || rest.startsWith("#")) {
      const end = text.indexOf("\n", at);
      at = end === -1 ? text.length : end;
    } else if (rest.startsWith("/*") || rest.startsWith("{{{")) {
      const [open, close] = rest.startsWith("/*") ? [2, "*/"] : [3, "}}}"];
      const end = text.indexOf(close, at + open);
      if (end === -1) throw new ImportError(`${file}:${line}: what begins here does not end`);
      if (open === 3) push("text", text.slice(at + open, end));
      pass(end + close.length);
    } else if (text[at] === '"') {
      let end = at + 1;
      let said = "";
      while (end < text.length && text[end] !== '"') {
        if (text[end] === "\\") said += ({ n: "\n", t: "\t", r: "\r" }[text[(end += 1)] ?? ""] ?? text[end] ?? "");
        else said += text[end];
        end += 1;
      }
      if (end >= text.length) throw new ImportError(`${file}:${line}: text that does not end`);
      push("text", said);
      pass(end + 1);
    } else {
      const [number, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)(ms|[smhd])?(?![A-Za-z0-9_])/.exec(rest) ?? [];
      const word = /^[A-Za-z_][A-Za-z0-9_]*/.exec(rest)?.[0];
      const sign = SIGNS.find((each) => rest.startsWith(each));
      if (number !== undefined) push("number", number, Number(digits) * (UNITS[unit] ?? 1));
      else if (word !== undefined) push("word", word);
      else if (sign !== undefined) push("sign", sign);
      else throw new ImportError(`${file}:${line}: ${JSON.stringify(rest[0])} is not understood`);
      at += (number ?? word ?? sign ?? " ").length;
    }
  }
  push("end", "");
  return found;
}
