// The part of Icinga 2's configuration language that says who is checked and how: objects, templates, apply rules, constants,
// expressions without side effects. What is beyond it (functions, conditions, loops in a body) is no mistake of the file: it
// is an `Unsupported` with its line, and whatever depends on it is left and told.
//
// An expression is parsed into a function of the names that it may use; it runs nothing that stands in the file.

import type { Token } from "./icinga-tokens.ts";
import { tokens } from "./icinga-tokens.ts";
import type { Dictionary, Value } from "./icinga-values.ts";
import { called, same, sum, text, truth, within } from "./icinga-values.ts";
import { ImportError } from "./source-file.ts";

const DEEP_MAX = 200;

export type Scope = (name: string) => Value | undefined;
export type Expression = (scope: Scope) => Value;

export class Unsupported extends Error {}

export type Assignment = { readonly kind: "set"; readonly path: readonly Expression[]; readonly operator: "=" | "+=" | "-="; readonly value: Expression; readonly line: number };
export type BodyLine = Assignment
  | { readonly kind: "import"; readonly name: Expression; readonly line: number }
  | { readonly kind: "assign" | "ignore"; readonly where: Expression; readonly line: number }
  | { readonly kind: "beyond"; readonly what: string; readonly line: number };

export type Definition = {
  readonly kind: "object" | "template" | "apply";
  readonly type: string;
  readonly name: Expression | null;
  /** Of `apply … for (key => value in list)`. */
  readonly each: { readonly key: string; readonly value: string | null; readonly of: Expression } | null;
  readonly body: readonly BodyLine[];
  readonly line: number;
};

export type Parsed = {
  readonly definitions: readonly Definition[];
  readonly constants: readonly { readonly name: string; readonly value: Expression; readonly line: number }[];
  readonly includes: readonly { readonly path: string; readonly recursive: boolean; readonly line: number }[];
  readonly beyond: readonly { readonly what: string; readonly line: number }[];
};

