// What APC's consoles say, as data, and the pure readers of it. Three dialects: the menus of firmware v2 and v3, which differ
// in where the outlets are, and the command shell in two flavours (v3.7 behind ` -c`, and v5 to v7). A menu is walked by the
// titles of its entries, never by remembered numbers: they differ between models and between accounts.
//
// Sources: fence_apc 4.12.1, powerman 2.3.27 (apc7900.dev, apc7900v3.dev, apcpdu3.dev), APC's "Command Line Interface for
// Switched Rack PDUs" and the AP89XX user guide for the answers of the shells, transcripts of AP7900 and AP7921 sessions.

import type { OutletState } from "./power.ts";

export type Action = "on" | "off";

export type DialectName = "menu2" | "menu3" | "shell";

/** One outlet as a listing has it. */
export type Listed = {
  readonly number: number;
  readonly label: string | null;
  readonly state: OutletState;
  /** What stands behind the state and is not a pending command: on these devices, that the outlet belongs to a group. */
  readonly mark: string | null;
};

// The ends of what a device says before it waits for us. All are looked for at the very end of what has come.
export const ENDS = {
  userName: /(?:^|\n)[ \t]*(?:User Name|Username|login)\s*:\s*$/i,
  password: /(?:^|\n)[ \t]*Password\s*:\s*$/i,
  menu: /(?:^|\n)[ \t]*>\s*$/,
  // `apc>` on every firmware that was seen; an administrator may have given it the device's name. A menu may have it, too:
  // what the screen above it is decides.
  shell: /(?:^|\n)[ \t]*[a-z][\w.@-]{0,63}>\s*$/i,
  page: /Press <ENTER> to continue[. ]*$/i,
  confirm: /Enter 'YES' to continue or <ENTER> to cancel\s*:\s*$/i,
} as const;

/** An end is never longer than this. */
export const END_CHARACTERS_MAX = 160;

/** Said instead of a log-in by a device that serves somebody else, or has only just started. */
export const BUSY =
  /\b(?:already|currently)\s+(?:being\s+)?(?:logged|in use)|\bsomeone\b[^\n]*\blog|\banother\s+(?:user|session)|\btoo many\s+(?:users|sessions|connections)|\bstill\s+initializing|\bsession\s+in\s+use/i;

export const LOGIN_REFUSED = /\b(?:invalid|incorrect|denied|failed|failure|not authori[sz]ed|locked|bad (?:user|password|login))\b/i;

export const KEYS = { enter: "\r", escape: "\u001b", mainMenu: "\u0003", yes: "YES\r" } as const;

type Step = {
  /** The screen's title. */
  readonly at: RegExp;
  /** The entry that leads on; null: we have arrived. */
  readonly choose: RegExp | null;
};

const LIST_TITLE = /^Outlet Control(?:\/Config\w*)?$/i;
const MAIN: Step = { at: /^Control Console$/i, choose: /^Device Manager$/i };
const LIST: Step = { at: LIST_TITLE, choose: null };

/** From the main menu to the list of outlets. The first step at which the two dialects part tells them apart. */
export const MENU_PATHS: Readonly<Record<"menu2" | "menu3", readonly Step[]>> = {
  menu2: [MAIN, { at: /^Device Manager$/i, choose: LIST_TITLE }, LIST],
  menu3: [MAIN, { at: /^Device Manager$/i, choose: /^Outlet Management$/i }, { at: /^Outlet Management$/i, choose: LIST_TITLE }, LIST],
};

