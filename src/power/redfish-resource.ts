// What is read out of Redfish's JSON (DSP0266, DSP0268), strictly: a field of another kind than expected is as good as none,
// and a link leads to a path on the same service or nowhere.

import type { OutletState } from "./power.ts";

export type System = {
  readonly state: OutletState;
  /** Where a reset is asked for; null: nowhere. */
  readonly target: string | null;
  /** Kinds of reset that are allowed; null: not said here. */
  readonly allowed: readonly string[] | null;
  /** Where that is said instead. */
  readonly actionInfo: string | null;
  readonly etag: string | null;
  /** Its chassis, which knows what the machine draws; null: there is none, or several share it. */
  readonly chassis: string | null;
};

const PATH_MAX = 512;
const VALUES_MAX = 64;

/** A field of a value, or of a text of JSON; undefined where there is none. */
export function fieldOf(value: unknown, name: string): unknown {
  const object = typeof value === "string" ? parsed(value) : value;
  return typeof object === "object" && object !== null && !Array.isArray(object) && Object.hasOwn(object, name) ? (object as Record<string, unknown>)[name] : undefined;
}

export function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The path of a link on this service; null when it leads elsewhere, or is no link. */
export function pathOn({ host, port }: { readonly host: string; readonly port: number }, link: unknown): string | null {
  if (typeof link !== "string" || link.length > PATH_MAX) return null;
  const base = URL.parse(`https://${host.includes(":") ? `[${host}]` : host}:${port}/`);
  const url = base === null ? null : URL.parse(link, base.href);
  return base === null || url === null || url.origin !== base.origin || url.username !== "" ? null : `${url.pathname}${url.search}`;
}

/** A computer system, or null when that is something else. */
export function systemOf(body: string, service: { readonly host: string; readonly port: number }, etag: string | null): System | null {
  const system = parsed(body);
  const type = fieldOf(system, "@odata.type");
  if (typeof system !== "object" || system === null || (typeof type === "string" && !/ComputerSystem/.test(type))) return null;
  const power = fieldOf(system, "PowerState");
  const reset = fieldOf(fieldOf(system, "Actions"), "#ComputerSystem.Reset");
  if (power === undefined && reset === undefined) return null;
  const values = fieldOf(reset, "ResetType@Redfish.AllowableValues");
  return {
    state: power === "On" ? "on" : power === "Off" ? "off" : "unknown",
    target: pathOn(service, fieldOf(reset, "target")),
    allowed: Array.isArray(values) ? values.slice(0, VALUES_MAX).filter((value) => typeof value === "string") : null,
    actionInfo: pathOn(service, fieldOf(reset, "@Redfish.ActionInfo")),
    chassis: onlyOf(arrayOf(fieldOf(fieldOf(system, "Links"), "Chassis")).map((each) => pathOn(service, fieldOf(each, "@odata.id")))),
    etag: etag !== null && /^(W\/)?"[\x21\x23-\x7e]{0,128}"$/.test(etag) ? etag : null,
  };
}

/** Where a chassis says what it draws: `EnvironmentMetrics`, or the older `Power`. */
export function metersOf(body: string, service: { readonly host: string; readonly port: number }): readonly string[] {
  return ["EnvironmentMetrics", "Power"].map((name) => pathOn(service, fieldOf(fieldOf(body, name), "@odata.id"))).filter((path) => path !== null);
}

/** Watts in an EnvironmentMetrics (DSP0268, `PowerWatts`) or in a Power (`PowerConsumedWatts` of the only control); null: not told, or told by a sensor that is not enabled. */
export function wattsOf(body: string): number | null {
  const sensor = fieldOf(body, "PowerWatts");
  const control = onlyOf(arrayOf(fieldOf(body, "PowerControl")));
  const watts = sensor === undefined ? fieldOf(control, "PowerConsumedWatts") : fieldOf(sensor, "Reading");
  const state = fieldOf(fieldOf(sensor ?? control, "Status"), "State") ?? "Enabled";
  return typeof watts === "number" && Number.isFinite(watts) && state === "Enabled" ? watts : null;
}

function onlyOf<Value>(values: readonly Value[]): Value | null {
  return values.length === 1 ? (values[0] as Value) : null;
}

/** What a service says of an error: its first extended message, else its message. */
export function messageOf(body: string): string | null {
  const error = fieldOf(body, "error");
  const extended = fieldOf(arrayOf(fieldOf(error, "@Message.ExtendedInfo"))[0], "Message");
  const message = typeof extended === "string" ? extended : fieldOf(error, "message");
  return typeof message === "string" ? message : null;
}

/** The state of a task, where the body is one. */
export function taskStateOf(body: string): string | null {
  const state = fieldOf(body, "TaskState");
  return typeof state === "string" ? state.slice(0, 40) : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
