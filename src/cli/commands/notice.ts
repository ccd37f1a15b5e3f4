// `upkeep notice …` and `upkeep status-page`: what people tell the public, and the public page as files for a web server of
// one's own, which serves it while the watcher, its machine or its network is away.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NoticeReport, NoticeRequest, NoticeUpdateRequest, StatusPageFiles } from "../../api/contract.ts";
import { NOTICE_TEXT_MAX, PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { dateAndClock, print, printable, printJson, table } from "../terminal.ts";
import { who } from "../who.ts";

/** Runs `upkeep notice list`. */
export async function runNoticeList(options: Options): Promise<number> {
  const notices = await (await connect(options)).get<readonly NoticeReport[]>(PATHS.notices);
  if (options.json === true) printJson(notices);
  else if (notices.length === 0) print("There is no notice.");
  else {
    for (const line of table(["NOTICE", "SEVERITY", "BEGAN", "ENDED", "UPDATES", "TITLE"], notices.map((notice) => [
      { text: String(notice.id), style: "bold" as const }, { text: notice.severity }, { text: dateAndClock(notice.began) }, { text: notice.ended === null ? "open" : dateAndClock(notice.ended), ...(notice.ended === null ? { style: "yellow" as const } : {}) }, { text: String(notice.updates.length - 1) }, { text: printable(notice.title) },
    ]))) print(line);
  }
  return EXIT.yes;
}

/** Runs `upkeep notice add`. */
export async function runNoticeAdd(title: string, options: Options): Promise<number> {
  const body: NoticeRequest = { title, text: textIn(options) ?? title, severity: options.severity ?? "info", components: options.component ?? [], by: who() };
  return tell(await (await connect(options)).post<NoticeReport>(PATHS.notices, body), options, (notice) => `notice ${notice.id}: the public is told at once`);
}

/** Runs `upkeep notice update` and, with `end`, `upkeep notice end`. */
export async function runNoticeUpdate(id: string, end: boolean, options: Options): Promise<number> {
  const text = textIn(options);
  if (!end && text === null && options.severity === undefined) throw new CliError(EXIT.usage, "an update needs --text, --text-file or --severity");
  const body: NoticeUpdateRequest = { ...(text === null ? {} : { text }), ...(options.severity === undefined ? {} : { severity: options.severity }), ...(end ? { end } : {}), by: who() };
  return tell(await (await connect(options)).patch<NoticeReport>(pathOf(id), body), options, (notice) => `notice ${notice.id} ${end ? "has ended" : "is updated"}`);
}

/** Runs `upkeep notice remove`. */
export async function runNoticeRemove(id: string, options: Options): Promise<number> {
  const answer = await (await connect(options)).remove<{ readonly removed: number }>(pathOf(id));
  if (options.json === true) printJson(answer);
  else print(`notice ${answer.removed} is gone, also from what the public could read of the past`);
  return EXIT.yes;
}

/** Runs `upkeep status-page`. Each file is whole at every moment: a web server may read while it is written. */
export async function runStatusPage(options: Options): Promise<number> {
  const { files } = await (await connect(options)).get<StatusPageFiles>(PATHS.statusPage);
  const folder = options.out ?? ".";
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    if (!/^[a-z]+\.(html|css)$/.test(name)) throw new CliError(EXIT.unavailable, `the watcher gives a file of the name ${printable(name)}, which this program does not know`);
    const fresh = join(folder, `.${name}.new`);
    writeFileSync(fresh, content, { mode: 0o644 });
    renameSync(fresh, join(folder, name));
  }
  if (options.json === true) printJson({ out: folder, files: Object.keys(files) });
  else print(`written to ${folder}: ${Object.keys(files).join(", ")}`);
  return EXIT.yes;
}

function tell(notice: NoticeReport, options: Options, words: (notice: NoticeReport) => string): number {
  if (options.json === true) printJson(notice);
  else print(words(notice));
  return EXIT.yes;
}

function textIn(options: Options): string | null {
  if (options.text !== undefined && options.textFile !== undefined) throw new CliError(EXIT.usage, "--text or --text-file, not both");
  if (options.textFile === undefined) return options.text ?? null;
  let text: string;
  try {
    text = readFileSync(options.textFile === "-" ? 0 : options.textFile, "utf8");
  } catch (error) {
    throw new CliError(EXIT.usage, `${options.textFile} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (text.length > NOTICE_TEXT_MAX) throw new CliError(EXIT.usage, `${options.textFile} is longer than ${NOTICE_TEXT_MAX} characters`);
  return text;
}

function pathOf(id: string): string {
  if (!/^[0-9]{1,15}$/.test(id)) throw new CliError(EXIT.usage, "a notice is a number: upkeep notice list");
  return `${PATHS.notices}/${id}`;
}
