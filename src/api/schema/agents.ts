// The agents of hosts (ADR 30).

import { z } from "zod";
import { AGENT_CODE_MAX_MS } from "../contract.ts";
import { count, flag, listOf, named, sentence, text, time } from "./schema.ts";

const report = {
  host: text(),
  state: z.enum(["connected", "away", "revoked", "invited"]).describe("connected: to this watcher, now · away: enrolled, and not connected here · invited: a code is out that was never used"),
  since: time().nullable(), heard: time().nullable().describe("When anything was heard of it last."), version: text().nullable(), from: text().nullable().describe("The address that it comes from."),
  enrolled: time().nullable(), revoked: z.strictObject({ by: text(), at: time() }).nullable(), code: z.strictObject({ by: text(), until: time() }).nullable().describe("A code that is good still; what it is nobody knows but who made it."),
  findings: z.strictObject({ good: count(), warn: count(), bad: count(), unknown: count() }).describe("How many of each it has found, when it was heard last."),
};
export const agentReport = named("Agent", "The agent of a host, as this watcher has it.", z.strictObject(report));
const finding = named("Finding", "What an agent has found about its own host.", z.strictObject({
  subject: text().describe("What it is about, the part's name first: `storage:/var`."), verdict: z.enum(["good", "warn", "bad", "unknown"]), because: sentence("Its evidence."), mayCut: flag().describe("Power may be the cure."),
}));
export const agentDetails = named("AgentDetails", "The agent of a host, with all that it has found, the worst first.", z.strictObject({ ...report, found: listOf(finding) }));
export const agentCodeRequest = named("AgentCodeRequest", "How long the code is to be good.", z.strictObject({ forMs: z.int().min(1_000).max(AGENT_CODE_MAX_MS) }));
const said = { exit: z.int().min(0).max(5), text: sentence("What was done, or why not.") };
export const agentAnswer = named("AgentAnswer", "What became of it; `exit` as of a command.", z.strictObject(said));
export const agentCode = named("AgentCode", "A code for `upkeep agent enroll`.", z.strictObject({ ...said, code: text().nullable(), watchers: listOf(text()).describe("Where the watchers are for agents, as far as they say.") }));
