// Templates of web hooks: text with `{name}` in it. What is to become JSON or a form is kept as a tree and a template stands in
// its leaves, so that a quote, a line break or a brace in a message can never end a string too early: escaping is done by
// who prints the tree, and cannot be forgotten. What a service reads as markup is escaped beside that, by name, per hook.
//
// `{{` and `}}` are braces. A name that does not exist is a mistake of the configuration, told with its line when it is read.

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What stands for a name. `undefined`: a setting that was left out; what consists of nothing else is left out with it. */
export type Values = Readonly<Record<string, string | number | undefined>>;

/** How a service reads text. */
export type Escape = keyof typeof ESCAPES;

const ESCAPES = {
  none: (text: string): string => text,
  html: (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;"),
  /** Slack's three control characters; a mention is `<!here>` and dies with the bracket. */
  slack: (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"),
  /** A zero-width space after `@` so that a host's banner cannot call a whole channel. */
  markdown: (text: string): string => text.replace(/[\\`*_~|[\]<>#]/g, "\\$&").replaceAll("@", "@\u200b"),
  /** As `markdown`; a single line break is a space there. */
  cards: (text: string): string => ESCAPES.markdown(text).replaceAll("\n", "\n\n"),
} as const;

export const ESCAPE_NAMES = ["none", "html", "slack", "markdown", "cards"] as const satisfies readonly Escape[];

const PART = /\{\{|\}\}|\{([A-Za-z]+)\}|[{}]/g;

/** What is wrong with a template, or null. */
export function templateProblem(template: string, names: readonly string[]): { readonly message: string; readonly hint: string } | null {
  for (const [found, name] of template.matchAll(PART)) {
    if (found === "{{" || found === "}}") continue;
    if (name === undefined) return { message: `a lone ${found} in a template`, hint: "write {{ and }} for braces, {name} for a field" };
    if (!names.includes(name)) return { message: `there is no field {${name}}`, hint: `fields: ${names.join(", ")}` };
  }
  return null;
}

/** A template with its values. */
export function fill(template: string, values: Values, escape: (text: string, name: string) => string = (text) => text): string {
  return template.replace(PART, (found, name: string | undefined) => (found === "{{" ? "{" : found === "}}" ? "}" : name === undefined ? found : escape(String(values[name] ?? ""), name)));
}

/** The name, where a template is nothing but one. */
export function soleName(template: string): string | null {
  return /^\{([A-Za-z]+)\}$/.exec(template)?.[1] ?? null;
}

/** A tree with its templates filled in. A number stays one; what was left out takes its key with it. */
export function fillTree(tree: Json, values: Values, escape: (text: string, name: string) => string): Json {
  if (typeof tree === "string") {
    const sole = soleName(tree);
    const value = sole === null ? undefined : values[sole];
    return typeof value === "number" ? value : fill(tree, values, escape);
  }
  if (Array.isArray(tree)) return (tree as readonly Json[]).map((member) => fillTree(member, values, escape));
  if (typeof tree !== "object" || tree === null) return tree;
  const left = Object.entries(tree).filter(([, member]) => !isLeftOut(member, values));
  return Object.fromEntries(left.map(([key, member]) => [key, fillTree(member as Json, values, escape)]));
}

function isLeftOut(member: unknown, values: Values): boolean {
  const sole = typeof member === "string" ? soleName(member) : null;
  return sole !== null && sole in values && values[sole] === undefined;
}

export function escaperOf(escape: Escape): (text: string) => string {
  return ESCAPES[escape];
}

/** At most `max` characters, with `cut` in place of what is missing. */
export function fitted(text: string, max: number, cut: string): string {
  return text.length <= max ? text : `${text.slice(0, Math.max(0, max - cut.length)).replace(/[\ud800-\udbff]$/, "").trimEnd()}${cut}`;
}
