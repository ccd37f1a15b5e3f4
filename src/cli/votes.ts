// What the watchers that are assigned to a host say of it, in sentences.

import type { HostReport, VoteReport } from "../api/contract.ts";
import { paint, printable } from "./terminal.ts";

/** Who has to agree, who is in charge, and each one's word. */
export function votes({ observers, need, inCharge }: HostReport): readonly string[] {
  const names = observers.map(({ watcher }) => watcher);
  const who = names.length === 0 ? "No watcher is assigned to it." : `It is watched by ${listed(names)}; ${need === names.length ? (need === 1 ? "its word decides" : `all ${need} have to say that it is down`) : `${need} of ${names.length} have to say that it is down`}.`;
  const charge = inCharge === null ? "Nobody is in charge of its power at present." : `${inCharge} is in charge of its power.`;
  return [printable(`${who} ${charge}`), ...observers.map(sentence)];
}

function sentence({ watcher, says, because }: VoteReport): string {
  const why = because === "" ? "" : `: ${because}`;
  switch (says) {
    case "up":
      return `${paint("green", "●")} ${printable(`${watcher} says up${why}`)}`;
    case "down":
      return `${paint("red", "✖")} ${printable(`${watcher} says down${why}`)}`;
    case "abstain":
      return `○ ${printable(`${watcher} abstains${why}`)}`;
    case null:
      return `○ ${printable(`${watcher} ${because === "" ? "has not said anything" : because}`)}`;
  }
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1) ?? ""}`;
}
