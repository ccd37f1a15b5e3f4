// The rolling reboot that is under way, is held, or was the last one: who was rebooted, whose turn it is, who comes; and the two
// things that one can ask for.

import type { RebootsReport } from "../../api/contract.ts";
import { nowMs } from "../live/connection.ts";
import { hosts } from "../live/store.ts";
import { may } from "../session.ts";
import { rebootsInWords, rowsOf } from "../views/reboots.ts";
import { moment } from "../words.ts";
import type { Action } from "./act.tsx";
import { Act } from "./act.tsx";
import { Verdict } from "./signs.tsx";
import { HostName } from "./text.tsx";

const CONTINUE: Action = {
  verb: "Go on", title: "Go on with the rolling reboot", reason: "none",
  plan: ["Look at the host that it stopped at first.", "The hosts that are left are rebooted, one at a time.", "It stops again at the first that does not come back."],
  command: () => ({ kind: "reboots-continue" }),
};
const STOP: Action = {
  verb: "Stop it", title: "Stop the rolling reboot", reason: "none",
  plan: ["Whoever is away comes back first.", "No other host is rebooted; those that were stay on record."],
  command: () => ({ kind: "reboots-stop" }),
};

export function Reboots({ of }: { readonly of: RebootsReport }) {
  return (
    <section aria-labelledby="reboots">
      <h2 id="reboots">Rolling reboot {of.run}</h2>
      <p>{rebootsInWords(of, nowMs.value)} <span class="soft">Asked for by {of.by} at {moment(Date.parse(of.began), nowMs.value)}{of.reason === "" ? "" : `: ${of.reason}`}{of.window === null ? "" : `; in the window ${of.window}`}.</span></p>
      <ul class="card findings">
        {rowsOf(of, nowMs.value).map(({ host, sign, word, text }) => (
          <li key={host}><Verdict of={sign}>{word}</Verdict><div>{hosts.value.has(host) ? <HostName host={host} /> : <b>{host}</b>}{text === "" ? null : <div class="soft">{text}</div>}</div></li>
        ))}
      </ul>
      {of.state === "ended" || !may("operator") ? null : <div class="asks">{of.state === "held" ? <Act action={CONTINUE} first /> : null}{of.stopBy === null ? <Act action={STOP} /> : null}</div>}
    </section>
  );
}
