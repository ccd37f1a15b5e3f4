// `upkeep watch`, put together: configuration, store, history, devices, probes, alerts, the two doors, signals. It decides
// nothing; it is the one file that knows all parts. The order matters: nothing is touched before the data folder's lock is
// held, nothing is watched before the records are there, and "ready" is said when the first rounds are on their way.

import type { Agents } from "./agents/agents.ts";
import { commandOf, heardBy } from "./agents/join.ts";
import { BootWords, ordersByAgents } from "./boot-words.ts";
import type { Calling } from "../alerts/alerts.ts";
import { createAlerts } from "../alerts/alerts.ts";
import { startDeadman } from "../alerts/deadman.ts";
import { reportOf } from "../api/calling.ts";
import type { RecordAnswer, ReloadAnswer } from "../api/contract.ts";
import type { Api, Tls } from "../api/server.ts";
import { checkSocketPath, openApi } from "../api/server.ts";
import { Notices } from "../api/status-page/notices.ts";
import { Counts } from "../api/metrics/counts.ts";
import { RoundStrips } from "../api/strips.ts";
import type { Config } from "../config/config.ts";
import { diffConfig } from "../config/diff.ts";
import { loadConfigApart } from "../config/load-apart.ts";
import { openChannels } from "../config/open.ts";
import { formatProblem } from "../config/problems.ts";
import { UpkeepError } from "../core/errors.ts";
import { statusReport } from "../core/report.ts";
import { openHistory } from "../journal/history.ts";
import { openIcmp } from "../probes/ping.ts";
import { bootClock, uptimeMs, watchStalls } from "../process/boot-clock.ts";
import { compileFor } from "./compilers.ts";
import { Followed } from "./followed.ts";
import { KernelLog } from "./kernel/kernel-log.ts";
import { giveBackFreed } from "../process/freed-memory.ts";
import type { Log } from "../process/log.ts";
import { createLog } from "../process/log.ts";
import type { Names } from "../process/names.ts";
import { createNames } from "../process/names.ts";
import type { PowerSenseWatch } from "./power-sense.ts";
import { watchPower } from "./power-sense.ts";
import { petEveryMs, reloadingMessage, serviceNotify, watchdogPetter } from "../process/notify.ts";
import { openPlace } from "./place.ts";
import { processFigures } from "./process-figures.ts";
import { fixedParts, lateParts, readAgain } from "./reconfigure.ts";
import { reloadProblems } from "./reload.ts";
import { LOOK_EVERY_MS, Standings } from "./standings.ts";
import { loadParts, makeSite } from "./site.ts";
import { systemClock } from "../process/system-clock.ts";
import { Watcher } from "./watcher.ts";

export type DaemonOptions = { readonly config: string; readonly log: "text" | "json"; readonly version: string };

