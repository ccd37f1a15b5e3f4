// Against a real Alertmanager: it shows an alarm under its labels, takes other news and another severity for the same alarm,
// ends it when we say so, and tells its own receiver of both.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startAlertmanager } from "../../lab/alertmanager.ts";
import { startHookReceiver } from "../../lab/hook-receiver.ts";
import { lacking } from "../../lab/third-party.ts";
import { alertmanager } from "./hooks/alertmanager.ts";
import { HELD, NASTY, NEVER, SENDER } from "./message.fixture.ts";
import type { MessageState } from "./message.ts";
import { compose } from "./message.ts";
import { webhookChannel } from "./webhook.ts";

type Shown = { readonly labels: Readonly<Record<string, string>>; readonly annotations: Readonly<Record<string, string>>; readonly status: { readonly state: string } };

test("Alertmanager takes alarms, changes and ends", { skip: lacking("prometheus-alertmanager") }, async () => {
  const receiver = await startHookReceiver();
  const server = await startAlertmanager(`${receiver.url}/am`);
  try {
    const channel = webhookChannel("am", { ...alertmanager, settings: { server: server.url, token: undefined }, secrets: [] }, SENDER);
    const tell = async (state: MessageState, change: Partial<typeof HELD> = {}): Promise<void> => {
      const said = compose({ ...HELD, ...change }, state, "back", SENDER, Date.now(), "id");
      assert.deepEqual(await channel.deliver(said, null, NEVER), { kind: "delivered", note: null, left: [] });
    };
    const active = async (): Promise<readonly Shown[]> => (await (await fetch(`${server.url}/api/v2/alerts`)).json()) as readonly Shown[];
    const until = async (what: string, met: (shown: readonly Shown[]) => boolean): Promise<readonly Shown[]> => {
      const deadlineMs = performance.now() + 60_000;
      for (;;) {
        const shown = await active();
        if (met(shown)) return shown;
        assert.ok(performance.now() < deadlineMs, `not in 60 s: ${what}; ${JSON.stringify(shown)}\n${server.log()}`);
        await sleep(50);
      }
    };
    const toldOf = (status: string): readonly string[] => receiver.received.flatMap(({ body }) => (body as { alerts: readonly { status: string; labels: Record<string, string> }[] }).alerts).filter((each) => each.status === status).map(({ labels }) => `${labels["alarm"]} ${labels["severity"]}`);
    /** Alertmanager's own receiver has been told of these and of nothing else. */
    const notified = async (status: string, ...alerts: readonly string[]): Promise<void> => {
      await until(`${status} ${alerts.join(", ")}`, () => alerts.every((each) => toldOf(status).includes(each)));
      assert.deepEqual([...new Set(toldOf(status))].toSorted(), alerts.toSorted());
    };
    await tell("raised", { happened: NASTY });
    const [shown] = await until("shown", (alerts) => alerts.length === 1);
    assert.deepEqual(shown?.labels, { alertname: "Upkeep", alarm: "held:logos", kind: "held", severity: "critical", host: "logos", site: "homelab" });
    assert.match(shown?.annotations["description"] ?? "", /What happened:/);
    await notified("firing", "held:logos critical");
    await tell("again", { severity: "warning" });
    await until("only the new severity", (alerts) => alerts.length === 1 && alerts[0]?.labels["severity"] === "warning");
    await notified("firing", "held:logos critical", "held:logos warning");
    await notified("resolved", "held:logos critical");
    await tell("raised", { alarm: "storm:fleet", kind: "storm", host: null, incident: null });
    await until("another beside it", (alerts) => alerts.length === 2);
    await notified("firing", "held:logos critical", "held:logos warning", "storm:fleet critical");
    await tell("over", { severity: "warning" });
    await until("ended", (alerts) => alerts.length === 1 && alerts[0]?.labels["kind"] === "storm");
    await tell("over", { alarm: "storm:fleet", kind: "storm", host: null, incident: null });
    await until("nothing", (alerts) => alerts.length === 0);
    await notified("resolved", "held:logos critical", "held:logos warning", "storm:fleet critical");
  } finally {
    await server.stop();
    await receiver.close();
  }
});
