// What the session and the consoles (menus, shells) agree on. A console gets whole keys and prints text; it never sees the
// socket, so that a cut, a delay or noise in the cable is the session's matter and the menus stay plain.

import type { Action, Outlets } from "./apc-outlets.ts";

export type Console = {
  /** Right after the log-in. */
  open(): void;
  line(text: string): void;
  escape(): void;
  interrupt(): void;
};

/** What a console may do. */
export type Terminal = {
  readonly outlets: Outlets;
  print(text: string): void;
  /** Hands a confirmed command to the device; false: the device refuses it, in words. */
  command(outlets: readonly number[], action: Action, master: boolean): boolean;
  /** Ends the session properly, after what was printed. */
  logout(): void;
};

export type Firmware = {
  readonly maker: string;
  readonly aos: string;
  readonly app: string;
  readonly appName: string;
};

/** The head of every log-in; fence_apc tells menus from shells by the first `v5.`, `v6.` or `v7.` in it. */
export function banner(firmware: Firmware): string {
  const rows = [
    "",
    `${firmware.maker.padEnd(40)}${"Network Management Card AOS".padEnd(33)}v${firmware.aos}`,
    `${"(c) Copyright 2009 All Rights Reserved".padEnd(40)}${firmware.appName.padEnd(33)}v${firmware.app}`,
    "-".repeat(79),
    `${"Name      : RackPDU".padEnd(54)}Date : 11/21/2026`,
    `${"Contact   : Unknown".padEnd(54)}Time : 10:49:37`,
    `${"Location  : Unknown".padEnd(54)}User : Administrator`,
    `${"Up Time   : 7 Days 15 Hours 31 Minutes".padEnd(54)}Stat : P+ N+ A+`,
    "",
  ];
  return rows.map((row) => `${row}\r\n`).join("");
}
