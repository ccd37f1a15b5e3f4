// A UPS that is none: NUT's own upsd with its dummy-ups driver, whose words are set by upsrw. For what only a real server does:
// a driver that is gone, data that is stale, a status of several tokens.

import { existsSync, rmSync, writeFileSync } from "node:fs";
import { must, whichProgram } from "./child.ts";
import { startDaemon } from "./daemon.ts";
import type { Daemon } from "./daemon.ts";
import { standstill } from "./standstill.ts";
import { lacking, thirdParty } from "./third-party.ts";

// Debian's wrapper in /usr/sbin refuses to start without a mode in /etc/nut.
const [UPSD, DRIVER, UPSMON] = ["/lib/nut/upsd", "/lib/nut/dummy-ups", "/lib/nut/upsmon"];
const DEVICE = "device.type: ups\nups.status: OL CHRG\nbattery.charge: 100\nbattery.runtime: 2400\nups.load: 23\n";

export type Nut = {
  readonly port: number;
  readonly upsd: Daemon;
  /** Puts the driver there, or back. */
  attach(): Promise<void>;
  /** The driver's process, where it is attached. */
  driver(): Daemon | undefined;
  /** A variable of the UPS: `ups.status` to `OB LB`. */
  set(variable: string, value: string): Promise<void>;
  /** The driver stands still: upsd calls its data stale within two seconds. */
  freeze(): Promise<void>;
  /** upsmon, which monitors this UPS and has `command` as its SHUTDOWNCMD. */
  monitor(command: string): Promise<Daemon>;
  stop(): Promise<void>;
};

/** Why there is no NUT on this machine, or false. */
export const nutMissing: string | false = existsSync(UPSD) ? lacking("upsrw") : "not installed: upsd (bin/setup --lab installs nut-server)";

/** upsd with one UPS named `lab`, its driver not attached yet. `address`: on which it listens beside nothing else. */
export async function startNut(): Promise<Nut> {
  thirdParty("NUT upsd", [UPSD, "-V"]);
  const folders = (folder: string): NodeJS.ProcessEnv => ({ NUT_CONFPATH: folder, NUT_STATEPATH: `${folder}/state`, NUT_ALTPIDPATH: `${folder}/state` });
  const user = process.getuid?.() === 0 ? "root" : String(process.env["USER"]);
  let driver: Daemon | undefined;
  const upsd = await startDaemon({
    name: "upsd",
    files: (folder, port) => ({
      "ups.conf": `maxretry = 1\n[lab]\n  driver = dummy-ups\n  port = ${folder}/lab.dev\n`,
      "lab.dev": DEVICE,
      "upsd.conf": `LISTEN 127.0.0.1 ${port}\nMAXAGE 2\n`,
      "upsd.users": "[admin]\n  password = labpw\n  actions = SET\n  actions = FSD\n  instcmds = ALL\n  upsmon primary\n",
      "state/.keep": "",
    }),
    argv: () => [UPSD, "-F", "-u", user],
    env: folders,
  });
  const detach = async (): Promise<void> => {
    await driver?.stop();
    driver = undefined;
  };
  return {
    port: upsd.port, upsd,
    driver: () => driver,
    async attach() {
      await detach();
      rmSync(`${upsd.folder}/state/dummy-ups-lab`, { force: true });
      driver = await startDaemon({ name: "dummy-ups", argv: () => [DRIVER, "-a", "lab", "-F", "-u", user], env: () => folders(upsd.folder), ready: () => existsSync(`${upsd.folder}/state/dummy-ups-lab`) });
    },
    async set(variable, value) {
      await must([whichProgram("upsrw") ?? "", "-s", `${variable}=${value}`, "-u", "admin", "-p", "labpw", `lab@127.0.0.1:${upsd.port}`]);
    },
    async freeze() {
      await standstill(driver?.process);
    },
    monitor(command) {
      thirdParty("NUT upsmon", [UPSMON, "-V"]);
      writeFileSync(`${upsd.folder}/upsmon.conf`, `RUN_AS_USER ${user}\nMONITOR lab@127.0.0.1:${upsd.port} 1 admin labpw primary\nMINSUPPLIES 1\nSHUTDOWNCMD "${command}"\nPOLLFREQ 1\nPOLLFREQALERT 1\nFINALDELAY 1\nPOWERDOWNFLAG ${upsd.folder}/killpower\n`);
      return startDaemon({ name: "upsmon", argv: () => [UPSMON, "-F", "-p"], env: () => folders(upsd.folder), ready: (log) => /lab@|POLL|Startup|UPS:/.test(log) });
    },
    async stop() {
      await detach();
      await upsd.stop();
    },
  };
}
