// `upkeep agents …` and `upkeep agent code`: the agents of hosts, as a watcher has them.

import type { AgentAnswer, AgentCode, AgentDetails, AgentReport } from "../../api/contract.ts";
import { AGENT_CODE_MAX_MS, inWords, PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import type { Cell } from "../terminal.ts";
import { complain, paint, print, printable, printJson, table } from "../terminal.ts";

const STATES = { connected: { text: "● connected", style: "green" }, away: { text: "○ away", style: "yellow" }, revoked: { text: "✖ revoked", style: "red" }, invited: { text: "○ invited", style: "dim" } } as const;
const STYLES = { good: "green", warn: "yellow", bad: "red", unknown: "magenta" } as const;
const CODE_MS = 3_600_000;

/** Runs `upkeep agents`. */
export async function runAgents(options: Options): Promise<number> {
  const reports = await (await connect(options)).get<readonly AgentReport[]>(PATHS.agents);
  if (options.json === true) printJson(reports);
  else if (reports.length === 0) print("no agent is enrolled: upkeep agent code HOST makes a code for one");
  else for (const line of table(["HOST", "AGENT", "FOR", "FINDINGS", "VERSION", "FROM", ""], reports.map(row))) print(line);
  return reports.every(({ state, findings }) => state === "connected" && findings.bad === 0) ? EXIT.yes : EXIT.no;
}

/** Runs `upkeep agents show`. Exit 1 when it is not connected or has found something bad. */
export async function runAgentsShow(host: string, options: Options): Promise<number> {
  const report = await (await connect(options)).get<AgentDetails>(`${PATHS.agents}/${encodeURIComponent(host)}`);
  if (options.json === true) printJson(report);
  else for (const line of [...table(["HOST", "AGENT", "FOR", "FINDINGS", "VERSION", "FROM", ""], [row(report)]), "", ...findingTable(report.found)]) print(line);
  return report.state === "connected" && report.findings.bad === 0 ? EXIT.yes : EXIT.no;
}

/** Runs `upkeep agents revoke`. */
export async function runAgentsRevoke(host: string, options: Options): Promise<number> {
  return said(await (await connect(options)).remove<AgentAnswer>(`${PATHS.agents}/${encodeURIComponent(host)}`), options);
}

/** Runs `upkeep agent code`: the code alone on standard output, what to do with it beside it. */
export async function runAgentCode(host: string, options: Options): Promise<number> {
  if ((options.for ?? CODE_MS) > AGENT_CODE_MAX_MS) throw new CliError(EXIT.usage, `a code is good for ${inWords(AGENT_CODE_MAX_MS)} at most: --for 7d`);
  const answer = await (await connect(options)).post<AgentCode>(`${PATHS.agents}/${encodeURIComponent(host)}`, { forMs: options.for ?? CODE_MS });
  if (answer.code === null || options.json === true) return said(answer, options);
  print(answer.code);
  const [watcher] = answer.watchers;
  complain(`${printable(answer.text)}; on ${printable(host)}: upkeep agent enroll CODE${watcher === undefined ? "" : ` (or with --watcher ${printable(watcher)})`}`);
  return EXIT.yes;
}

/** What an agent has found, as a table. */
export function findingTable(found: AgentDetails["found"]): readonly string[] {
  if (found.length === 0) return [paint("dim", "it has found nothing yet")];
  return table(["FINDING", "", "EVIDENCE"], found.map(({ subject, verdict, because, mayCut }): readonly Cell[] => [
    { text: printable(subject) },
    { text: verdict, style: STYLES[verdict] },
    { text: printable(`${because}${mayCut ? " (power may be the cure)" : ""}`) },
  ]));
}

/** How an agent stands, in one line of a host's status. */
export function agentLine({ state, since, heard, findings, version, code }: AgentReport, now: number): string {
  const ago = (at: string | null) => (at === null ? "" : inWords(Math.max(0, now - Date.parse(at))));
  const counts = (["bad", "warn", "unknown", "good"] as const).filter((verdict) => findings[verdict] > 0).map((verdict) => `${findings[verdict]} ${verdict}`).join(", ");
  if (state === "invited") return `invited${code === null ? ", and the code has expired" : ""}`;
  if (state === "revoked") return "revoked";
  return `${state}${since === null ? ", not seen by this watcher" : ` for ${ago(since)}`}${state === "away" && heard !== null ? ` (last heard ${ago(heard)} ago)` : ""}${version === null ? "" : `, version ${printable(version)}`}${counts === "" ? "" : `; found: ${counts}`}`;
}

function row(report: AgentReport): readonly Cell[] {
  const { findings, since, revoked, code } = report;
  const notes = [
    ...(revoked === null ? [] : [`by ${revoked.by}`]),
    ...(code === null ? [] : [`a code of ${code.by} is good for ${inWords(Math.max(0, Date.parse(code.until) - Date.now()))}`]),
  ];
  const counts = (["bad", "warn", "unknown", "good"] as const).filter((verdict) => findings[verdict] > 0).map((verdict) => `${findings[verdict]} ${verdict}`).join(", ");
  return [
    { text: printable(report.host), style: "bold" },
    STATES[report.state],
    { text: since === null ? "" : inWords(Math.max(0, Date.now() - Date.parse(since))) },
    { text: counts, ...(findings.bad > 0 ? { style: "red" as const } : findings.warn > 0 ? { style: "yellow" as const } : {}) },
    { text: printable(report.version ?? "") },
    { text: printable(report.from ?? "") },
    { text: printable(notes.join(" · ")) },
  ];
}

function said(answer: AgentAnswer, options: Options): number {
  if (options.json === true) printJson(answer);
  else if (answer.exit === EXIT.yes) print(printable(answer.text));
  else complain(printable(answer.text));
  return answer.exit;
}
