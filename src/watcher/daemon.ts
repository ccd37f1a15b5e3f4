// `upkeep watch`, put together: configuration, ledger, history, devices, probes, alerts, the two doors, signals. It decides
// nothing; it is the one file that knows all parts. The order matters: nothing is touched before the ledger's lock is held,
// and "ready" is said when the first rounds are on their way.

import { createAlerts } from "../alerts/alerts.ts";
import { startDeadman } from "../alerts/deadman.ts";
import type { ReloadAnswer } from "../api/contract.ts";
import { checkSocketPath, openApi } from "../api/server.ts";
import type { Config } from "../config/config.ts";
import { diffConfig } from "../config/diff.ts";
import type { Loaded } from "../config/load.ts";
import { loadConfigApart } from "../config/load-apart.ts";
import { formatProblem } from "../config/problems.ts";
import { UpkeepError } from "../core/errors.ts";
import { statusReport } from "../core/report.ts";
import { openHistory } from "../journal/history.ts";
import { openLedger } from "../stores/embedded.ts";
import type { Probes } from "../probes/index.ts";
import { loadProbes } from "../probes/index.ts";
import { openIcmp } from "../probes/ping.ts";
import { bootClock, uptimeMs, watchStalls } from "./boot-clock.ts";
import { createLog } from "./log.ts";
import { createNames } from "./names.ts";
import type { Notify } from "./notify.ts";
import { serviceNotify } from "./notify.ts";
import { reloadProblems } from "./reload.ts";
import { makeSite, probeNamesIn } from "./site.ts";
import { systemClock } from "./system-clock.ts";
import { Watcher } from "./watcher.ts";

export type DaemonOptions = { readonly config: string; readonly log: "text" | "json"; readonly version: string };

const EXIT_CONFIGURATION = 3;
const EXIT_NOT_AVAILABLE = 69;
const TELL_MANAGER_EVERY_MS = 5_000;

/** Runs the watcher until SIGTERM or SIGINT has been served. Resolves with the exit code. */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  const log = createLog(options.log);
  const loaded = await loadConfigApart(options.config);
  if (!loaded.ok) {
    for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
    process.stderr.write(`upkeep: ${options.config} has errors: nothing was started (upkeep check -c ${options.config})\n`);
    return EXIT_CONFIGURATION;
  }
  for (const problem of loaded.problems) log.say("warning", formatProblem(problem));
  try {
    return await serve(loaded.config, options, log);
  } catch (error) {
    if (!(error instanceof UpkeepError)) throw error;
    process.stderr.write(`upkeep: ${error.message} (${error.code})\n`);
    return error.code === "SOCKET_PATH" ? EXIT_CONFIGURATION : EXIT_NOT_AVAILABLE;
  }
}

