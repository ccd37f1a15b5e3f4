// How things are shown to people: colours only on a terminal and never without a word or a shape that says the same,
// columns that line up, times of this machine's own zone. Text that came from outside (banners, labels, reasons) is made
// printable here, whatever was done to it before: an escape sequence in a banner must not speak to the reader's terminal.

import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** no-color.org: present and not empty. */
const coloured = process.stdout.isTTY === true && (process.env["NO_COLOR"] ?? "") === "";

export function paint(style: Style, text: string): string {
  return coloured ? styleText(style, text, { validateStream: false }) : text;
}

/** Without control and format characters. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "?");
}

export function print(line = ""): void {
  process.stdout.write(`${line}\n`);
}

export function complain(line: string): void {
  process.stderr.write(`upkeep: ${line}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

export type Cell = { readonly text: string; readonly style?: Style };

/** Rows under a head, in columns as wide as their widest cell; the last one is cut at the terminal's edge. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): readonly string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => [...(row[column]?.text ?? "")].length)));
  const edge = process.stdout.isTTY === true ? process.stdout.columns : Infinity;
  const render = (cells: readonly Cell[]): string => {
    let used = 0;
    let line = "";
    cells.forEach((cell, column) => {
      const last = column === cells.length - 1;
      const letters = [...cell.text];
      const room = edge - used;
      const text = last && letters.length > room && room > 20 ? `${letters.slice(0, room - 1).join("")}…` : cell.text;
      const width = widths[column] ?? 0;
      line += (cell.style === undefined ? text : paint(cell.style, text)) + (last ? "" : " ".repeat(Math.max(0, width - letters.length) + 2));
      used += width + 2;
    });
    return line.trimEnd();
  };
  return [render(head.map((title) => ({ text: title, style: "dim" }))), ...rows.map(render)];
}

const two = (value: number): string => String(value).padStart(2, "0");

/** `01:58:03` in this machine's zone. */
export function clock(iso: string): string {
  const at = new Date(iso);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** `2026-11-22 01:58:03`. */
export function dateAndClock(iso: string): string {
  const at = new Date(iso);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(iso)}`;
}

/** The clock alone while it is unmistakable, with the date otherwise. */
export function moment(iso: string, now: string): string {
  const agoMs = Date.parse(now) - Date.parse(iso);
  return Math.abs(agoMs) < 12 * 3_600_000 ? clock(iso) : dateAndClock(iso);
}

/** This machine's zone, so that nobody compares two clocks by mistake: `UTC`, `UTC+02:00`. */
export function zone(iso: string): string {
  const minutes = -new Date(iso).getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}