const EXIT_CONFIGURATION = 3;
const EXIT_NOT_AVAILABLE = 69;

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
  giveBackFreed();
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
  compileFor(config);
  const { dataDir, socketPath } = config.shell;
  checkSocketPath(socketPath);
  const clock = systemClock();
  const warn = (text: string) => log.say("warning", text);
  const notify = serviceNotify(process.env["NOTIFY_SOCKET"]);
  const stopping = untilStopped();
  const onWait = () => notify("EXTEND_TIMEOUT_USEC=30000000\nSTATUS=waiting for the store of the watchers");
  const parts = await loadParts(config);
  const place = await openPlace({ config, version: options.version, clock, say: log.say, onWait, signal: stopping });
  if (place === null) {
    log.say("info", "ended before anything was watched");
    return 0;
  }
  let tellHealth = (_failure: string | null): void => {};
  let unhealthy: string | null = null;
  const onHealth = (failure: string | null): void => {
    unhealthy = failure;
    tellHealth(failure);
  };
  const history = await openHistory({ dataDir, onProblem: warn, onHealth, limits: config.shell.history });

  /** Of hosts, where the configuration has a door for them. */
  let agents: Agents | null = null;
  const tools = { icmp: openIcmp(), names: createNames(), stalls: watchStalls(bootClock), wakes: new Map(), agents: ordersByAgents((host) => agents?.heard(host) ?? null, (host, order, signal) => agents?.order(host, order, signal) ?? Promise.resolve({ outcome: "failed", evidence: "no door for agents" })), heard: heardBy(() => agents, () => clock.now().bootMs), warn };
  let site = makeSite(config, parts, tools);
  for (const refusal of site.refusals()) warn(refusal);
  const alerts = createAlerts({ site: config.policy.site, watcher: config.policy.watcher, dataDir, ...callingOf(config) }, warn);

  const strips = new RoundStrips(() => config.policy.hosts);
  const counts = new Counts();
  return new Promise((resolve, reject) => {
    let turnedMs = clock.now().bootMs;
    let ended = false;
    let looking: NodeJS.Timeout | undefined;
    const makeWatcher = () => new Watcher(
      {
        clock,
        store: place.store,
        journal: {
          told: (told, at) => {
            history.told(told, at);
            counts.told(told);
            log.told(told, at.wallMs);
            if (told.kind === "acknowledged") alerts.acknowledged();
          },
          input: (input, at) => {
            turnedMs = at.bootMs;
            history.input(input, at);
            strips.take(input, at);
            counts.input(input, watcher.state);
          },
          incident: (record) => {
            history.incident(record);
            counts.incident(record);
          },
        },
        alerts,
        rounds: { start: (...args) => site.rounds.start(...args) },
        power: (device) => site.power(device),
        touch: (host) => site.touch(host),
        rouse: (host) => site.rouse(host),
        remedy: (host, remedy, limitMs) => site.remedy(host, remedy, limitMs),
        order: (host, order, id, { limitMs, again }) => site.order({ host, order, id, limitMs, again }),
        reopen: (because) => void reopen(because).catch(fail),
        exit: (because) => void end(because).then(() => resolve(0), reject),
      },
      config.policy,
    );
    const watcher = new Followed(makeWatcher());
    const standings = new Standings(history);
    const notices = new Notices(dataDir, warn);
    const kernels = new KernelLog({
      listen: config.shell.netconsole?.listen ?? null,
      senders: () => sendersOf(config, tools.names),
      onWord: (host, word) => {
        if (watcher.state.started && config.policy.hosts.has(host)) watcher.current.post({ kind: "kernel", host, word, holds: config.shell.netconsole?.hold === true });
      },
      history, say: log.say,
    });
    const look = () => standings.look(watcher.state, watcher.policy, clock.now());
    const start = (seq: number) => {
      history.policy(config.policy);
      watcher.current.start({ kind: "start", ...place.beginning, uptimeMs: uptimeMs(), seq });
      place.feed((input) => watcher.current.post(input));
      alerts.follow(() => (watcher.current.state.started ? watcher.current.state.alarms : null));
      watcher.current.post({ kind: "history", failure: unhealthy });
      tellHealth = (failure) => watcher.current.post({ kind: "history", failure });
    };

    const makeDeadman = () => (config.shell.alerts.deadman === null ? null : startDeadman({ url: config.shell.alerts.deadman.url.reveal(), everyMs: config.shell.alerts.deadman.everyMs, lastTurnMs: () => turnedMs, nowMs: () => clock.now().bootMs, report: warn }));
    let deadman = makeDeadman();

    let powerWatch: PowerSenseWatch | null = null;
    /** The signal of the configuration as it is now. */
    const sensePower = () => {
      powerWatch?.close();
      const { signal } = config.shell;
      powerWatch = signal === null ? null : watchPower(signal, { icmp: tools.icmp, names: tools.names, warn }, (input) => watcher.current.state.started && watcher.current.post(input));
    };

    /** The old watcher goes on looking until the store can be opened; what is decided meanwhile is what can be decided without one. */
    let reopening = false;
    const reopen = async (because: string): Promise<void> => {
      if (reopening || ended) return;
      reopening = true;
      log.say("warning", `the store is opened anew: ${because}`);
      if (await place.reopen(because)) {
        const old = watcher.current;
        await old.kill();
        if (ended) return;
        watcher.follow(makeWatcher());
        start(old.state.seq);
        bootWords.forget();
        tellBoots(config.policy.hosts.keys());
        if (stopping.aborted) watcher.current.stop();
      }
      reopening = false;
    };

    const reload = async (): Promise<ReloadAnswer> => {
      notify(reloadingMessage());
      try {
        return await takeOver();
      } finally {
        notify("READY=1");
      }
    };
    const takeOver = async (): Promise<ReloadAnswer> => {
      const read = await readAgain(options.config);
      if ("refusal" in read) return refused([read.refusal]);
      const { next } = read;
      const problems = next.problems.map(formatProblem);
      if (!next.ok || read.parts === null) return refused(problems);
      const fixed = fixedParts(config, next.config);
      const open = reloadProblems(watcher.state, config.policy, next.config.policy);
      if (fixed.length + open.length > 0) return refused([...problems, ...fixed, ...open]);
      const old = site;
      const late = lateParts(config, next.config);
      const renewed = diffConfig(config, next.config).rest.includes("api");
      const sensesAnew = diffConfig(config, next.config).rest.includes("careful");
      const callsOthers = diffConfig(config, next.config).rest.includes("alerts");
      config = next.config;
      compileFor(config);
      site = makeSite(config, read.parts, tools);
      old.close();
      for (const refusal of site.refusals()) warn(refusal);
      if (callsOthers) {
        alerts.reload(callingOf(config));
        deadman?.close();
        deadman = makeDeadman();
      }
      kernels.reload(config.shell.netconsole?.listen ?? null);
      if (renewed) void began.then((api) => api.renew(tlsOf(config)), () => undefined);
      history.limit(config.shell.history);
      history.policy(config.policy);
      watcher.current.reload(config.policy);
      if (sensesAnew) sensePower();
      for (const part of late) warn(part);
      log.say("info", `configuration read again: ${config.policy.hosts.size} hosts`);
      return { accepted: true, problems: [...problems, ...late] };
    };
    const refused = (problems: readonly string[]): ReloadAnswer => {
      for (const problem of problems) log.say("error", problem);
      log.say("error", "the configuration was not taken over: the old one goes on");
      return { accepted: false, problems };
    };

    const bootWords = new BootWords();
    const tellBoots = (hosts: Iterable<string>) => bootWords.look(hosts, (host) => agents?.heard(host) ?? null, (input) => watcher.current.post(input));
    const openAgents = async (): Promise<void> => {
      const { listen, address } = config.shell.agents;
      if (listen === null) {
        if (watcher.state.doors.has(config.policy.watcher)) watcher.current.post({ kind: "door", door: null });
        return;
      }
      const { Agents: Made } = await import("./agents/agents.ts");
      const made = new Made({
        listen, address, folder: dataDir, watcher: config.policy.watcher, version: options.version, clock, say: log.say,
        roster: () => ({ agents: watcher.state.agents, doors: watcher.state.doors, store: watcher.state.meta.ledger }),
        command: (by, command) => watcher.command(by, command),
        door: (door) => watcher.current.post({ kind: "door", door }),
        onAnnouncement: async (host, announced) => (await watcher.command(`the agent of ${host}`, commandOf(host, announced))).exit === 0,
        onHeard: (host) => tellBoots([host]),
        onLeases: (host, contact, request) => {
          const { current } = watcher;
          // Where nothing is leased nothing of it is written down either.
          if (current.state.leases.size === 0) return;
          current.answerLeases(({ host: to, contact: of, ...answer }) => made.leases(to, of, answer));
          current.post({ kind: "lease-renew", host, contact, request });
        },
      });
      agents = made;
      watcher.listen(({ kind }) => {
        // After the step: who is revoked is cut in the same moment.
        if (kind === "agent") setImmediate(() => made.review());
      });
      try {
        await made.open();
        log.say("info", `agents are taken in at ${listen.host} port ${made.port ?? listen.port}`);
      } catch (error) {
        warn(`no agents: ${listen.host} port ${listen.port} cannot be listened on: ${error instanceof Error ? error.message : String(error)}`);
      }
    };

    const record = async (device: string): Promise<RecordAnswer | null> => {
      const { recordDevice } = await import("./record.ts");
      const text = await recordDevice(config, device, (name, boundMs, use) => watcher.current.lend(name, boundMs, use));
      return text === null ? null : { text };
    };

    const began = openApi(
      { watcher, history, kernels, strips, counts, processFigures: processFigures(dataDir, history, alerts, tools.stalls, kernels), now: () => clock.now(), look, statusPage: () => config.shell.statusPage, notices, agents: () => agents, reload, record, alerts: { report: () => reportOf(alerts.report()), test: (channel, signal) => alerts.test(channel, signal) }, version: options.version },
      { socketPath, folder: dataDir, listen: config.shell.api.listen, names: config.shell.api.names, tls: tlsOf(config), onTrouble: warn },
    ).then(async (api) => {
      if (api.tcpProblem !== null) {
        warn(`no TCP interface: ${api.tcpProblem}`);
        if (config.shell.api.required) {
          await api.close();
          throw new UpkeepError("PORT_TAKEN", `api.required, and ${api.tcpProblem}`);
        }
      }
      tellDoors(api, log.say);
      place.onDurable((memory) => history.remember(memory));
      start(history.lastSeq());
      sensePower();
      await openAgents();
      const ready = statusReport(watcher.state, watcher.policy, clock.now());
      process.stdout.write(`upkeep: watching ${config.policy.hosts.size} hosts, guarded ${ready.guarded}\n`);
      notify("READY=1\nSTATUS=watching");
      looking = setInterval(look, LOOK_EVERY_MS).unref();
      setInterval(watchdogPetter(notify, () => ({ turnedMs, stopping: watcher.state.stopping })), petEveryMs(process.env, process.pid)).unref();
      return api;
    });
    const fail = (error: unknown) => {
      ended = true;
      void watcher.current.kill().then(() => place.leave()).then(closeAll).finally(() => reject(error instanceof Error ? error : new Error(String(error))));
    };
    began.catch(fail);

    // Before the start there is nothing to carry anywhere; what `began` says of a failure is said there.
    const stop = () => {
      notify("STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000");
      began.then(() => watcher.current.stop(), () => undefined);
    };
    if (stopping.aborted) stop();
    else stopping.addEventListener("abort", stop, { once: true });
    process.on("SIGHUP", () => void reload());

    const end = async (because: string): Promise<void> => {
      ended = true;
      log.say("info", `ended: ${because}`);
      // First of all: from here on the others may take over.
      await place.leave();
      agents?.close();
      await (await began).close();
      await closeAll();
    };

    const closeAll = async (): Promise<void> => {
      clearInterval(looking);
      look();
      deadman?.close();
      powerWatch?.close();
      await kernels.close();
      site.close();
      tools.icmp.close();
      tools.names.close();
      tools.stalls.close();
      await alerts.close();
      await history.close();
      await place.close();
    };
  });
}

