// What /metrics says of this process: what it has done since it began, what it costs, and whether it keeps up.

import { statusOfProcess } from "./process-status.ts";
import type { Look, Metric, Sample } from "./metric.ts";
import type { Tally } from "./counts.ts";

const one = (value: (look: Look) => number | null): Metric["samples"] => (look) => [[value(look)]];

/** Keys of several labels are joined by line ends. */
const all = (tally: (look: Look) => Tally): Metric["samples"] =>
  function* (look) {
    for (const [key, value] of tally(look).entries()) yield [value, ...key.split("\n")] as Sample;
  };

export const PROCESS_METRICS: readonly Metric[] = [
  { name: "upkeep_build_info", type: "gauge", help: "The version that runs.", labels: ["version", "node"], samples: ({ version }) => [[1, version, process.version]] },
  { name: "upkeep_watcher_info", type: "gauge", help: "Which watcher this is.", labels: ["site", "watcher"], samples: ({ policy }) => [[1, policy.site, policy.watcher]] },
  { name: "upkeep_rounds_total", type: "counter", help: "Rounds of probes, by what the round was judged to be.", labels: ["outcome"], samples: all(({ counts }) => counts.rounds) },
  { name: "upkeep_probe_results_total", type: "counter", help: "Results of probes on all hosts, by probe.", labels: ["probe", "outcome"], samples: all(({ counts }) => counts.probes) },
  { name: "upkeep_journal_lines_total", type: "counter", help: "Lines of the journal by kind: what was seen, decided, refused and done.", labels: ["kind"], samples: all(({ counts }) => counts.lines) },
  { name: "upkeep_power_commands_total", type: "counter", help: "Commands to switch an outlet that were let go.", labels: ["action"], samples: ({ counts }) => [[counts.lines.of("off-sent"), "off"], [counts.lines.of("on-sent"), "on"]] },
  { name: "upkeep_refusals_total", type: "counter", help: "Times that a host was down and its power was not cut, once for each change of the reason.", labels: [], samples: one(({ counts }) => counts.lines.of("refused")) },
  { name: "upkeep_operations_ended_total", type: "counter", help: "Power operations that ended, by outcome.", labels: ["outcome"], samples: all(({ counts }) => counts.operations) },
  { name: "upkeep_incidents_ended_total", type: "counter", help: "Incidents that ended, by outcome.", labels: ["outcome"], samples: all(({ counts }) => counts.incidents) },
  { name: "upkeep_history_up", type: "gauge", help: "Whether the past is recorded.", labels: [], samples: one(({ state }) => (state.historyFailure === null ? 1 : 0)) },
  { name: "upkeep_history_bytes", type: "gauge", help: "What the history takes on the disk.", labels: [], samples: one(({ process: { historyBytes } }) => historyBytes) },
  { name: "upkeep_history_dropped_total", type: "counter", help: "What the history has lost because it could not keep up: lines of the journal and incidents, inputs, rounds.", labels: ["what"], samples: ({ process: { dropped } }) => [[dropped.rows, "lines"], [dropped.lines, "inputs"], [dropped.rounds, "rounds"]] },
  { name: "upkeep_netconsole_datagrams_total", type: "counter", help: "Datagrams that came to the receiver of hosts' kernels.", labels: [], samples: one(({ process: { kernels } }) => kernels?.datagrams ?? 0) },
  { name: "upkeep_netconsole_dropped_total", type: "counter", help: "What was not kept of them: datagrams from an address of no host or of several, lines above what a host may send, words that are recognised above what a host may say.", labels: ["why"], samples: ({ process: { kernels } }) => [[kernels?.dropped.strangers ?? 0, "stranger"], [kernels?.dropped.shared ?? 0, "shared address"], [kernels?.dropped.lines ?? 0, "lines"], [kernels?.dropped.words ?? 0, "words"]] },
  { name: "upkeep_alerts_waiting", type: "gauge", help: "Messages to people that are not delivered yet.", labels: [], samples: one(({ process: { alertsWaiting } }) => alertsWaiting) },
  { name: "upkeep_api_requests_total", type: "counter", help: "Requests that were answered, by HTTP status.", labels: ["status"], samples: all(({ counts }) => counts.requests) },
  { name: "upkeep_api_streams", type: "gauge", help: "Readers of the live stream.", labels: [], samples: one(({ streams }) => streams) },
  { name: "upkeep_api_followers", type: "gauge", help: "Readers that follow the events.", labels: [], samples: one(({ followers }) => followers) },
  { name: "upkeep_loop_steps_total", type: "counter", help: "Inputs that the decision loop has taken.", labels: [], samples: one(({ counts }) => counts.steps) },
  { name: "upkeep_loop_last_step_age_seconds", type: "gauge", help: "How long ago the decision loop took its last step; it takes one a second.", labels: [], samples: one(({ state, now }) => Math.max(0, now.bootMs - state.lastStepMs) / 1_000) },
  { name: "upkeep_loop_stalled_seconds_total", type: "counter", help: "For how long this process could not run, counted from 25 ms on: a long computation, a stopped or starved process.", labels: [], samples: one(({ process: { stalledMs } }) => stalledMs / 1_000) },
  { name: "process_cpu_seconds_total", type: "counter", help: "Processor time of this process, user and system.", labels: [], samples: one(() => statusOfProcess().cpuSeconds) },
  { name: "process_resident_memory_bytes", type: "gauge", help: "Resident memory of this process.", labels: [], samples: one(() => statusOfProcess().residentBytes) },
  { name: "process_start_time_seconds", type: "gauge", help: "When this process began, in seconds since 1970.", labels: [], samples: one(() => statusOfProcess().startedSeconds) },
  { name: "process_open_fds", type: "gauge", help: "Open file descriptors of this process.", labels: [], samples: one(() => statusOfProcess().openFiles) },
];
