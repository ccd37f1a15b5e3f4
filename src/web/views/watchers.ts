// Who watches: what each watcher does and whether they agree. Pure: a status in, sentences and rows out.

import type { HostReport, VoteReport, WatcherReport } from "../../api/contract.ts";
import type { Saying } from "../sentences.ts";
import { listed, plural } from "../words.ts";

export type Presence = "there" | "gone" | "blind" | "stopping" | "joining";

export const PRESENCE: Readonly<Record<Presence, string>> = { there: "there", gone: "not there", blind: "sees nothing", stopping: "stopping", joining: "making its first rounds" };

export function presenceOf(watcher: WatcherReport): Presence {
  if (!watcher.alive) return "gone";
  if (watcher.stopping) return "stopping";
  if (watcher.blind) return "blind";
  return watcher.ready ? "there" : "joining";
}

/** `split`: some say up and some say down. `short`: too few say anything for a majority. */
export type Agreement = "agreed" | "split" | "short";

export function agreementOn(host: HostReport): Agreement {
  const says = (word: VoteReport["says"]) => host.observers.filter((vote) => vote.says === word).length;
  if (says("up") > 0 && says("down") > 0) return "split";
  return says("up") + says("down") < host.need ? "short" : "agreed";
}

/** Hosts on which the watchers are not of one mind, those that say both first. */
export function disputed(hosts: readonly HostReport[]): readonly HostReport[] {
  const order = { split: 0, short: 1, agreed: 2 };
  return hosts.filter((host) => agreementOn(host) !== "agreed").sort((one, other) => order[agreementOn(one)] - order[agreementOn(other)]);
}

export function watchersHeadline(watchers: readonly WatcherReport[]): string {
  const gone = watchers.filter((watcher) => presenceOf(watcher) === "gone").length;
  if (watchers.length === 1) return `One watcher: ${watchers[0]?.watcher ?? ""}.`;
  return gone === 0 ? `All ${watchers.length} watchers are there.` : `${plural(watchers.length - gone, "watcher")} of ${watchers.length} ${watchers.length - gone === 1 ? "is" : "are"} there.`;
}

export function watchersSayings(watchers: readonly WatcherReport[], hosts: readonly HostReport[], store: { readonly ok: boolean; readonly why: string | null } | null): readonly Saying[] {
  const said: Saying[] = [];
  if (store !== null && !store.ok) said.push([`The store that they share does not answer, so nothing is cut: ${store.why ?? "no reason is given"}.`]);
  const of = (presence: Presence) => watchers.filter((watcher) => presenceOf(watcher) === presence).map(({ watcher }) => watcher);
  const gone = of("gone");
  if (gone.length > 0) said.push([`${listed(gone)} ${gone.length === 1 ? "is" : "are"} not there and still ${gone.length === 1 ? "counts" : "count"} among those of whom a majority is wanted. If ${gone.length === 1 ? "it is" : "they are"} gone for good, forget ${gone.length === 1 ? "it" : "them"}.`]);
  const blind = of("blind");
  if (blind.length > 0) said.push([`${listed(blind)} ${blind.length === 1 ? "sees" : "see"} nothing at present: ${blind.length === 1 ? "its" : "their"} rounds prove nothing.`]);
  for (const host of hosts.filter((each) => agreementOn(each) === "split").slice(0, 3)) {
    const who = (word: "up" | "down") => listed(host.observers.filter((vote) => vote.says === word).map(({ watcher }) => watcher));
    said.push([{ host: host.host }, ` is down as ${who("down")} ${host.observers.filter((vote) => vote.says === "down").length === 1 ? "sees" : "see"} it, and up as ${who("up")} ${host.observers.filter((vote) => vote.says === "up").length === 1 ? "sees" : "see"} it: nothing is cut while they disagree.`]);
  }
  const short = hosts.filter((host) => agreementOn(host) === "short");
  if (short.length > 0) said.push([`Of ${listed(short.map(({ host }) => host))} too few watchers say anything for a majority.`]);
  const nobody = hosts.filter((host) => host.inCharge === null);
  if (nobody.length > 0) said.push([`Nobody is in charge of ${listed(nobody.map(({ host }) => host))} at present.`]);
  if (watchers.length === 1 && said.length === 0) said.push(["It decides alone. If it fails, nothing is watched: a dead-man's signal (alerts.deadman) tells somebody, and several watchers on one store go on without it."]);
  return said;
}
