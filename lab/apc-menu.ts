// The Control Console of the menu firmware (v2 and v3), as its users' transcripts, fence_apc and powerman's device files
// have it. v2 keeps the outlets under `3- Outlet Control/Configuration` of the Device Manager, v3 under `2- Outlet
// Management`, `1-`. An account for outlets alone sees no configuration: one layer less, and other numbers.
//
// A number chooses, Esc goes up one level, Ctrl-C to the main menu, Enter draws again. Long lists stop at `Press <ENTER> to
// continue...`. An action asks for YES, in capitals; whatever else is typed there cancels.

import { banner, type Console, type Firmware, type Terminal } from "./apc-console.ts";
import type { Action } from "./apc-outlets.ts";

export type MenuOptions = {
  readonly version: 2 | 3;
  readonly account: "administrator" | "outlet-user";
  /** Outlets on a screen before it waits for Enter. */
  readonly pageLines: number;
  /** Older applications mark an outlet that has a command pending with a star. */
  readonly pendingMark: boolean;
};

type Place =
  | { readonly at: "main" | "device" | "management" | "list" }
  | { readonly at: "outlet" | "control"; readonly outlet: number | "all" }
  | { readonly at: "elsewhere"; readonly title: string };

type Mode =
  | { readonly kind: "menu" }
  | { readonly kind: "page"; readonly rest: readonly string[] }
  | { readonly kind: "confirm"; readonly action: Action; readonly outlet: number | "all" }
  | { readonly kind: "pause" };

const ACTIONS: readonly { readonly action: Action; readonly title: string; readonly does: string }[] = [
  { action: "on", title: "Immediate On", does: "immediately turn on" },
  { action: "off", title: "Immediate Off", does: "immediately shutdown" },
  { action: "reboot", title: "Immediate Reboot", does: "immediately shutdown, delay for 5 seconds, and restart" },
  { action: "delayed-on", title: "Delayed On", does: "turn on, after its power on delay," },
  { action: "delayed-off", title: "Delayed Off", does: "shutdown, after its power off delay," },
  { action: "delayed-reboot", title: "Delayed Reboot", does: "shutdown after its power off delay, and restart" },
  { action: "cancel", title: "Cancel", does: "cancel all pending commands of" },
];

const INDENT = " ".repeat(8);
const PRESS_ENTER = `\r\n${INDENT}Press <ENTER> to continue...`;

export const FIRMWARE: Readonly<Record<2 | 3, Firmware>> = {
  2: { maker: "American Power Conversion", aos: "2.7.0", app: "2.7.3", appName: "Rack PDU APP" },
  3: { maker: "American Power Conversion", aos: "3.7.3", app: "3.7.3", appName: "Rack PDU APP" },
};

export class MenuConsole implements Console {
  readonly #terminal: Terminal;
  readonly #options: MenuOptions;
  #path: Place[] = [{ at: "main" }];
  #mode: Mode = { kind: "menu" };

  constructor(terminal: Terminal, options: MenuOptions) {
    this.#terminal = terminal;
    this.#options = options;
  }

  open(): void {
    this.#terminal.print(`${banner(FIRMWARE[this.#options.version])}\r\nSwitched Rack PDU: Communication Established\r\n`);
    this.#draw();
  }

  line(text: string): void {
    const mode = this.#mode;
    this.#mode = { kind: "menu" };
    switch (mode.kind) {
      case "menu": return this.#choose(text.trim());
      case "page":
        this.#terminal.print("\r\n");
        return this.#page(mode.rest);
      case "pause": return this.#draw();
      case "confirm": return text.trim() === "YES" ? this.#act(mode.action, mode.outlet) : this.#draw();
    }
  }

  escape(): void {
    const wasMenu = this.#mode.kind === "menu" || this.#mode.kind === "page";
    this.#mode = { kind: "menu" };
    if (wasMenu && this.#path.length > 1) this.#path.pop();
    this.#draw();
  }

  interrupt(): void {
    this.#mode = { kind: "menu" };
    this.#path = [{ at: "main" }];
    this.#draw();
  }

  get #here(): Place {
    return this.#path.at(-1) ?? { at: "main" };
  }

