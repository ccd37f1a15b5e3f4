// The agent, put together: its parts, what they have found, and the link. It decides nothing. What it keeps of findings is the
// latest of each subject, and what it keeps of orders is enough never to carry one out twice.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../core/errors.ts";
import type { HostFinding, Order, OrderEnd } from "../core/finding.ts";
import type { LeaseAnswer } from "../core/self-fence.ts";
import type { Guard } from "../child/child.ts";
import type { Clock } from "../process/system-clock.ts";
import type { Log } from "../process/log.ts";
import type { AgentConfig } from "../config/load-agent.ts";
import type { Link, LinkHooks } from "./link.ts";
import type { Part, PartWorld, Running } from "./part.ts";

export type AgentShell = {
  readonly config: AgentConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly guard: Guard;
  readonly dryRun: boolean;
  /** The parts that are configured, loaded. */
  readonly parts: readonly Part<unknown>[];
  link(hooks: LinkHooks): Link;
};

const FINDINGS_MAX = 1_000;
const ORDERS_KEPT = 256;
const SUBJECT_MAX = 128;
const BECAUSE_MAX = 300;

export class Agent {
  readonly #shell: AgentShell;
  readonly #findings = new Map<string, HostFinding>();
  readonly #takers = new Map<string, (order: Order) => Promise<OrderEnd>>();
  readonly #orders = new Map<string, Promise<OrderEnd>>();
  readonly #link: Link;
  readonly #leaseTakers: { take(answer: LeaseAnswer): void; linked(): void }[] = [];
  #running: Running[] = [];

  constructor(shell: AgentShell) {
    this.#shell = shell;
    this.#link = shell.link({ findings: () => this.findings(), order: (order) => this.#order(order), linked: () => this.#leaseTakers.forEach(({ linked }) => linked()), leases: (answer) => this.#leaseTakers.forEach(({ take }) => take(answer)), say: shell.log.say });
  }

  async start(): Promise<void> {
    for (const part of this.#shell.parts) this.#running.push(await part.start(this.world(part.name)));
  }

  async stop(): Promise<void> {
    for (const running of this.#running.splice(0).reverse()) await running.stop();
    await this.#link.close();
  }

  findings(): readonly HostFinding[] {
    return [...this.#findings.values()];
  }

  /** What a part of this name is given. */
  world(part: string): PartWorld<unknown> {
    const { config, clock, log, guard, dryRun } = this.#shell;
    const folder = join(config.dataDir, part);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    } catch {
      // A full or read-only disk is no reason to do nothing: a part says itself what it cannot keep.
    }
    return {
      options: (config.parts as Readonly<Record<string, unknown>>)[part],
      host: config.host,
      folder, dryRun, guard,
      now: clock.now, at: clock.at,
      say: log.say,
      report: (finding) => this.#report(finding),
      forget: (subject) => {
        if (this.#findings.delete(subject)) this.#link.changed(subject, null);
      },
      announce: (announcement, limitMs) => this.#link.announce(announcement, limitMs),
      onOrder: (order, carryOut) => {
        assert(!this.#takers.has(order), `two parts take the order ${order}`);
        this.#takers.set(order, carryOut);
      },
      contacts: () => this.#link.contacts(),
      leases: { ask: (request) => this.#link.leases(request), onAnswer: (take, linked) => void this.#leaseTakers.push({ take, linked }) },
    };
  }

  #report({ subject, verdict, because, mayCut }: HostFinding): void {
    const finding: HostFinding = { subject: printable(subject, SUBJECT_MAX), verdict, because: printable(because, BECAUSE_MAX), mayCut: verdict === "bad" && mayCut };
    const before = this.#findings.get(finding.subject);
    if (before !== undefined && before.verdict === verdict && before.because === finding.because && before.mayCut === finding.mayCut) return;
    if (before === undefined && this.#findings.size >= FINDINGS_MAX) return;
    this.#findings.set(finding.subject, finding);
    if (before?.verdict !== verdict) this.#shell.log.say(verdict === "bad" || verdict === "warn" ? "warning" : "info", `${finding.subject}: ${verdict}, ${finding.because}${finding.mayCut ? " (power may be the cure)" : ""}`);
    this.#link.changed(finding.subject, finding);
  }

  #order(order: Order): Promise<OrderEnd> {
    const before = this.#orders.get(order.id);
    if (before !== undefined) return before;
    const taker = this.#takers.get(order.order);
    if (taker === undefined) return Promise.resolve({ outcome: "refused", evidence: `this agent does not take the order ${printable(order.order, 40)}` });
    const end = taker(order).catch((error: unknown): OrderEnd => ({ outcome: "unknown", evidence: printable(error instanceof Error ? error.message : String(error), BECAUSE_MAX) }));
    this.#orders.set(order.id, end);
    if (this.#orders.size > ORDERS_KEPT) this.#orders.delete(this.#orders.keys().next().value ?? "");
    return end;
  }
}

function printable(text: string, max: number): string {
  const one = text.replace(/[\p{Cc} ]+/gu, " ").trim();
  return one.length <= max ? one : `${one.slice(0, max - 1)}…`;
}