async function serve(first: Config, options: DaemonOptions, log: ReturnType<typeof createLog>): Promise<number> {
  let config = first;
  const { dataDir, socketPath } = config.shell;
  checkSocketPath(socketPath);
  const clock = systemClock();
  const now = clock.now();
  const ledger = openLedger({ dataDir, watcherName: config.policy.watcher, now, onReserve: (state) => log.say(state.kind === "held" ? "info" : "warning", state.kind === "held" ? "the ledger's reserve is whole" : `the ledger's reserve was given up: ${state.because}`) });
  for (const problem of ledger.problems) log.say("warning", problem);
  const history = await openHistory({ dataDir, onProblem: (text) => log.say("warning", text) });

  const tools = { icmp: openIcmp(), names: createNames(), stalls: watchStalls(bootClock) };
  let site = makeSite(config, await loadProbes(probeNamesIn(config)), tools);
  sayWhatCannotRun(config, tools.icmp, log);
  const notify = serviceNotify(process.env["NOTIFY_SOCKET"]);
  const warn = (text: string) => log.say("warning", text);
  const alerts = createAlerts({ site: config.policy.site, watcher: config.policy.watcher, dataDir, ...alertChannels(config) }, warn);

  return new Promise((resolve, reject) => {
    let turnedMs = clock.now().bootMs;
    const watcher = new Watcher(
      {
        clock,
        store: ledger.store,
        journal: {
          told: (told, at) => {
            history.told(told, at);
            log.told(told, at.wallMs);
          },
          input: (input, at) => {
            turnedMs = at.bootMs;
            history.input(input, at);
          },
          incident: (record) => history.incident(record),
        },
        alerts,
        rounds: { start: (...args) => site.rounds.start(...args) },
        power: (device) => site.power(device),
        touch: (host) => site.touch(host),
        exit: (because) => void end(because).then(() => resolve(0), reject),
      },
      config.policy,
    );

    const makeDeadman = () => (config.shell.alerts.deadman === null ? null : startDeadman({ ...config.shell.alerts.deadman, lastTurnMs: () => turnedMs, nowMs: () => clock.now().bootMs, report: warn }));
    let deadman = makeDeadman();

    const reload = async (): Promise<ReloadAnswer> => {
      const read = await readAgain(options.config);
      if ("refusal" in read) return refused([read.refusal]);
      const { next, probes } = read;
      const problems = next.problems.map(formatProblem);
      if (!next.ok) return refused(problems);
      const fixed = fixedParts(config, next.config);
      const open = reloadProblems(watcher.state, config.policy, next.config.policy);
      if (fixed.length + open.length > 0) return refused([...problems, ...fixed, ...open]);
      const old = site;
      const callsOthers = diffConfig(config, next.config).rest.includes("alerts");
      config = next.config;
      site = makeSite(config, probes, tools);
      old.close();
      if (callsOthers) {
        alerts.reload(alertChannels(config));
        deadman?.close();
        deadman = makeDeadman();
      }
      history.policy(config.policy);
      watcher.reload(config.policy);
      log.say("info", `configuration read again: ${config.policy.hosts.size} hosts`);
      return { accepted: true, problems };
    };
    const refused = (problems: readonly string[]): ReloadAnswer => {
      for (const problem of problems) log.say("error", problem);
      log.say("error", "the configuration was not taken over: the old one goes on");
      return { accepted: false, problems };
    };

    const began = openApi(
      { watcher, history, now: () => clock.now(), reload, version: options.version },
      { socketPath, listen: config.shell.api.listen, onTrouble: (text) => log.say("warning", text) },
    ).then(async (api) => {
      if (api.tcpProblem !== null) {
        log.say("warning", `no TCP interface: ${api.tcpProblem}`);
        if (config.shell.api.required) {
          await api.close();
          throw new UpkeepError("PORT_TAKEN", `api.required, and ${api.tcpProblem}`);
        }
      }
      history.policy(watcher.policy);
      ledger.store.onDurable((memory) => history.remember(memory));
      watcher.start({ kind: "start", records: ledger.records, uptimeMs: uptimeMs(), wentBack: ledger.wentBack, seq: history.lastSeq(), ledger: ledger.store.identity });
      const ready = statusReport(watcher.state, watcher.policy, clock.now());
      process.stdout.write(`upkeep: watching ${config.policy.hosts.size} hosts, guarded ${ready.guarded}\n`);
      notify("READY=1");
      tellManager(notify, watcher, () => turnedMs, clock.now().bootMs);
      return api;
    });
    began.catch((error: unknown) => {
      void watcher.kill().then(closeAll).finally(() => reject(error instanceof Error ? error : new Error(String(error))));
    });

    const stop = () => {
      notify("STOPPING=1");
      // Before the start there is nothing to carry anywhere; what `began` says of a failure is said there.
      began.then(() => watcher.stop(), () => undefined);
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    process.on("SIGHUP", () => void reload());

    const end = async (because: string): Promise<void> => {
      log.say("info", `ended: ${because}`);
      await (await began).close();
      await closeAll();
    };

    const closeAll = async (): Promise<void> => {
      deadman?.close();
      site.close();
      tools.icmp.close();
      tools.names.close();
      tools.stalls.close();
      await alerts.close();
      await history.close();
      await ledger.store.close();
    };
  });
}

/** Everything that takes time comes first: what is checked against the state afterwards is taken over in the same turn. */
async function readAgain(path: string): Promise<{ readonly next: Loaded; readonly probes: Probes } | { readonly refusal: string }> {
  try {
    const next = await loadConfigApart(path);
    return { next, probes: await loadProbes(next.ok ? probeNamesIn(next.config) : []) };
  } catch (error) {
    // No thread to be had: a reload may fail, the watcher goes on.
    return { refusal: `${path} cannot be read now: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** What a running watcher cannot change: another ledger, another socket. */
function fixedParts(before: Config, after: Config): readonly string[] {
  const problems: string[] = [];
  if (before.shell.dataDir !== after.shell.dataDir) problems.push(`data cannot change from ${before.shell.dataDir} to ${after.shell.dataDir} while the watcher runs: restart it`);
  if (before.policy.watcher !== after.policy.watcher) problems.push("watcher.name cannot change while the watcher runs: restart it");
  if (JSON.stringify(before.shell.api) !== JSON.stringify(after.shell.api)) problems.push("api cannot change while the watcher runs: restart it");
  return problems;
}

function alertChannels(config: Config): { mail: { to: readonly string[]; from: string; host: string; port: number; username: string | null; password: string | null; tls: "offered" | "starttls" | "tls" | "none" } | null; command: readonly string[] | null } {
  const { mail, command } = config.shell.alerts;
  return { mail: mail === null ? null : { ...mail, password: mail.password?.reveal() ?? null }, command };
}

function sayWhatCannotRun(config: Config, icmp: ReturnType<typeof openIcmp>, log: ReturnType<typeof createLog>): void {
  const pings = [...config.shell.hosts.values()].some((host) => host.probes.some((probe) => probe.kind === "ping")) || config.shell.references.some((reference) => reference.kind === "ping");
  const refusal = pings ? icmp.refusal(4) : null;
  if (refusal !== null) log.say("warning", `ping will be unknown: ${refusal}`);
}

/** The watchdog is petted by the loop: what is told is when the loop last turned, not that this timer runs. */
function tellManager(notify: Notify, watcher: Watcher, turnedMs: () => number, startedMs: number): void {
  let last = startedMs;
  setInterval(() => {
    const turned = turnedMs();
    if (turned === last) return;
    last = turned;
    notify("WATCHDOG=1");
    // What is past off is carried to on, however long the service manager would have waited.
    if (watcher.state.stopping) notify("EXTEND_TIMEOUT_USEC=30000000");
  }, TELL_MANAGER_EVERY_MS).unref();
}