  get #admin(): boolean {
    return this.#options.account === "administrator";
  }

  #enter(place: Place): void {
    this.#path.push(place);
    this.#draw();
  }

  #choose(choice: string): void {
    const here = this.#here;
    switch (here.at) {
      case "main": {
        if (choice === "4") return this.#terminal.logout();
        if (choice === "1") return this.#enter({ at: "device" });
        const title = ["Network", "System"][Number(choice) - 2];
        return title === undefined ? this.#draw() : this.#enter({ at: "elsewhere", title });
      }
      case "device": {
        const entry = this.#deviceEntries()[Number(choice) - 1];
        return entry === undefined ? this.#draw() : this.#enter(entry.place);
      }
      case "management": {
        if (choice === "1") return this.#enter({ at: "list" });
        return choice === "2" && this.#admin ? this.#enter({ at: "elsewhere", title: "Outlet Restriction" }) : this.#draw();
      }
      case "list": {
        const outlet = choice === String(this.#terminal.outlets.count + 1) ? "all" : Number(choice);
        const known = outlet === "all" || (/^\d{1,2}$/.test(choice) && this.#terminal.outlets.numbers.includes(outlet));
        return known ? this.#enter({ at: this.#admin ? "outlet" : "control", outlet }) : this.#draw();
      }
      case "outlet": {
        if (choice === "1") return this.#enter({ at: "control", outlet: here.outlet });
        return choice === "2" ? this.#enter({ at: "elsewhere", title: "Configure Outlet" }) : this.#draw();
      }
      case "control": {
        const chosen = ACTIONS[Number(choice) - 1];
        return chosen === undefined ? this.#draw() : this.#confirm(chosen, here.outlet);
      }
      case "elsewhere": return this.#draw();
    }
  }

  #confirm(chosen: (typeof ACTIONS)[number], outlet: number | "all"): void {
    const whom = outlet === "all" ? "ALL outlets" : `outlet ${outlet} named '${this.#terminal.outlets.label(outlet)}'`;
    this.#terminal.print(
      `\r\n${INDENT}${"-".repeat(71)}\r\n${INDENT}${chosen.title}\r\n\r\n${INDENT}This command will ${chosen.does}\r\n${INDENT}${whom}.\r\n\r\n`
      + `${INDENT}Enter 'YES' to continue or <ENTER> to cancel : `);
    this.#mode = { kind: "confirm", action: chosen.action, outlet };
  }

  #act(action: Action, outlet: number | "all"): void {
    const { outlets } = this.#terminal;
    const done = this.#terminal.command(outlet === "all" ? outlets.numbers : [outlet], action, outlet === "all");
    this.#terminal.print(`\r\n${INDENT}${done ? "Command successfully issued." : "Command failed."}\r\n${PRESS_ENTER}`);
    this.#mode = { kind: "pause" };
  }

  #deviceEntries(): { readonly title: string; readonly place: Place }[] {
    const elsewhere = (title: string) => ({ title, place: { at: "elsewhere", title } as const });
    const list = (title: string) => ({ title, place: { at: "list" } as const });
    if (this.#options.version === 3) {
      return [elsewhere("Phase Management"), { title: "Outlet Management", place: { at: "management" } }, elsewhere("Power Supply Status")];
    }
    return this.#admin
      ? [elsewhere("Phase Monitor/Configuration"), elsewhere("Outlet Restriction Configuration"), list("Outlet Control/Configuration"), elsewhere("Power Supply Status")]
      : [elsewhere("Phase Monitor"), list("Outlet Control"), elsewhere("Power Supply Status")];
  }

  #draw(): void {
    const here = this.#here;
    switch (here.at) {
      case "main": return this.#screen("Control Console", entries(["Device Manager", "Network", "System", "Logout"]), "<ESC>- Main Menu");
      case "device": return this.#screen("Device Manager", entries(this.#deviceEntries().map((entry) => entry.title)));
      case "management":
        return this.#screen("Outlet Management", entries(this.#admin ? ["Outlet Control/Configuration", "Outlet Restriction"] : ["Outlet Control"]));
      case "list": return this.#list();
      case "outlet":
        return this.#screen(this.#title(here.outlet), [...this.#facts(here.outlet), ...entries([
          here.outlet === "all" ? "Control of ALL Outlets" : "Control Outlet",
          here.outlet === "all" ? "Configuration of ALL Outlets" : "Configure Outlet",
        ])], "?- Help, <ESC>- Back");
      case "control":
        return this.#screen(here.outlet === "all" ? "Control of ALL Outlets" : "Control Outlet",
          [...this.#facts(here.outlet), ...entries(ACTIONS.map((entry) => entry.title))], "?- Help, <ESC>- Back");
      case "elsewhere": return this.#screen(here.title, []);
    }
  }

  #title(outlet: number | "all"): string {
    return outlet === "all" ? "Master Control/Configuration" : this.#terminal.outlets.label(outlet);
  }

  #facts(outlet: number | "all"): string[] {
    if (outlet === "all") return [];
    const { outlets } = this.#terminal;
    return [`${INDENT}Name         : ${outlets.label(outlet)}`, `${INDENT}Outlet       : ${outlet}`, `${INDENT}State        : ${this.#state(outlet)}`, ""];
  }

  #state(outlet: number): string {
    const { outlets } = this.#terminal;
    return outlets.shown(outlet).toUpperCase() + (this.#options.pendingMark && outlets.pending(outlet) ? "*" : "");
  }

  #list(): void {
    const { outlets } = this.#terminal;
    const rows = outlets.numbers.map((outlet) => entry(outlet, `${outlets.label(outlet).padEnd(24)} ${this.#state(outlet)}`));
    this.#terminal.print(rule(this.#admin ? "Outlet Control/Configuration" : "Outlet Control"));
    this.#page([...rows, entry(outlets.count + 1, this.#admin ? "Master Control/Configuration" : "Master Control")]);
  }

  /** The entry for all outlets is part of the last page: 22 outlets and it fill a screen, as powerman's apcpdu.dev counts on. */
  #page(rows: readonly string[]): void {
    const { pageLines } = this.#options;
    const last = rows.length - 1 <= pageLines;
    const shown = last ? rows : rows.slice(0, pageLines);
    this.#terminal.print(shown.map((row) => `${row}\r\n`).join(""));
    if (last) return this.#foot("<ESC>- Back");
    this.#terminal.print(PRESS_ENTER);
    this.#mode = { kind: "page", rest: rows.slice(pageLines) };
  }

  #screen(title: string, rows: readonly string[], keys = "<ESC>- Back"): void {
    this.#terminal.print(rule(title) + rows.map((row) => `${row}\r\n`).join(""));
    this.#foot(keys);
  }

  #foot(keys: string): void {
    this.#terminal.print(`\r\n     ${keys}, <ENTER>- Refresh, <CTRL-L>- Event Log\r\n> `);
  }
}

function rule(title: string): string {
  return `\r\n${`------- ${title} `.padEnd(79, "-")}\r\n\r\n`;
}

function entry(number: number, text: string): string {
  return `${String(number).padStart(6)}- ${text}`;
}

function entries(titles: readonly string[]): string[] {
  return titles.map((title, index) => entry(index + 1, title));
}
