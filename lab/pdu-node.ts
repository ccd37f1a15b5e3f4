// A virtual PDU in a node of the lab's network: the same device as apc-pdu.ts, asked over IPC.

import { fileURLToPath } from "node:url";
import type { ApcPduOptions, ApcPduState, FaultPatch, LogRecord, OutletState } from "./apc-pdu.ts";
import type { LabNode } from "./netns.ts";
import type { Order, Report } from "./pdu-child.ts";

export type RemotePdu = {
  readonly address: string;
  readonly port: number;
  faults(patch: FaultPatch): Promise<void>;
  records(): Promise<readonly LogRecord[]>;
  /** Tells every record but bytes, past ones first, each as it happens. */
  follow(see: (record: LogRecord) => void): Promise<void>;
  /** Resolves when no effect is pending. */
  idle(): Promise<void>;
  state(): Promise<ApcPduState>;
  switchByHand(outlet: number, state: OutletState): Promise<void>;
  close(): Promise<void>;
};

const CHILD = fileURLToPath(new URL("pdu-child.ts", import.meta.url));

type Wanted = Order extends infer Each ? (Each extends Order ? Omit<Each, "id"> : never) : never;

export async function startPduIn(node: LabNode, options: Omit<ApcPduOptions, "onSwitch" | "onByte" | "onLine">, onSwitch: (outlet: number, state: OutletState) => Promise<void>): Promise<RemotePdu> {
  const child = node.spawn([process.execPath, "--disable-warning=ExperimentalWarning", CHILD], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  let next = 1;
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  const followers = new Set<(record: LogRecord) => void>();
  const ask = (order: Wanted): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = next;
      next += 1;
      waiting.set(id, { resolve, reject });
      child.send({ ...order, id } as Order);
    });
  child.on("message", (report: Report) => {
    if ("record" in report) {
      for (const see of followers) see(report.record);
      return;
    }
    if ("switch" in report) {
      const done = () => child.connected && child.send({ id: report.id, do: "switched" } satisfies Order);
      void onSwitch(report.switch.outlet, report.switch.state).then(done, done);
      return;
    }
    const asked = waiting.get(report.id);
    waiting.delete(report.id);
    if (report.error === undefined) asked?.resolve(report.value);
    else asked?.reject(new Error(report.error));
  });
  child.on("exit", () => {
    for (const each of waiting.values()) each.reject(new Error("the PDU's process has ended"));
    waiting.clear();
  });
  const { address, port } = (await ask({ do: "start", options })) as { address: string; port: number };
  return {
    address,
    port,
    faults: async (patch) => void (await ask({ do: "faults", patch })),
    records: async () => (await ask({ do: "records" })) as readonly LogRecord[],
    follow: async (see) => {
      if (followers.size > 0) throw new Error("one follower at a time");
      followers.add(see);
      await ask({ do: "follow" });
    },
    idle: async () => void (await ask({ do: "idle" })),
    state: async () => (await ask({ do: "state" })) as ApcPduState,
    switchByHand: async (outlet, state) => void (await ask({ do: "by-hand", outlet, state })),
    close: async () => {
      await ask({ do: "close" });
      child.disconnect();
    },
  };
}
