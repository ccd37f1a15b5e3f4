// The agents of hosts: who is enrolled stands in the core's state, who is there and what it has found in the watcher's process.

import { codeHolds } from "../core/agents.ts";
import type { AgentRecord } from "../core/records.ts";
import type { Now } from "../core/time.ts";
import { leftMs } from "../core/time.ts";
import type { AgentAnswer, AgentCode, AgentDetails, AgentReport, FindingReport } from "./contract.ts";
import { AGENT_CODE_MAX_MS } from "./contract.ts";
import { noSuchHost } from "./looking.ts";
import type { Asked, Reply, Served } from "./route.ts";
import { Refusal, json, missing, nameOf } from "./route.ts";

const WORST_FIRST = ["bad", "warn", "unknown", "good"] as const;

export function agents({ query }: Asked<"host">, served: Served): Reply {
  const records = [...served.watcher.state.agents.values()].filter(({ host }) => query.host === undefined || host === query.host).sort((one, other) => (one.host < other.host ? -1 : 1));
  return json(records.map((record): AgentReport => reportOf(record, served, served.now())));
}

export function agent({ name }: Asked, served: Served): Reply {
  const record = served.watcher.state.agents.get(name) ?? (served.watcher.policy.hosts.has(name) ? missing(`no agent of ${name} is enrolled: upkeep agent code ${name}`) : noSuchHost(name, served.watcher.policy));
  const found = (served.agents()?.heard(name)?.findings ?? []).map((finding): FindingReport => ({ ...finding }));
  found.sort((one, other) => WORST_FIRST.indexOf(one.verdict) - WORST_FIRST.indexOf(other.verdict) || (one.subject < other.subject ? -1 : 1));
  return json({ ...reportOf(record, served, served.now()), found } satisfies AgentDetails);
}

export async function agentCode({ name, body, caller }: Asked, served: Served): Promise<Reply> {
  const forMs = typeof body === "object" && body !== null && Object.keys(body).join() === "forMs" ? (body as { forMs: unknown }).forMs : undefined;
  if (typeof forMs !== "number" || !Number.isInteger(forMs) || forMs < 1_000 || forMs > AGENT_CODE_MAX_MS) throw new Refusal(400, "the body is { \"forMs\": MILLISECONDS }, at most 7 days");
  const source = served.agents() ?? missing("this watcher has no door for agents: agents: { listen: 0.0.0.0:7443 } in its configuration");
  const { exit, text, code } = await source.code(nameOf(caller), name, forMs);
  const watchers = [...served.watcher.state.doors.values()].flatMap(({ address }) => address ?? []);
  return json({ exit, text, code, watchers } satisfies AgentCode);
}

export async function agentRevoke({ name, caller }: Asked, served: Served): Promise<Reply> {
  const { exit, text } = await served.watcher.command(nameOf(caller), { kind: "agent-revoke", host: name });
  return json({ exit, text } satisfies AgentAnswer);
}

function reportOf({ host, enrolled, revoked, code }: AgentRecord, served: Served, now: Now): AgentReport {
  const heard = revoked === null ? (served.agents()?.heard(host) ?? null) : null;
  const iso = (wallMs: number) => new Date(wallMs).toISOString();
  const then = (bootMs: number) => iso(now.wallMs - (now.bootMs - bootMs));
  const count = (verdict: FindingReport["verdict"]) => heard?.findings.filter((finding) => finding.verdict === verdict).length ?? 0;
  return {
    host,
    state: revoked !== null ? "revoked" : enrolled === null ? "invited" : heard?.connected === true ? "connected" : "away",
    since: heard === null ? null : then(heard.sinceMs), heard: heard === null ? null : then(heard.heardMs),
    version: heard?.hello.version ?? null, from: heard?.hello.from ?? null,
    enrolled: enrolled === null ? null : iso(enrolled.wallMs),
    revoked: revoked === null ? null : { by: revoked.by, at: iso(revoked.at.wallMs) },
    code: code === null || !codeHolds(code.until, now) ? null : { by: code.by, until: iso(now.wallMs + leftMs(code.until, now)) },
    findings: { good: count("good"), warn: count("warn"), bad: count("bad"), unknown: count("unknown") },
  };
}
