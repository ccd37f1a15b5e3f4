// The virtual PDU as a child process with an IPC channel, so that it can stand in a network namespace of its own while
// the machines that its outlets feed are started and stopped by the parent. Run by pdu-node.ts only.

import type { ApcPdu, ApcPduOptions, FaultPatch, LogRecord, OutletState } from "./apc-pdu.ts";
import { setFaults, startApcPdu } from "./apc-pdu.ts";

export type Order =
  | { readonly id: number; readonly do: "start"; readonly options: ApcPduOptions }
  | { readonly id: number; readonly do: "faults"; readonly patch: FaultPatch }
  | { readonly id: number; readonly do: "records" | "follow" | "state" | "idle" | "close" }
  | { readonly id: number; readonly do: "by-hand"; readonly outlet: number; readonly state: OutletState }
  | { readonly id: number; readonly do: "switched" };

export type Report = { readonly id: number; readonly value?: unknown; readonly error?: string } | { readonly id: number; readonly switch: { readonly outlet: number; readonly state: OutletState } } | { readonly record: LogRecord };

let pdu: ApcPdu | null = null;
let nextSwitch = 1;
const switching = new Map<number, () => void>();

function running(): ApcPdu {
  if (pdu === null) throw new Error("not started");
  return pdu;
}

function report(message: Report): void {
  process.send?.(message);
}

function tell(record: LogRecord): void {
  if (record.kind !== "bytes") report({ record });
}

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case "start": {
      pdu = await startApcPdu({
        ...order.options,
        onSwitch: (outlet, state) =>
          new Promise((done) => {
            const id = nextSwitch;
            nextSwitch += 1;
            switching.set(id, done);
            report({ id, switch: { outlet, state } });
          }),
      });
      return { address: pdu.address, port: pdu.port };
    }
    case "faults":
      return setFaults(running().faults, order.patch);
    case "records":
      return running().log.records;
    case "follow":
      // Bytes are told by the thousand, and whoever wants them asks for all records at the end.
      for (const record of running().log.records) tell(record);
      running().log.watch(tell);
      return undefined;
    case "state":
      return running().state();
    case "idle":
      return running().idle();
    case "by-hand":
      return running().switchByHand(order.outlet, order.state);
    case "close":
      return running().close();
    case "switched":
      switching.get(order.id)?.();
      switching.delete(order.id);
      return undefined;
  }
}

process.on("message", (order: Order) => {
  obey(order).then(
    (value) => (order.do === "switched" ? undefined : report({ id: order.id, value })),
    (error: unknown) => report({ id: order.id, error: String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
