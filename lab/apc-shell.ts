// The two command shells. `ol`: firmware v5, 6 and 7 (olStatus, olOn, olOff, olReboot; `E000: Success` and its kin, from
// the Rack PDU user guides). `plain`: the older one that menu firmware gives to a password followed by ` -c` (on, off,
// reboot, status, quit; `OK`, and the same error codes, from the CLI guide for Switched Rack PDUs).
//
// Commands are not case-sensitive, and outlets are a number, a name, a range, a list with commas, or `all`.

import { banner, type Console, type Firmware, type Terminal } from "./apc-console.ts";
import type { Action } from "./apc-outlets.ts";

export type ShellOptions = { readonly style: "ol" | "plain"; readonly prompt: string; readonly pendingMark: boolean };

export const SHELL_FIRMWARE: Firmware = { maker: "Schneider Electric", aos: "6.9.6", app: "6.9.6", appName: "RPDU 2g APP" };

const ACTIONS: Readonly<Record<ShellOptions["style"], Readonly<Record<string, Action | "status" | "quit">>>> = {
  ol: {
    olon: "on", oloff: "off", olreboot: "reboot", oldlyon: "delayed-on", oldlyoff: "delayed-off", oldlyreboot: "delayed-reboot",
    olcancelcmd: "cancel", olstatus: "status", quit: "quit", exit: "quit", bye: "quit",
  },
  plain: { on: "on", off: "off", reboot: "reboot", status: "status", quit: "quit", exit: "quit" },
};

export class ShellConsole implements Console {
  readonly #terminal: Terminal;
  readonly #options: ShellOptions;

  constructor(terminal: Terminal, options: ShellOptions) {
    this.#terminal = terminal;
    this.#options = options;
  }

  open(): void {
    if (this.#options.style === "ol") {
      this.#terminal.print(`${banner(SHELL_FIRMWARE)}\r\nType ? for command listing\r\nUse tcpip command for IP address(-i), subnet(-s), and gateway(-g)\r\n`);
    }
    this.#prompt();
  }

  line(text: string): void {
    this.#terminal.print("\r\n");
    const words = text.trim().match(/"[^"]*"|\S+/g) ?? [];
    const name = words[0]?.toLowerCase();
    if (name === undefined) return this.#prompt();
    const action = Object.hasOwn(ACTIONS[this.#options.style], name) ? ACTIONS[this.#options.style][name] : undefined;
    if (action === undefined) return this.#answer("E101: Command Not Found");
    if (action === "quit") return this.#terminal.logout();
    // The plain shell reads all outlets when none is named; the newer one wants to be told.
    const what = words.slice(1).join(" ") || (action === "status" && this.#options.style === "plain" ? "all" : "");
    const outlets = this.#outlets(what);
    if (outlets === null) return this.#answer("E102: Parameter Error");
    if (action === "status") return this.#answer(this.#success, ...outlets.map((outlet) => this.#status(outlet)));
    const done = this.#terminal.command(outlets, action, what.toLowerCase() === "all");
    return done ? this.#answer(this.#success) : this.#answer("E100: Command failed");
  }

  /** Nothing to go up from: the line is thrown away. */
  escape(): void {
    this.#prompt();
  }

  interrupt(): void {
    this.#prompt();
  }

  get #success(): string {
    return this.#options.style === "ol" ? "E000: Success" : "OK";
  }

  #status(outlet: number): string {
    const { outlets } = this.#terminal;
    const mark = this.#options.pendingMark && outlets.pending(outlet) ? "*" : "";
    if (this.#options.style === "plain") return `${outlet}:${outlets.shown(outlet).toUpperCase()}${mark}:${outlets.label(outlet)}`;
    // The trailing blank is the device's own.
    return ` ${outlet}: ${outlets.label(outlet)}: ${outlets.shown(outlet) === "on" ? "On" : "Off"}${mark} `;
  }

  /** The outlets that are meant, or null when one of them is unknown. */
  #outlets(what: string): number[] | null {
    const { outlets } = this.#terminal;
    if (what.toLowerCase() === "all") return outlets.numbers;
    const found: number[] = [];
    for (const item of what.split(",").map((text) => text.trim().replaceAll('"', ""))) {
      const range = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(item);
      const named = outlets.numbers.find((outlet) => outlets.label(outlet) === item);
      const from = range === null ? (named ?? NaN) : Number(range[1]);
      const to = range?.[2] === undefined ? from : Number(range[2]);
      if (!(from <= to)) return null;
      for (let outlet = from; outlet <= to; outlet++) {
        if (!outlets.numbers.includes(outlet)) return null;
        found.push(outlet);
      }
    }
    return found;
  }

  #answer(...rows: readonly string[]): void {
    this.#terminal.print(rows.map((row) => `${row}\r\n`).join(""));
    this.#prompt();
  }

  #prompt(): void {
    this.#terminal.print(`\r\n${this.#options.prompt}`);
  }
}