/** One file. What it cannot be understood in at all is an ImportError with its line. */
export function parseIcinga(text: string, file: string): Parsed {
  return new Parser(tokens(text, file), file).parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #file: string;
  #at = 0;
  #deep = 0;

  constructor(list: readonly Token[], file: string) {
    this.#tokens = list;
    this.#file = file;
  }

  parse(): Parsed {
    const definitions: Definition[] = [];
    const constants: { name: string; value: Expression; line: number }[] = [];
    const includes: { path: string; recursive: boolean; line: number }[] = [];
    const beyond: { what: string; line: number }[] = [];
    for (this.#lines(); this.#peek().kind !== "end"; this.#lines()) {
      const { text, line, kind } = this.#peek();
      if (kind === "word" && (text === "object" || text === "template" || text === "apply")) this.#orBeyond(line, () => definitions.push(this.#definition()), (what) => beyond.push({ what: `${text} ${what}`, line }));
      else if (kind === "word" && /^(include|include_recursive|include_zones|library)$/.test(text)) {
        this.#next();
        const path = this.#peek();
        // <itl> and the like are Icinga's own.
        if (path.kind === "text" && text !== "library") includes.push({ path: path.text, recursive: text === "include_recursive", line });
        this.#skip();
      } else if (kind === "word" && (text === "const" || text === "var" || text === "globals" || this.#tokens[this.#at + 1]?.text === "=")) {
        if (text === "const" || text === "var") this.#next();
        const name = this.#next().text;
        if (!this.#take("=")) {
          beyond.push({ what: text, line });
          this.#skip();
          continue;
        }
        const value = this.#attempt(() => this.#expression());
        constants.push({ name, value, line });
        this.#skip();
      } else {
        beyond.push({ what: text, line });
        // Past it first: a sign that closes what was never opened ends no line.
        this.#next();
        this.#skip();
      }
    }
    return { definitions, constants, includes, beyond };
  }

  #definition(): Definition {
    const { text: kind, line } = this.#next();
    const type = this.#next().text;
    let name: Expression | null = null;
    let each: Definition["each"] = null;
    if (!this.#is("{") && !this.#isWord("for") && !this.#isWord("to")) name = this.#expression();
    for (;;) {
      if (this.#isWord("for")) {
        this.#next();
        this.#need("(");
        const key = this.#next().text;
        const value = this.#take("=>") ? this.#next().text : null;
        if (this.#next().text !== "in") throw this.#wrong("in is missing");
        const of = this.#expression();
        this.#need(")");
        each = { key, value, of };
      } else if (this.#isWord("to")) {
        this.#next();
        this.#next();
      } else if (this.#isWord("ignore_on_error") || this.#isWord("default") || this.#isWord("use")) this.#next();
      else break;
    }
    this.#lines();
    this.#need("{");
    const body: BodyLine[] = [];
    for (this.#lines(); !this.#take("}"); this.#lines()) {
      if (this.#peek().kind === "end") throw this.#wrong(`the ${kind} of line ${line} does not end`);
      body.push(this.#bodyLine());
    }
    return { kind: kind as Definition["kind"], type, name, each, body, line };
  }

  #bodyLine(): BodyLine {
    const { line } = this.#peek();
    let found: BodyLine | null = null;
    this.#orBeyond(line, () => (found = this.#bodyLineAsRead()), (what) => (found = { kind: "beyond", what, line }));
    return found as unknown as BodyLine;
  }

  /** What holds an expression that is beyond us where there is no value yet to say so: the rest of it is passed. */
  #orBeyond(line: number, read: () => unknown, otherwise: (what: string) => unknown): void {
    const deep = this.#deep;
    try {
      read();
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      this.#deep = deep;
      this.#skip();
      otherwise(`${error.message} (line ${line})`);
    }
  }

  #bodyLineAsRead(): BodyLine {
    const { text, line, kind } = this.#peek();
    if (kind === "word" && text === "import") {
      this.#next();
      const name = this.#attempt(() => this.#expression());
      return { kind: "import", name, line };
    }
    if (kind === "word" && (text === "assign" || text === "ignore") && this.#tokens[this.#at + 1]?.text === "where") {
      this.#next();
      this.#next();
      return { kind: text, where: this.#attempt(() => this.#expression()), line };
    }
    if (kind === "word" && !/^(if|for|while|function|var|return|throw|try)$/.test(text)) {
      const path: Expression[] = [() => text];
      this.#next();
      for (;;) {
        if (this.#take(".")) {
          const { text: field } = this.#next();
          path.push(() => field);
        } else if (this.#take("[")) {
          path.push(this.#expression());
          this.#need("]");
        } else break;
      }
      const operator = (["=", "+=", "-="] as const).find((each) => this.#take(each));
      if (operator !== undefined) {
        this.#lines();
        return { kind: "set", path, operator, value: this.#attempt(() => this.#expression()), line };
      }
    }
    this.#skip();
    return { kind: "beyond", what: text, line };
  }

  /** An expression, or one that says that it is beyond us; then the rest of the line is passed. */
  #attempt(parse: () => Expression): Expression {
    const { line } = this.#peek();
    const deep = this.#deep;
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      this.#deep = deep;
      this.#skip();
      return () => {
        throw new Unsupported(`${error.message} in line ${line}`);
      };
    }
  }

  #expression(weakest = 0): Expression {
    this.#deep += 1;
    if (this.#deep > DEEP_MAX) throw this.#wrong("it is nested too deeply");
    let left = this.#unary();
    for (;;) {
      // A line that begins with an operator goes on.
      const { text, kind } = this.#peek();
      const negated = text === "!" && this.#tokens[this.#at + 1]?.text === "in";
      const operator = negated ? "!in" : text;
      const strength = kind === "sign" || operator === "in" ? STRENGTH[operator] : undefined;
      if (strength === undefined || strength <= weakest) break;
      this.#next();
      if (negated) this.#next();
      this.#lines();
      left = binary(operator, left, this.#expression(strength));
    }
    this.#deep -= 1;
    return left;
  }

  #unary(): Expression {
    if (this.#take("!")) {
      const operand = this.#unary();
      return (scope) => !truth(operand(scope));
    }
    if (this.#take("-")) {
      const operand = this.#unary();
      return (scope) => -Number(operand(scope));
    }
    let value = this.#primary();
    for (;;) {
      if (this.#take(".")) {
        const { text: field } = this.#next();
        if (this.#is("(")) throw new Unsupported(`the method ${field}`);
        value = memberOf(value, () => field);
      } else if (this.#is("[")) {
        this.#next();
        const index = this.#expression();
        this.#need("]");
        value = memberOf(value, index);
      } else return value;
    }
  }

  #primary(): Expression {
    const { kind, text, value } = this.#next();
    if (kind === "text") return () => text;
    if (kind === "number") return () => value;
    if (kind === "word") {
      if (text === "true" || text === "false") return () => text === "true";
      if (text === "null") return () => null;
      if (text === "function" || text === "new" || text === "using") throw new Unsupported(text);
      if (!this.#take("(")) return (scope) => scope(text) ?? null;
      const given = this.#list(")");
      if (text !== "match" && text !== "len" && text !== "string") throw new Unsupported(`the function ${text}`);
      return (scope) => called(text, given.map((each) => each(scope)));
    }
    if (text === "(") {
      this.#lines();
      const inner = this.#expression();
      this.#lines();
      this.#need(")");
      return inner;
    }
    if (text === "[") {
      const items = this.#list("]");
      return (scope) => items.map((each) => each(scope));
    }
    if (text === "{") {
      const entries: BodyLine[] = [];
      for (this.#lines(true); !this.#take("}"); this.#lines(true)) {
        const key = this.#peek();
        if (key.kind === "text") {
          this.#next();
          const operator = (["=", "+="] as const).find((each) => this.#take(each));
          if (operator === undefined) throw this.#wrong("= is missing");
          this.#lines();
          entries.push({ kind: "set", path: [() => key.text], operator, value: this.#attempt(() => this.#expression()), line: key.line });
        } else if (key.kind === "end") throw this.#wrong("a dictionary that does not end");
        else entries.push(this.#bodyLine());
      }
      return (scope) => {
        const made: Dictionary = new Map();
        for (const entry of entries) {
          if (entry.kind !== "set") throw new Unsupported(entry.kind === "beyond" ? entry.what : entry.kind);
          assign(made, entry, scope);
        }
        return made;
      };
    }
    throw new Unsupported(text === "{{" ? "a function" : JSON.stringify(text));
  }

  #list(close: string): readonly Expression[] {
    const items: Expression[] = [];
    for (this.#lines(true); !this.#take(close); this.#lines(true)) {
      if (this.#peek().kind === "end") throw this.#wrong(`${close} is missing`);
      items.push(this.#expression());
    }
    return items;
  }

  #peek(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #next(): Token {
    const token = this.#peek();
    if (token.kind !== "end") this.#at += 1;
    return token;
  }

  #is(text: string): boolean {
    const token = this.#peek();
    return token.kind === "sign" && token.text === text;
  }

  #isWord(text: string): boolean {
    const token = this.#peek();
    return token.kind === "word" && token.text === text;
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#at += 1;
    return true;
  }

  #need(text: string): void {
    if (!this.#take(text)) throw this.#wrong(`${text} is missing`);
  }

  #lines(commas = false): void {
    while (this.#peek().kind === "line" || this.#is(";") || (commas && this.#is(","))) this.#at += 1;
  }

  /** To the end of the line, past whatever is opened in it. */
  #skip(): void {
    for (let open = 0; ; this.#next()) {
      const { kind, text } = this.#peek();
      if (kind === "end") return;
      if (kind === "sign" && /^(\{\{|[{([])$/.test(text)) open += 1;
      if (kind === "sign" && /^(\}\}|[})\]])$/.test(text)) {
        if (open === 0) return text === "}" ? undefined : void this.#next();
        open -= 1;
      }
      if (kind === "line" && open === 0) return;
    }
  }

  #wrong(why: string): ImportError {
    return new ImportError(`${this.#file}:${this.#peek().line}: ${why}`);
  }
}

const STRENGTH: Readonly<Record<string, number>> = { "||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, ">": 4, "<=": 4, ">=": 4, in: 4, "!in": 4, "+": 5, "-": 5, "*": 6, "/": 6 };

function binary(operator: string, left: Expression, right: Expression): Expression {
  switch (operator) {
    case "||": return (scope) => (truth(left(scope)) ? left(scope) : right(scope));
    case "&&": return (scope) => (truth(left(scope)) ? right(scope) : left(scope));
    case "==": return (scope) => same(left(scope), right(scope));
    case "!=": return (scope) => !same(left(scope), right(scope));
    case "in": return (scope) => within(left(scope), right(scope));
    case "!in": return (scope) => !within(left(scope), right(scope));
    case "+": return (scope) => sum(left(scope), right(scope));
    default: return (scope) => {
      const [a, b] = [Number(left(scope)), Number(right(scope))];
      return operator === "<" ? a < b : operator === ">" ? a > b : operator === "<=" ? a <= b : operator === ">=" ? a >= b : operator === "-" ? a - b : operator === "*" ? a * b : a / b;
    };
  }
}

function memberOf(of: Expression, key: Expression): Expression {
  return (scope) => {
    const owner = of(scope);
    if (owner instanceof Map) return owner.get(text(key(scope))) ?? null;
    return Array.isArray(owner) ? (owner[Number(key(scope))] ?? null) : null;
  };
}

/** Carries an assignment out on what is being made. */
export function assign(target: Dictionary, { path, operator, value }: Assignment, scope: Scope): void {
  let owner = target;
  const keys = path.map((each) => text(each(scope)));
  for (const key of keys.slice(0, -1)) {
    let next = owner.get(key);
    if (!(next instanceof Map)) owner.set(key, (next = new Map()));
    owner = next;
  }
  const last = keys.at(-1) as string;
  const given = value(scope);
  const before = owner.get(last) ?? null;
  if (operator === "-=") throw new Unsupported("-=");
  owner.set(last, operator === "+=" ? sum(before, given) : given);
}
