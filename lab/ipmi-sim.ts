// A BMC: OpenIPMI's ipmi_sim, the real thing that speaks IPMI 2.0 over RMCP+, with a chassis made of files. Its chassis script
// is the judge: it writes down every switching command that got through, and what the power really is, whatever a client
// believes. ipmi_sim asks it for everything and waits for it, so a script that sleeps is a BMC that does not answer.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diesWithUs, labEnv, whenWeEnd } from "./child.ts";

/** ipmi_sim's configuration knows no spaces in a name or a password. */
export type IpmiSimOptions = { readonly user?: string; readonly password?: string };

export type IpmiFault =
  /** The next command is done, and the BMC falls silent before it has said so. */
  | "lose-answer"
  /** The next command is not done, and the BMC falls silent. */
  | "lose-command"
  /** Commands are acknowledged and not done. */
  | "lie"
  /** The chassis cannot be asked any more: the BMC answers with an error. */
  | "blind";

export type IpmiSim = {
  readonly address: string;
  readonly port: number;
  /** Every switching command that reached the chassis, in order. */
  commands(): readonly ("on" | "off" | "other")[];
  truth(): "on" | "off";
  /** Somebody presses the button. */
  switchByHand(state: "on" | "off"): void;
  fault(fault: IpmiFault, present?: boolean): void;
  /** The BMC hangs: packets reach it and nothing comes back. */
  hang(): void;
  resume(): void;
  close(): Promise<void>;
};

const START_MS = 20_000;
const SILENCE_S = 4;
/** ASF presence ping (IPMI 2.0 §13.2.3): answered before anybody logs in. */
const PRESENCE_PING = Buffer.from("0600ff06000011be80000000", "hex");

const EMULATED = `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
`;

const chassis = (folder: string): string => `#!/bin/sh
folder=${folder}
operation=$2; shift 2
silent() { [ -e $folder/$1 ] && rm -f $folder/$1; }
case $operation in
get) [ -e $folder/blind ] && exit 1; read -r power <$folder/power; echo "power:$power" ;;
set)
  case $1 in
  power)
    if silent lose-command; then exec sleep ${SILENCE_S}; fi
    [ "$2" = 1 ] && echo on >>$folder/log || echo off >>$folder/log
    [ -e $folder/lie ] || echo "$2" >$folder/power
    if silent lose-answer; then exec sleep ${SILENCE_S}; fi ;;
  *) echo other >>$folder/log ;;
  esac ;;
check) [ "$1" = power ] ;;
esac
`;

const lan = (folder: string, port: number, user: string, password: string): string => `name "upkeep"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 ${port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789000001
  endlan
  chassis_control "${folder}/chassis upkeep"
  user 1 false "" "" user 10 none md2 md5 straight
  user 2 true "${user}" "${password}" admin 10 none md2 md5 straight
`;

/** Starts a BMC whose machine is on; resolves when it answers. */
export async function startIpmiSim({ user = "ADMIN", password = "sesame" }: IpmiSimOptions = {}): Promise<IpmiSim> {
  const folder = mkdtempSync(join(tmpdir(), `upkeep-ipmi-${process.pid}-`));
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  const text = (name: string): string => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "");
  mkdirSync(join(folder, "state"));
  write("emu", EMULATED);
  write("power", "1\n");
  write("chassis", chassis(folder));
  chmodSync(join(folder, "chassis"), 0o755);
  const tidy = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const { port, child, end } = await started(folder, (at) => write("lan.conf", lan(folder, at, user, password)));
    const forget = whenWeEnd(() => {
      end();
      tidy();
    });
    return {
      address: "127.0.0.1", port,
      commands: () => text("log").split("\n").filter((line) => line !== "") as ("on" | "off" | "other")[],
      truth: () => (text("power").trim() === "1" ? "on" : "off"),
      switchByHand: (state) => write("power", state === "on" ? "1\n" : "0\n"),
      fault: (fault, present = true) => (present ? write(fault, "") : rmSync(join(folder, fault), { force: true })),
      hang: () => void child.kill("SIGSTOP"),
      resume: () => void child.kill("SIGCONT"),
      async close() {
        forget();
        const gone = child.exitCode === null && child.signalCode === null ? once(child, "exit") : Promise.resolve();
        end();
        await gone;
        tidy();
      },
    };
  } catch (error) {
    tidy();
    throw error;
  }
}

async function started(folder: string, configure: (port: number) => void): Promise<{ port: number; child: ChildProcess; end: () => void }> {
  for (let attempt = 1; ; attempt++) {
    // It takes a number only; another program may be faster to a port that was free a moment ago.
    const port = await freePort();
    configure(port);
    const [file = "", ...args] = [...diesWithUs(), "ipmi_sim", "-n", "-c", join(folder, "lan.conf"), "-f", join(folder, "emu"), "-s", join(folder, "state")];
    const child = spawn(file, args, { env: labEnv(), cwd: folder, detached: true, stdio: "ignore" });
    let ended = false;
    child.once("error", () => (ended = true));
    child.once("exit", () => (ended = true));
    const end = (): void => {
      try {
        // With the script that may be asleep.
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    };
    for (const untilMs = performance.now() + START_MS; !ended && performance.now() < untilMs; ) if (await present(port)) return { port, child, end };
    end();
    if (attempt === 3) throw new Error("ipmi_sim does not answer");
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4").once("error", reject);
    socket.bind(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** Whether a BMC answers a ping within a tenth of a second. */
function present(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const done = (answered: boolean): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answered);
    };
    const timer = setTimeout(() => done(false), 100);
    socket.once("message", () => done(true));
    // Nobody listens yet, says the kernel.
    socket.on("error", () => undefined);
    socket.send(PRESENCE_PING, port, "127.0.0.1");
  });
}