/** Where the watcher can be asked, and how there comes to be somebody who may. Not in the journal: the link is a secret for a day. */
function tellDoors(api: Api, say: Log["say"]): void {
  const { url, fingerprint } = api.doors;
  if (url !== null) say("info", `the API and the page: ${url}${fingerprint === null ? "" : `, with a certificate of its own; its SHA-256 is ${fingerprint}`}`);
  const link = api.setUpLink();
  if (link !== null) say("info", `there is no user yet; the first one is made at ${link.link} (once, to ${link.expires}; \`upkeep user set-up\` prints another link)`);
}

/** From where hosts may send: the addresses under which they are watched, and those that the configuration adds. */
function sendersOf({ shell: { hosts, netconsole } }: Config, names: Names): readonly { readonly host: string; readonly address: string }[] {
  return [...hosts].flatMap(([host, spec]) => [spec.address, ...(netconsole?.also.get(host) ?? [])].flatMap((name) => {
    const found = names.address(name);
    return "error" in found ? [] : [{ host, address: found.address }];
  }));
}

function tlsOf(config: Config): Tls {
  const { tls } = config.shell.api;
  return typeof tls === "string" ? tls : { cert: tls.cert, key: tls.key.reveal() };
}

/** SIGTERM and SIGINT from now on. */
function untilStopped(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => controller.abort());
  return controller.signal;
}

function callingOf({ shell: { alerts } }: Config): Calling {
  const { channels, routes, escalate, groupMs, timeZone } = alerts;
  return { channels: openChannels(channels), routes, escalate, groupMs, timeZone };
}
