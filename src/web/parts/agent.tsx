// The agent of a host, as this watcher has it: whether it is there, what of its findings is not good, and the services that it
// may run. Nothing where none is enrolled and no code is out: most hosts have none.

import type { AgentDetails, AgentReport, LeaseReport } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { ask } from "../api.ts";
import { useAsked } from "../asked.ts";
import { nowMs } from "../live/connection.ts";
import { agentInWords, FINDINGS, leaseInWords, worstFirst } from "../views/agent.ts";
import { age, closed, plural, sentence } from "../words.ts";
import { Verdict } from "./signs.tsx";
import { At, Problem } from "./text.tsx";

type Finding = AgentDetails["found"][number];

/** `probed`: the host has the probe `agent`. `turn`: asked again whenever it grows. */
export function Agent({ host, probed, turn }: { readonly host: string; readonly probed: boolean; readonly turn: number }) {
  const agents = useAsked<readonly AgentReport[]>((signal) => ask<readonly AgentReport[]>(`${PATHS.agents}?host=${encodeURIComponent(host)}`, { signal }), [host, turn]);
  const leases = useAsked<readonly LeaseReport[]>((signal) => ask<readonly LeaseReport[]>(PATHS.leases, { signal }), [turn]);
  const [agent] = agents.body ?? [];
  const own = (leases.body ?? []).filter((lease) => lease.host === host || lease.next === host);
  return (
    <>
      {agent === undefined || (agent.enrolled === null && agent.code === null) ? null : <Enrolled agent={agent} probed={probed} turn={turn} />}
      {own.length === 0 ? null : <Leases leases={own} host={host} />}
    </>
  );
}

function Enrolled({ agent, probed, turn }: { readonly agent: AgentReport; readonly probed: boolean; readonly turn: number }) {
  const details = useAsked<AgentDetails>((signal) => ask<AgentDetails>(`${PATHS.agents}/${encodeURIComponent(agent.host)}`, { signal }), [agent.host, turn]);
  const found = agent.state === "revoked" ? [] : worstFirst(details.body?.found ?? []);
  const [ill, good] = [found.filter(({ verdict }) => verdict !== "good"), found.filter(({ verdict }) => verdict === "good")];
  return (
    <section aria-labelledby="agent">
      <h2 id="agent">Agent</h2>
      <p>{agentInWords(agent, nowMs.value)}</p>
      {details.error === null ? null : <Problem error={sentence(details.error)} onRetry={details.again} />}
      {ill.length === 0 ? null : <Findings of={ill} />}
      {!probed && ill.some(({ verdict, mayCut }) => verdict === "bad" && mayCut) ? <p class="soft beneath">It is told, and its power is not cut for it: this host has no probe <code>agent</code>.</p> : null}
      {good.length === 0 ? null : <details class="more"><summary>{plural(good.length, "finding")} {good.length === 1 ? "is" : "are"} good</summary><Findings of={good} /></details>}
    </section>
  );
}

function Findings({ of }: { readonly of: readonly Finding[] }) {
  return (
    <ul class="card findings">
      {of.map(({ subject, verdict, because, mayCut }) => (
        <li key={subject}>
          <Verdict of={FINDINGS[verdict].sign}>{FINDINGS[verdict].word}</Verdict>
          <div><b>{subject}</b>{mayCut && verdict === "bad" ? <span class="tag bad">power may be the cure</span> : null}<div class="soft">{closed(because)}</div></div>
        </li>
      ))}
    </ul>
  );
}

/** Which services run here only under a lease (ADR 33), and what becomes of each. */
function Leases({ leases, host }: { readonly leases: readonly LeaseReport[]; readonly host: string }) {
  return (
    <section aria-labelledby="leases">
      <h2 id="leases">Leased services</h2>
      <ul class="card findings">
        {leases.map((lease) => {
          const { sign, word, text } = leaseInWords(lease, host);
          return <li key={lease.service}><Verdict of={sign}>{word}</Verdict><div><b>{lease.service}</b><div class="soft">{text} {lease.phase === "granted" ? "Granted" : "Taken back"} by {lease.by} <At at={lease.since} /> ({age(lease.since, nowMs.value)} ago){lease.reason === "" ? "." : `: ${closed(lease.reason)}`}</div></div></li>;
        })}
      </ul>
    </section>
  );
}
