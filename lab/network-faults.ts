// What can go wrong between the nodes of a lab: cuts in one direction or both, a port that is filtered, loss, a cable that
// is out. The faults in force are a list; the switch's nftables table is written anew from it at each change, in one
// transaction, so that no packet meets half a rule set and healing is forgetting. Bridge family: it sees every frame that
// the switch forwards, ARP and neighbour discovery included.

import { must } from "./child.ts";
import { inOrder } from "./virtual-host.ts";

/** Takes one fault back. Safe to call twice. */
export type Mend = () => Promise<void>;

export type Faults = {
  /** Nothing that `from` sends reaches `to`; the other direction works. */
  cut(from: string, to: string): Promise<Mend>;
  /** Neither hears the other. */
  part(one: string, other: string): Promise<Mend>;
  /** Packets to this port of `to` vanish, from everybody or from one node. */
  dropPort(to: string, port: number, options?: { readonly protocol?: "tcp" | "udp"; readonly from?: string }): Promise<Mend>;
  /** Loses this share (0…1) of what `from` sends to `to`, at random. */
  lose(from: string, to: string, share: number): Promise<Mend>;
  /** The cable is out, whatever the node does: a power cycle does not bring it back. */
  pullCable(node: string): Promise<Mend>;
  /** Forgets all of the above. */
  mendAll(): Promise<void>;
  isPulled(port: string): boolean;
};

type Fault = { readonly rule: string } | { readonly pulled: string };

/** Faults on a switch, by the names of its nodes. `carry` sets a port up or down as `isPulled` then says. */
export function makeFaults(lab: {
  readonly switchNamespace: string;
  portOf(name: string): string;
  carry(port: string): Promise<void>;
}): Faults {
  const faults = new Set<Fault>();
  // Each load writes all rules: of two at once the older might come last.
  const inTurn = inOrder();

  const load = async (): Promise<void> => {
    const rules = [...faults].flatMap((fault) => ("rule" in fault ? [fault.rule] : []));
    const table = `table bridge upkeep { chain faults { type filter hook forward priority 0; policy accept;\n${rules.join("\n")}\n}; }`;
    // `add` before `delete` makes the delete valid the first time, too.
    await must(["ip", "netns", "exec", lab.switchNamespace, "nft", "-f", "-"], {
      input: `add table bridge upkeep\ndelete table bridge upkeep\n${table}\n`,
    });
  };
  const apply = (changed: readonly Fault[]): Promise<void> => inTurn(async () => {
    if (changed.some((fault) => "rule" in fault)) await load();
    for (const fault of changed) if ("pulled" in fault) await lab.carry(fault.pulled);
  });
  const add = async (...added: readonly Fault[]): Promise<Mend> => {
    for (const fault of added) faults.add(fault);
    await apply(added);
    return () => apply(added.filter((fault) => faults.delete(fault)));
  };
  const between = (from: string, to: string): string => `iifname "${lab.portOf(from)}" oifname "${lab.portOf(to)}"`;

  return {
    cut: (from, to) => add({ rule: `${between(from, to)} drop` }),
    part: (one, other) => add({ rule: `${between(one, other)} drop` }, { rule: `${between(other, one)} drop` }),
    dropPort(to, port, options = {}) {
      const source = options.from === undefined ? "" : `iifname "${lab.portOf(options.from)}" `;
      return add({ rule: `${source}oifname "${lab.portOf(to)}" ${options.protocol ?? "tcp"} dport ${port} drop` });
    },
    lose(from, to, share) {
      if (!(share >= 0 && share <= 1)) throw new Error(`a share of loss lies between 0 and 1, not ${share}`);
      return add({ rule: `${between(from, to)} numgen random mod 10000 < ${Math.round(share * 10_000)} drop` });
    },
    pullCable: (node) => add({ pulled: lab.portOf(node) }),
    async mendAll() {
      const all = [...faults];
      faults.clear();
      await apply(all);
    },
    isPulled: (port) => [...faults].some((fault) => "pulled" in fault && fault.pulled === port),
  };
}
