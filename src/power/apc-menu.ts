// The menus of firmware v2 and v3. Every step names the screen that it expects, and a screen that is not it is skipped: an
// answer that comes late is never taken for the answer to something newer. So a listing is always reached from the screen
// above it, and the last question is only answered when the screens before it said which outlet they are about.

import { UpkeepError } from "../core/errors.ts";
import { entryNumber, identityOf, KEYS, MENU_ENTRIES, MENU_PATHS, readMenuAnswer, readQuestion, readScreen } from "./apc-dialects.ts";
import type { Action, Answer, Listed, Screen } from "./apc-dialects.ts";
import type { Approach, Console } from "./apc-console.ts";
import type { Dialogue, Heard } from "./apc-dialogue.ts";

type MenuName = keyof typeof MENU_PATHS;

/** From an outlet's control screen up to the main menu there are six levels; more Esc than this leads nowhere. */
const ESCAPES_MAX = 8;

export class MenuConsole implements Console {
  readonly name: MenuName;
  readonly #dialogue: Dialogue;
  #here: Screen;
  /** It waits for Enter under the answer to a command. */
  #paused = false;

  private constructor(name: MenuName, dialogue: Dialogue, here: Screen) {
    this.name = name;
    this.#dialogue = dialogue;
    this.#here = here;
  }

  /** From the screen after the log-in to the Device Manager, whose entries tell the two firmwares apart. */
  static async open(dialogue: Dialogue, login: Heard): Promise<MenuConsole> {
    const main = readScreen(login.text);
    const [start, second] = MENU_PATHS.menu3;
    if (start === undefined || second === undefined || main.title === null || !start.at.test(main.title)) throw nonsense(dialogue, "the first screen is not the main menu");
    const menu = new MenuConsole("menu3", dialogue, main);
    const manager = await menu.#choose(start.choose, (screen) => isAt(screen, second.at));
    for (const name of ["menu3", "menu2"] as const) {
      const choose = MENU_PATHS[name].find((step) => isAt(manager, step.at))?.choose ?? null;
      if (choose !== null && entryNumber(manager, choose) !== null) return new MenuConsole(name, dialogue, manager);
    }
    throw nonsense(dialogue, "the Device Manager has no entry for outlets");
  }

  async list(): Promise<readonly Listed[]> {
    this.#dialogue.mark();
    const path = MENU_PATHS[this.name];
    // At least one level is walked down each time, so that what is read was drawn for this request.
    if (this.#stepHere() === path.length - 1) await this.#press(KEYS.escape, () => true);
    for (let turn = 0; turn < ESCAPES_MAX + path.length; turn++) {
      const at = this.#stepHere();
      const next = path[at + 1];
      if (next === undefined || at < 0) {
        await this.#press(KEYS.escape, () => true);
        continue;
      }
      const arrived = next.choose === null;
      await this.#choose(path[at]?.choose ?? null, (screen) => isAt(screen, next.at) && (!arrived || screen.outlets.length > 0));
      if (arrived) return this.#here.outlets;
    }
    throw nonsense(this.#dialogue, "the list of outlets cannot be reached");
  }

  async approach(listed: Listed, all: readonly Listed[], action: Action): Promise<Approach> {
    if (listed.mark !== null && action === "off") {
      // APC: control of one outlet is control "of the outlet group, if any, to which it belongs".
      throw new UpkeepError("POWER_OUTLET", `outlet ${listed.number} is marked "${listed.mark.slice(0, 40)}" in the device's list (a group?): switching it off might switch off others`);
    }
    const immediate = MENU_ENTRIES.immediate[action];
    const canSwitch = (screen: Screen): boolean => entryNumber(screen, immediate) !== null;
    let named = false;
    const check = (screen: Screen): void => {
      const identity = identityOf(screen, listed, all);
      if (identity.kind === "other") throw nonsense(this.#dialogue, identity.why);
      named ||= identity.kind === "named";
    };
    let control = await this.#press(`${listed.number}${KEYS.enter}`, (screen) => screen.outlets.length === 0 && (canSwitch(screen) || entryNumber(screen, MENU_ENTRIES.controlOutlet) !== null));
    check(control);
    // An account for outlets alone has no screen between the list and the control screen.
    if (!canSwitch(control)) {
      control = await this.#choose(MENU_ENTRIES.controlOutlet, canSwitch);
      check(control);
    }

    const number = entryNumber(control, immediate);
    this.#dialogue.mark();
    this.#dialogue.send(`${number}${KEYS.enter}`);
    const question = await this.#dialogue.until(["confirm"], () => true);
    const asked = readQuestion(question.text, listed, action, control.name);
    const wrong = asked.problem ?? (named || asked.named ? null : "neither the screens nor the question say which outlet this is about");
    if (wrong !== null) {
      await this.#cancel();
      throw nonsense(this.#dialogue, wrong);
    }
    return {
      state: control.state ?? listed.state,
      label: control.name ?? listed.label,
      command: KEYS.yes,
      cancel: () => this.#cancel(),
    };
  }

  async answer(): Promise<Answer> {
    const heard = await this.#dialogue.until(["page", "menu", "shell"], (said) => readMenuAnswer(said.text).kind !== "none" || said.end === "page");
    this.#paused = heard.end === "page";
    if (!this.#paused) this.#here = readScreen(heard.text);
    return readMenuAnswer(heard.text);
  }

  async resume(): Promise<void> {
    if (this.#paused) await this.#press(KEYS.enter, (screen) => screen.title !== null);
    this.#paused = false;
  }

  async logOut(limitMs: number): Promise<void> {
    const [main] = MENU_PATHS[this.name];
    const isMain = (screen: Screen): boolean => main !== undefined && isAt(screen, main.at);
    if (!isMain(this.#here)) await this.#press(KEYS.mainMenu, isMain, limitMs);
    this.#dialogue.send(`${entryNumber(this.#here, MENU_ENTRIES.logout) ?? 4}${KEYS.enter}`);
  }

  /** Enter is the device's own word for no. */
  async #cancel(): Promise<void> {
    await this.#press(KEYS.enter, (screen) => screen.title !== null);
  }

  async #choose(title: RegExp | null, wanted: (screen: Screen) => boolean): Promise<Screen> {
    const number = title === null ? null : entryNumber(this.#here, title);
    if (number === null) throw nonsense(this.#dialogue, `the screen "${this.#here.title ?? "without a title"}" lacks an entry that every firmware has`);
    return await this.#press(`${number}${KEYS.enter}`, wanted);
  }

  async #press(keys: string, wanted: (screen: Screen) => boolean, limitMs?: number): Promise<Screen> {
    let screen: Screen | null = null;
    this.#dialogue.send(keys);
    await this.#dialogue.until(["menu", "shell"], (heard) => wanted((screen = readScreen(heard.text))), limitMs === undefined ? {} : { limitMs });
    return (this.#here = screen ?? this.#here);
  }

  #stepHere(): number {
    return MENU_PATHS[this.name].findIndex((step) => isAt(this.#here, step.at));
  }
}

/** Whether what was said after the log-in is the main menu of a console. */
export function isMainMenu(text: string): boolean {
  return isAt(readScreen(text), MENU_PATHS.menu3[0]?.at ?? /^$/);
}

// An outlet may be named like a menu; its screen says that it is about an outlet.
function isAt(screen: Screen, title: RegExp): boolean {
  return screen.title !== null && screen.outlet === null && title.test(screen.title);
}

function nonsense(dialogue: Dialogue, why: string): UpkeepError {
  return new UpkeepError("POWER_NONSENSE", `${why}; last heard: ${dialogue.evidence()}`);
}
