// Who hangs on what: devices with their outlets, made of what each host says of its power. Pure: a status in, rows out.

import type { DeviceReport, HostReport, OutletReport, StatusReport } from "../../api/contract.ts";
import type { Saying } from "../sentences.ts";
import { listed, plural } from "../words.ts";

export type OutletRow = {
  /** Its name on the device. */
  readonly outlet: string;
  readonly state: OutletReport["state"];
  readonly at: string | null;
  readonly label: string | null;
  readonly proved: boolean;
  /** More than one host on an outlet is a mistake or a bargain: both are shown. */
  readonly hosts: readonly { readonly host: string; readonly level: number; readonly levels: number }[];
};

export type DeviceRow = DeviceReport & {
  readonly outlets: readonly OutletRow[];
  readonly hosts: readonly string[];
  /** Watchers in charge of its hosts: one, or none while nobody is. */
  readonly inCharge: readonly string[];
};

export function devicesOf(devices: readonly DeviceReport[], hosts: readonly HostReport[]): readonly DeviceRow[] {
  const byDevice = new Map<string, { host: HostReport; outlet: OutletReport; name: string }[]>();
  for (const host of hosts) {
    for (const outlet of host.power) {
      const at = outlet.outlet.indexOf("/");
      const device = outlet.outlet.slice(0, at);
      const row = { host, outlet, name: outlet.outlet.slice(at + 1) };
      const known = byDevice.get(device);
      if (known === undefined) byDevice.set(device, [row]);
      else known.push(row);
    }
  }
  return devices.map((device) => {
    const fed = byDevice.get(device.device) ?? [];
    const outlets = new Map<string, OutletRow>();
    for (const { host, outlet, name } of fed) {
      const levels = Math.max(...host.power.map((each) => each.level));
      const one = { host: host.host, level: outlet.level, levels };
      const known = outlets.get(name);
      outlets.set(name, known === undefined ? { outlet: name, state: outlet.state, at: outlet.at, label: outlet.label, proved: outlet.proved, hosts: [one] } : { ...known, proved: known.proved && outlet.proved, hosts: [...known.hosts, one] });
    }
    return {
      ...device,
      outlets: [...outlets.values()].sort((one, other) => one.outlet.localeCompare(other.outlet, "en", { numeric: true })),
      hosts: [...new Set(fed.map(({ host }) => host.host))],
      inCharge: [...new Set(fed.flatMap(({ host }) => host.inCharge ?? []))].sort(),
    };
  });
}

/** What is amiss with power, the worst first. */
export function powerSayings(devices: readonly DeviceRow[], hosts: readonly HostReport[]): readonly Saying[] {
  const said: Saying[] = [];
  for (const device of devices) {
    if (device.readable === false) said.push([`${device.device} cannot be read: ${device.why ?? "no reason is given"}. `, ...(device.hosts.length === 0 ? [] : [`${listed(device.hosts)} ${device.hosts.length === 1 ? "hangs" : "hang"} on it and cannot be cut.`])]);
    else if (device.readable === null) said.push([`${device.device} was not read yet.`]);
  }
  for (const host of hosts) {
    if (host.offByOthers.length > 0) said.push([{ host: host.host }, ` was switched off at ${host.offByOthers.join(" and ")}, and not by us: it is left off until somebody switches it on.`]);
    else if (host.wantedOff !== null && host.careful === null) said.push([{ host: host.host }, ` is wanted off, by ${host.wantedOff.by}${host.wantedOff.why === "" ? "" : `: ${host.wantedOff.why}`}.`]);
    if (host.operation !== null && host.operation.cut.length > 0) said.push([{ host: host.host }, ` is owed power at ${host.operation.cut.join(" and ")}: it is switched on for as long as it takes.`]);
  }
  const without = hosts.filter((host) => host.power.length === 0);
  if (without.length > 0) said.push([`${listed(without.map(({ host }) => host))} ${without.length === 1 ? "has" : "have"} no power outlet configured: ${without.length === 1 ? "it is" : "they are"} watched and never cut.`]);
  const unproved = devices.flatMap((device) => device.outlets.filter((outlet) => !outlet.proved).map((outlet) => `${device.device}/${outlet.outlet}`));
  if (unproved.length > 0) said.push([`That ${listed(unproved)} ${unproved.length === 1 ? "feeds its host" : "feed their hosts"} is what the configuration says; no good power cycle has proved it yet.`]);
  return said;
}

export function powerHeadline(devices: readonly DeviceRow[], power: StatusReport["power"]["state"] = "good"): string {
  if (power === "lost") return `Power is lost. ${powerHeadline(devices)}`;
  if (devices.length === 0) return "No power device is configured.";
  const unreadable = devices.filter((device) => device.readable === false).length;
  if (unreadable === 0) return devices.length === 1 ? `${devices[0]?.device ?? ""} can be read.` : `All ${devices.length} power devices can be read.`;
  return unreadable === devices.length ? (devices.length === 1 ? `${devices[0]?.device ?? ""} cannot be read.` : `None of ${devices.length} power devices can be read.`) : `${plural(unreadable, "power device")} of ${devices.length} cannot be read.`;
}

/** `good: intake reads 24 °C`, with the charge of the UPS where it is known. */
export function powerInWords({ state, because, charge }: StatusReport["power"]): string {
  return `${state === "unknown" ? "not known to be good" : state}: ${because}${charge === null ? "" : `; the UPS is charged to ${Math.floor(charge * 100)} %`}`;
}
