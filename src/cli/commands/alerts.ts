// `upkeep alerts list` and `upkeep alerts test`: what is open, who was told, what waits; and whether a channel works, before the
// night in which it has to. Exit 1 when a test was not delivered, or something waits for a channel that fails.

import type { AlarmReport, AlertTest, AlertTestRequest, AlertsReport, StatusReport } from "../../api/contract.ts";
import { ALARM_MANUAL, PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { moment, paint, print, printable, printJson, table } from "../terminal.ts";

/** Runs `upkeep alerts list`. */
export async function runAlertsList(options: Options): Promise<number> {
  const client = await connect(options);
  const [status, report] = await Promise.all([client.get<StatusReport>(PATHS.status), client.get<AlertsReport>(PATHS.alerts)]);
  if (options.json === true) printJson({ alarms: status.alarms.map((alarm) => ({ ...alarm, told: callOf(alarm, report)?.told ?? [], next: callOf(alarm, report)?.next ?? null })), channels: report.channels });
  else for (const line of [...alarms(status, report), "", ...channels(report, status.at)]) print(line);
  return report.channels.every((channel) => channel.failing === null) ? EXIT.yes : EXIT.no;
}

/** Runs `upkeep alerts test`. */
export async function runAlertsTest(channel: string | undefined, options: Options): Promise<number> {
  const request: AlertTestRequest = { channel: channel ?? null };
  const tested = await (await connect(options)).post<readonly AlertTest[]>(PATHS.alertTest, request);
  if (options.json === true) printJson(tested);
  else if (tested.length === 0) print("There is no channel: nobody would be called (docs/guides/alerts.md).");
  else for (const each of tested) print(`${printable(each.channel)}: ${each.delivered ? paint("green", "taken") : paint("red", "not delivered")}${each.evidence === null ? "" : `: ${printable(each.evidence)}`}`);
  return tested.length > 0 && tested.every((each) => each.delivered) ? EXIT.yes : EXIT.no;
}

function callOf({ alarm }: AlarmReport, report: AlertsReport): AlertsReport["alarms"][number] | undefined {
  return report.alarms.find((call) => call.alarm === alarm);
}

function alarms(status: StatusReport, report: AlertsReport): readonly string[] {
  if (status.alarms.length === 0) return ["No alarm is open."];
  return status.alarms.flatMap((alarm) => {
    const call = callOf(alarm, report);
    const style = alarm.severity === "critical" ? "red" : alarm.severity === "warning" ? "yellow" : "cyan";
    // Several watchers: it was told by another one.
    const told = call === undefined || call.told.length === 0 ? "told by another watcher, or to nobody" : `told ${call.told.map(({ channel, at }) => `${printable(channel)} ${moment(at, status.at)}`).join(", ")}`;
    const due = call?.next ?? null;
    const next = alarm.acknowledged ? "acknowledged" : due === null ? `upkeep ack ${printable(alarm.alarm)}` : `${due.to.map(printable).join(", ")} at ${moment(due.at, status.at)} unless: upkeep ack ${printable(alarm.alarm)}`;
    return [
      `${paint(style, alarm.severity)} ${printable(alarm.alarm)}: ${printable(alarm.happened)}`,
      `  ${printable(alarm.asked)}`,
      `  ${paint("dim", `${told}; ${next}; ${ALARM_MANUAL}#${alarm.kind}`)}`,
    ];
  });
}

function channels({ channels: all }: AlertsReport, now: string): readonly string[] {
  if (all.length === 0) return ["There is no channel: nobody is called (docs/guides/alerts.md)."];
  const at = (time: string | null): string => (time === null ? "never" : moment(time, now));
  return table(["CHANNEL", "KIND", "DELIVERED", "WAITING", ""], all.map((channel) => [
    { text: printable(channel.channel) }, { text: printable(channel.kind) }, { text: at(channel.delivered) },
    { text: channel.waiting === 0 ? "nothing" : `${channel.waiting}, the oldest of ${at(channel.oldest)}` },
    channel.failing === null ? { text: "" } : { text: `fails since its last attempt (${at(channel.tried)})${channel.next === null ? "" : `, next ${at(channel.next)}`}: ${printable(channel.failing)}`, style: "red" },
  ]));
}