export const MENU_ENTRIES = {
  controlOutlet: /^Control Outlet(?: #?\d{1,3})?$/i,
  immediate: { on: /^Immediate On$/i, off: /^Immediate Off$/i },
  logout: /^Logout$/i,
} as const;

/** Not an outlet, whatever stands behind it: the entry that switches all of them. */
const ALL_OUTLETS = /^(?:Master\b|ALL Outlets\b|Control of ALL\b)/i;

export type ShellFlavour = {
  readonly name: string;
  readonly list: string;
  /** Whether every answer has a code or an OK. Of `status` in the older shell that is not known from a device. */
  readonly coded: boolean;
  readonly switch: Readonly<Record<Action, string>>;
};

/** Tried in this order with their list command, which changes nothing and which the other one does not know. */
export const SHELL_FLAVOURS: readonly ShellFlavour[] = [
  { name: "v5", list: "olStatus all", coded: true, switch: { on: "olOn", off: "olOff" } },
  { name: "v3.7", list: "status", coded: false, switch: { on: "on", off: "off" } },
];

export const SHELL_QUIT = "quit";

export type Screen = {
  readonly title: string | null;
  /** Entries that can be chosen, title to number, as printed: a title that occurs twice is in neither. */
  readonly entries: ReadonlyMap<string, number>;
  readonly outlets: readonly Listed[];
  /** What a screen about one outlet says of it. */
  readonly name: string | null;
  readonly outlet: number | null;
  readonly state: OutletState | null;
};

/** Reads one screen of the menus: whatever came since the last key. Never throws; what is not understood is not in it. */
export function readScreen(text: string): Screen {
  let title: string | null = null;
  let name: string | null = null;
  let outlet: number | null = null;
  let state: OutletState | null = null;
  const entries = new Map<string, number>();
  const twice = new Set<string>();
  const outlets: Listed[] = [];
  for (const line of linesOf(text)) {
    const heading = headingOf(line);
    if (heading !== null) {
      // A new screen on an old one (drawn twice, or late): only the last counts.
      if (heading !== title) {
        entries.clear();
        outlets.length = 0;
        name = outlet = state = null;
      }
      title = heading;
      continue;
    }
    const field = /^(Name|Outlet|State)\s*:\s*(.*)$/i.exec(line);
    if (field !== null) {
      const value = field[2] as string;
      if (/^name$/i.test(field[1] as string)) name = value;
      else if (/^state$/i.test(field[1] as string)) state = stateOf(value);
      else if (/^\d{1,3}$/.test(value)) outlet = Number(value);
      continue;
    }
    const entry = /^(\d{1,3})-\s*(\S.*)$/.exec(line);
    if (entry === null) continue;
    const number = Number(entry[1]);
    const what = entry[2] as string;
    const listed = /^(.*)(?:^|\s)(ON|OFF)(\*?)(\s.*)?$/.exec(what);
    if (listed !== null && !ALL_OUTLETS.test(what)) {
      const mark = listed[4]?.trim() || null;
      outlets.push({ number, label: (listed[1] as string).trim() || null, state: mark === null ? stateOf(`${listed[2]}${listed[3]}`) : "unknown", mark });
    } else if (entries.has(what) && entries.get(what) !== number) twice.add(what);
    else entries.set(what, number);
  }
  for (const what of twice) entries.delete(what);
  return { title, entries, outlets, name, outlet, state };
}

const RULED = /^(?:-{2,}|={2,})\s*([^\s=-].*?)\s*(?:-{2,}|={2,})?$/;
const KNOWN_TITLES = [...Object.values(MENU_PATHS).flatMap((path) => path.map((step) => step.at)), /^Control Outlet$/i];

/** A title stands between dashes, or behind them; a screen of the path is also known by its title alone. */
function headingOf(line: string): string | null {
  const ruled = RULED.exec(line)?.[1];
  return ruled ?? (KNOWN_TITLES.some((known) => known.test(line)) ? line : null);
}

/** The number of the one entry with this title. */
export function entryNumber(screen: Screen, title: RegExp): number | null {
  const found = [...screen.entries].filter(([what]) => title.test(what));
  return found.length === 1 ? (found[0]?.[1] ?? null) : null;
}

/** How a screen stands to an outlet: it names that one, another one, or none. */
export type Identity = { readonly kind: "named" } | { readonly kind: "silent" } | { readonly kind: "other"; readonly why: string };

/** Which outlet a screen below the list is about, seen from `listed`, the one out of `all` whose number was typed. */
export function identityOf(screen: Screen, listed: Listed, all: readonly Listed[]): Identity {
  if (screen.outlet !== null) {
    if (screen.outlet !== listed.number) return { kind: "other", why: `the control screen is about outlet ${screen.outlet}, not ${listed.number}` };
    if (screen.name !== null && !sameName(screen.name, listed.label)) return { kind: "other", why: `outlet ${listed.number} has another name on its own screen than in the list` };
    return { kind: "named" };
  }
  if (screen.name !== null) {
    if (!sameName(screen.name, listed.label)) return { kind: "other", why: `outlet ${listed.number} has another name on its own screen than in the list` };
    return isOnlyOne(screen.name, listed, all) ? { kind: "named" } : { kind: "silent" };
  }
  // Without these fields the title may say it: the outlet's name, or its number. A name may be shorter than its title and
  // is not searched for in it.
  if (screen.title === null) return { kind: "silent" };
  if (sameName(screen.title, listed.label)) return { kind: isOnlyOne(screen.title, listed, all) ? "named" : "silent" };
  if (all.some((outlet) => outlet.number !== listed.number && outlet.label !== null && flat(outlet.label) === flat(screen.title ?? ""))) {
    return { kind: "other", why: `the screen "${screen.title}" is another outlet's, not ${listed.number}'s` };
  }
  const number = /\boutlet #?(\d{1,3})\b/i.exec(screen.title)?.[1];
  if (number === undefined) return { kind: "silent" };
  return Number(number) === listed.number ? { kind: "named" } : { kind: "other", why: `the screen "${screen.title}" is not outlet ${listed.number}'s` };
}

function isOnlyOne(name: string, listed: Listed, all: readonly Listed[]): boolean {
  return listed.label !== null && all.every((outlet) => outlet.number === listed.number || !sameName(name, outlet.label));
}

export type Question = {
  /** Why YES must not be said here; null when the question is about this action on this outlet alone, or does not say. */
  readonly problem: string | null;
  /** It says itself which outlet it is about, and that is this one. */
  readonly named: boolean;
};

/** What the device wants a YES to. A question without any text is one about the entry that was just chosen. */
export function readQuestion(text: string, listed: Listed, action: Action, name: string | null): Question {
  const question = flat(text).split(/Enter 'YES'/i)[0] as string;
  // A name is what somebody typed, and may read like anything: it is compared, and then taken out of the sentence.
  const named = /\bnamed '(.*)'/i.exec(question)?.[1] ?? null;
  // What we typed comes back first, and rules are drawn with dashes.
  const sentence = (named === null ? question : question.replace(`'${named}'`, "")).replace(/^\d{1,2}(?=\s|$)/, "").replace(/(?:^|\s)[-=]{3,}(?=\s|$)/g, " ").trim();
  const refused = (problem: string): Question => ({ problem, named: false });
  const other = action === "on" ? "off" : "on";
  if (sentence !== "" && !SAYS[action].test(sentence)) return refused(`the question is not about "Immediate ${action}"`);
  if (SAYS_NOT[action].test(sentence) || new RegExp(`\\bImmediate ${other}\\b`, "i").test(sentence) || MORE_THAN_THIS.test(sentence)) return refused("the question is about another action, or about more than one outlet");
  const numbers = [...sentence.matchAll(/\boutlets? #?(\d+)/gi)].map((match) => Number(match[1]));
  if (numbers.some((number) => number !== listed.number)) return refused(`the question is about outlet ${numbers.join(", ")}, not ${listed.number}`);
  if (named !== null && !sameName(named, name ?? listed.label)) return refused("the question names another outlet");
  return { problem: null, named: numbers.length > 0 };
}

// "power" is a noun and a verb: "turn off power on outlet 2" is about off.
const SAYS: Readonly<Record<Action, RegExp>> = {
  on: /\bImmediate on\b|\b(?:turn|switch|power)(?:ed|ing)?\b.*?\bon\b/i,
  off: /\bImmediate off\b|\bshut ?(?:s|ting )?(?:down|off)\b|\b(?:turn|switch|power|cut)(?:ed|ing)?\b.*?\boff\b/i,
};
const SAYS_NOT: Readonly<Record<Action, RegExp>> = {
  on: /\boff\b|\bshut ?(?:s|ting )?down\b/i,
  off: /\b(?:turn|switch)(?:ed|ing)? (?:the |it |this )?(?:outlet )?(?:#?\d+ )?on\b|\bpower(?:ed|ing)? (?:it |up )?on\b(?! (?:the |this )?outlet)/i,
};
const MORE_THAN_THIS = /\b(?:reboot|delay(?:ed)?|restart|master|all|groups?|outlets)\b/i;

// Lists cut long names off.
function sameName(one: string, other: string | null): boolean {
  const a = flat(one);
  const b = flat(other ?? "");
  return a === b || (b.length >= 8 && a.startsWith(b)) || (a.length >= 8 && b.startsWith(a));
}

export type Answer =
  | { readonly kind: "accepted" }
  /** In the device's own words. */
  | { readonly kind: "refused"; readonly words: string }
  /** It does not know the command at all. */
  | { readonly kind: "unknown-command"; readonly words: string }
  | { readonly kind: "none" };

/** What the menus answer to YES. */
export function readMenuAnswer(text: string): Answer {
  const lines = linesOf(text);
  const issued = lines.filter((line) => /^Command successfully issued\.?$/i.test(line)).length;
  const failed = lines.filter((line) => /^(?:Command|Request|Action)\b.*\b(?:failed|denied|rejected|refused|cancell?ed|aborted|not (?:issued|permitted|allowed))\b/i.test(line));
  if (issued > 0 && failed.length === 0) return { kind: "accepted" };
  if (issued === 0 && failed.length === 1) return { kind: "refused", words: (failed[0] as string).slice(0, 120) };
  return { kind: "none" };
}

const UNKNOWN_COMMAND = /(?:^|\n)[ \t]*(?:error:? *)?(?:(?:unknown|invalid|unrecogni[sz]ed|bad) command|command not (?:found|recogni[sz]ed)|no such command)\b/i;

/** What a shell answers to any command: one code, `OK` in the older flavour. Two codes are no answer. */
export function readShellAnswer(text: string): Answer {
  const codes = linesOf(text).filter((line) => /^(?:E\d{3}\s*:.*|OK)$/i.test(line));
  const line = codes[0];
  if (line === undefined && UNKNOWN_COMMAND.test(text)) return { kind: "unknown-command", words: flat(text).slice(0, 120) };
  if (line === undefined || codes.length > 1) return { kind: "none" };
  if (/^OK$/i.test(line) || /^E00[01]\s*:\s*(?:Success|Successfully Issued)\b/i.test(line)) return { kind: "accepted" };
  const words = line.slice(0, 120);
  if (/^E10[01]\s*:.*\b(?:not found|not exist)/i.test(line)) return { kind: "unknown-command", words };
  return /^E1\d\d\b/.test(line) ? { kind: "refused", words } : { kind: "none" };
}

// The columns of `status` of the 3.7 shell are not known from a device: with colons in either order, or with spaces alone.
const LISTINGS: readonly (readonly [RegExp, (found: RegExpExecArray) => readonly [string | undefined, string]])[] = [
  [/^(\d{1,3})\s*:\s*(.*?)\s*:\s*(On|Off)(\*?)$/i, ([, , name, state, star]) => [name, `${state}${star}`]],
  [/^(\d{1,3})\s*:\s*(On|Off)(\*?)\s*:\s*(.*?)$/i, ([, , state, star, name]) => [name, `${state}${star}`]],
  [/^(?:Outlet )?(\d{1,3})\s*[:.)-]?\s+(?:([^:]*?)\s+)?(On|Off)(\*?)$/i, ([, , name, state, star]) => [name, `${state}${star}`]],
  [/^(?:Outlet )?(\d{1,3})\s*[:.)-]?\s+(On|Off)(\*?)\s+([^:]*)$/i, ([, , state, star, name]) => [name, `${state}${star}`]],
];

/** The outlets in a shell's listing, in either order of the columns; one that reads two ways is unknown. */
export function readShellList(text: string): readonly Listed[] {
  const outlets: Listed[] = [];
  for (const line of linesOf(text)) {
    const readings = LISTINGS.flatMap(([pattern, columns]) => {
      const found = pattern.exec(line);
      return found === null ? [] : [[Number(found[1]), ...columns(found)] as const];
    });
    const [first, second] = readings;
    if (first === undefined) continue;
    const [number, label, state] = first;
    outlets.push(second === undefined ? { number, label: label || null, state: stateOf(state), mark: null } : { number, label: null, state: "unknown", mark: null });
  }
  return outlets;
}

/** Lines that do not go together: one outlet twice and not alike, or numbers that do not rise. Then nothing in it can be trusted. */
export function contradicts(outlets: readonly Listed[]): boolean {
  const seen = new Map<number, Listed>();
  let highest = 0;
  for (const outlet of outlets) {
    const before = seen.get(outlet.number);
    if (before === undefined ? outlet.number <= highest : before.state !== outlet.state || before.label !== outlet.label || before.mark !== outlet.mark) return true;
    seen.set(outlet.number, outlet);
    highest = Math.max(highest, outlet.number);
  }
  return false;
}

/** The outlet that is meant: by number, or by the device's own name, which must be the name of exactly one. */
export function findOutlet(outlets: readonly Listed[], wanted: string): Listed | string {
  const byNumber = /^\d{1,3}$/.test(wanted);
  const found = outlets.filter((outlet) => (byNumber ? outlet.number === Number(wanted) : outlet.label === wanted));
  const numbers = new Set(found.map((outlet) => outlet.number));
  if (numbers.size === 1) return found[0] as Listed;
  return numbers.size === 0 ? "the device has no such outlet" : `outlets ${[...numbers].join(" and ")} both have that name`;
}

// A star is a command that is still pending: the state is about to change, so it is not known.
function stateOf(word: string): OutletState {
  if (/^on$/i.test(word.trim())) return "on";
  return /^off$/i.test(word.trim()) ? "off" : "unknown";
}

function flat(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function linesOf(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}
