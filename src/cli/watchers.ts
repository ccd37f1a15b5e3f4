// The watchers of a fleet and their store as people are shown them, in `upkeep status` and `upkeep watcher list`.

import type { StatusReport, WatcherReport } from "../api/contract.ts";
import { inWords } from "../api/contract.ts";
import type { Cell } from "./terminal.ts";
import { paint, printable, table } from "./terminal.ts";

/** The watchers as a table. */
export function watcherTable(status: StatusReport): readonly string[] {
  const versions = new Set(status.watchers.flatMap(({ version }) => version ?? []));
  return table(["WATCHER", "STATE", "FOR", "IN CHARGE OF", "WATCHES", ""], status.watchers.map((watcher): readonly Cell[] => [
    { text: printable(watcher.watcher), style: "bold" },
    stateOf(watcher),
    { text: watcher.started === null ? "" : inWords(Math.max(0, Date.parse(status.at) - Date.parse(watcher.started))) },
    { text: String(watcher.inCharge) },
    { text: String(watcher.observes) },
    { text: printable(notes(watcher, versions.size > 1).join(" · ")) },
  ]));
}

/** What is wrong with the store, if anything is; nothing for a watcher that is alone. */
export function storeLines({ store }: StatusReport): readonly string[] {
  if (store === null) return [];
  const lines = store.why === null ? [] : [paint("red", `The store of the watchers: ${printable(store.why)}. Nothing new is begun while that lasts; power that is owed is restored all the same.`)];
  for (const { key, why } of store.unreadable.slice(0, 5)) lines.push(paint("yellow", `${printable(key)} in the store cannot be read: ${printable(why)}`));
  if (store.unreadable.length > 5) lines.push(paint("yellow", `and ${store.unreadable.length - 5} more`));
  return lines;
}

function stateOf(watcher: WatcherReport): Cell {
  if (!watcher.alive) return { text: "✖ not there", style: "red" };
  if (watcher.stopping) return { text: "▼ stopping", style: "yellow" };
  if (watcher.blind) return { text: "○ blind", style: "yellow" };
  return watcher.ready ? { text: "● alive", style: "green" } : { text: "○ joining", style: "cyan" };
}

function notes(watcher: WatcherReport, versions: boolean): readonly string[] {
  return [
    ...(watcher.self ? ["this one"] : []),
    ...(versions && watcher.version !== null ? [`version ${watcher.version}`] : []),
    ...(watcher.alive && watcher.blind ? ["its rounds prove nothing at present"] : []),
    ...(watcher.alive && !watcher.ready ? ["until it has made its first rounds the others decide without it"] : []),
    ...(watcher.cannot.length > 0 ? [`does not reach ${watcher.cannot.join(", ")}`] : []),
    ...(watcher.alive || watcher.self ? [] : [`gone for good? upkeep watcher forget ${watcher.watcher}`]),
  ];
}
