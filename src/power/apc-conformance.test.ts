// The conformance suite against the virtual PDU in every dialect, flavour and account.

import { startApcPdu } from "../../lab/apc-pdu.ts";
import type { ApcPduOptions } from "../../lab/apc-pdu.ts";
import { apc } from "./apc.ts";
import { powerConformance } from "./conformance.ts";
import type { PowerRig } from "./conformance.ts";

const USER = "operator";
const PASSWORD = "hunter2 sesame";

const KINDS: readonly { readonly name: string; readonly device: ApcPduOptions; readonly password?: string; readonly outlet?: string }[] = [
  { name: "menu2", device: { dialect: "menu2" } },
  { name: "menu2, outlets only, by name", device: { dialect: "menu2", account: "outlet-user", echo: false, names: { 3: "db 1" } }, outlet: "db 1" },
  { name: "menu3, pages", device: { dialect: "menu3", outlets: 24, pageLines: 9 } },
  { name: "shell v5", device: { dialect: "shell", names: { 3: "Web: 1" } }, outlet: "Web: 1" },
  { name: "shell v3.7 of a menu device", device: { dialect: "menu3" }, password: `${PASSWORD} -c` },
];

for (const { name, device, password = PASSWORD, outlet = "3" } of KINDS) {
  const make = async (stepMs: number): Promise<PowerRig> => {
    const pdu = await startApcPdu({ user: USER, password: PASSWORD, ...device });
    const number = (wanted: string): number => (/^\d+$/.test(wanted) ? Number(wanted) : 3);
    return {
      device: apc.create({ host: pdu.address, port: pdu.port, username: USER, password, dialect: "auto", stepMs, maxActMs: 30_000 }),
      outlet,
      other: "2",
      unknown: "99",
      secrets: [USER, "hunter2", "sesame"],
      commands: () => pdu.log.all("command").filter((command) => command.outcome !== "lost").map((command) => `${command.action} ${number(outlet) === command.outlets[0] && command.outlets.length === 1 ? outlet : command.outlets.join()}`),
      truth: async (wanted) => {
        await pdu.idle();
        return pdu.truth(number(wanted));
      },
      loseAnswer: () => (pdu.faults.cut = { at: "command", n: 1, side: "after", how: "reset", times: 1 }),
      loseCommand: () => (pdu.faults.cut = { at: "command", n: 1, side: "before", how: "silence", times: 1 }),
      hang: () => (pdu.faults.answerDelayMs = 4_000),
      close: () => pdu.close(),
    };
  };
  powerConformance(`apc ${name}`, () => make(20_000), () => make(900));
}
