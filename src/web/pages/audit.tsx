// Who asked for what, and what was answered: every change, and every attempt that was refused.

import type { AuditLine } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { askLines } from "../api.ts";
import { useAsked } from "../asked.ts";
import { Empty, Problem, Waiting } from "../parts/text.tsx";
import { ask } from "../router.ts";
import { moment, plural, sentence, whole } from "../words.ts";
import { nowMs } from "../live/connection.ts";
import type { PageProps } from "./index.ts";

const LINES = 1_000;

export function Audit({ query }: PageProps) {
  const { body, error, again } = useAsked<readonly AuditLine[]>((signal) => askLines<AuditLine>(`${PATHS.audit}?limit=${LINES}`, { signal }), []);
  const text = query.get("q") ?? "";
  if (body === null) return error === null ? <Waiting what="Reading the trail" /> : <Problem error={sentence(error)} onRetry={again} />;
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const shown = body.filter((line) => words.every((word) => `${line.who} ${line.by} ${line.from ?? ""} ${line.what} ${line.answer}`.toLowerCase().includes(word))).toReversed();
  return (
    <>
      <h1>Who asked for what.</h1>
      <p class="lead">Every change, and every attempt that was refused; {body.length < LINES ? plural(body.length, "line") : `the newest ${LINES}`}. What became of power stands in the incidents, too.</p>
      <div class="filter">
        <label class="visually-hidden" for="audit-filter">Filter by user, address, words</label>
        <input id="audit-filter" type="search" placeholder="Filter: user, address, words" autocomplete="off" value={text} onInput={(event) => ask("q", event.currentTarget.value)} />
        <button type="button" onClick={again}>Read again</button>
      </div>
      {shown.length === 0 ? <Empty>{body.length === 0 ? "Nothing yet." : "No line fits this filter."}</Empty> : (
        <div class="card table-frame">
          <table class="audit">
            <thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">Asked for</th><th scope="col">Answer</th></tr></thead>
            <tbody>{shown.map((line, index) => (
              <tr key={index}>
                <td><time dateTime={line.at} title={whole(Date.parse(line.at))}>{moment(Date.parse(line.at), nowMs.peek())}</time></td>
                <td><b>{line.who}</b> <span class="soft">{line.by}{line.from === null ? "" : ` from ${line.from}`}</span></td><td>{line.what}</td><td>{line.answer}</td>
              </tr>
            ))}</tbody>
          </table>
        </div>
      )}
    </>
  );
}
