// The agents of hosts, those first that somebody should look at. Nothing where none was ever enrolled.

import type { AgentReport } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { ask } from "../api.ts";
import { useAsked } from "../asked.ts";
import { nowMs } from "../live/connection.ts";
import { hosts } from "../live/store.ts";
import { agentInWords, agentSign } from "../views/agent.ts";
import { plural, sentence } from "../words.ts";
import { Verdict } from "./signs.tsx";
import { HostName, Problem } from "./text.tsx";

const SHOWN_MAX = 50;
const ORDER = ["down", "suspect", "unknown", "off", "up"] as const;

/** `turn`: asked again whenever it grows. */
export function Agents({ turn }: { readonly turn: number }) {
  const { body, error, again } = useAsked<readonly AgentReport[]>((signal) => ask<readonly AgentReport[]>(PATHS.agents, { signal }), [turn]);
  const all = (body ?? []).map((agent) => ({ agent, ...agentSign(agent) })).sort((one, other) => ORDER.indexOf(one.sign) - ORDER.indexOf(other.sign) || one.agent.host.localeCompare(other.agent.host, "en", { numeric: true }));
  if (error === null && all.length === 0) return null;
  const ill = all.filter(({ sign }) => sign !== "up");
  const shown = all.slice(0, SHOWN_MAX);
  return (
    <section aria-labelledby="agents">
      <h2 id="agents">Agents of hosts</h2>
      {error === null ? <p class="soft">{ill.length === 0 ? `${all.length === 1 ? "The one agent is" : `All ${all.length.toLocaleString("en")} are`} connected, and nothing that ${all.length === 1 ? "it finds" : "they find"} is bad.` : `${all.length - ill.length} of ${plural(all.length, "agent")} ${all.length - ill.length === 1 ? "is" : "are"} connected with nothing to tell.`}</p> : <Problem error={sentence(error)} onRetry={again} />}
      {shown.length === 0 ? null : <ul class="card findings">{shown.map(({ agent, sign, word }) => <li key={agent.host}><Verdict of={sign}>{word}</Verdict><div>{hosts.value.has(agent.host) ? <HostName host={agent.host} /> : <b>{agent.host}</b>}<div class="soft">{agentInWords(agent, nowMs.value)}</div></div></li>)}</ul>}
      {all.length > shown.length ? <p class="soft">And {plural(all.length - shown.length, "more agent")}: <code>upkeep agents</code>.</p> : null}
    </section>
  );
}
