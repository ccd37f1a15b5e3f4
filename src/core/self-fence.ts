// What an agent does about the leases that it holds (ADR 33). A lease says until when a service may run here; whoever granted it
// lets nobody else run it before that, what stopping takes and what the watchdog takes have all passed. So:
//
// - A lease ends at the boot-time clock *when its renewal was asked for* + its length, however late the answer came.
// - A service runs only under a lease, with the watchdog open, and after that has been written down for a process after this one.
// - When a lease has ended its service is stopped; what is not known to be stopped `stopWithin` later takes the host with it:
//   the watchdog is not petted any more. Nothing else ever leaves it unpetted.
// - What was given back is never started again under that lease, and is said to be back only once that has been written down.
//
// The watchdog is petted by a step of this machine and by nothing else: an agent that is stopped, hangs or is dead pets none.

export type FencePolicy = {
  readonly services: readonly string[];
  readonly ttlMs: number;
  readonly stopWithinMs: number;
  /** The kernel resets no later than this after the last petting; null: there is no watchdog, and so no promise. */
  readonly resetWithinMs: number | null;
};

/** What a lease is asked for under: the granter counts with these. */
export type LeaseTerms = { readonly ttlMs: number; readonly stopWithinMs: number; readonly resetWithinMs: number | null };

export type ServiceIs = "running" | "stopped" | "unknown";

/** What is written down for the process after this one, in the same boot. */
export type Kept = { readonly service: string; readonly epoch: number; readonly untilMs: number; readonly givenBack: number };

export type LeasedService = {
  readonly service: string;
  readonly is: ServiceIs;
  /** The last one that was held in this boot, ended or not. */
  readonly lease: { readonly epoch: number; readonly untilMs: number } | null;
  /** No lease of this number or below is ever held again. */
  readonly givenBack: number;
  /** What is written down; a service starts under no other. */
  readonly kept: { readonly epoch: number; readonly givenBack: number };
  readonly act: { readonly id: number; readonly command: "start" | "stop" | "status" } | null;
  /** A stop has ended well and nothing was started since: what the status says then is believed. */
  readonly stopEnded: boolean;
  /** It is looked at or started no earlier; stopped once more no earlier. */
  readonly nextMs: number;
  readonly stopAgainMs: number;
  /** When its last start ended well; null: none that has not lasted yet. */
  readonly startedMs: number | null;
  /** Starts in a row that did not last. */
  readonly row: number;
  /** What was said of it last: the same again is not said again. */
  readonly said: string;
  readonly evidence: string;
};

export type FenceState = {
  readonly services: readonly LeasedService[];
  readonly dog: { readonly is: "closed" | "opening" | "open" } | { readonly is: "refused"; readonly because: string; readonly retryMs: number };
  /** Why the watchdog is not petted; null: it is. */
  readonly lettingGo: string | null;
  /** When the last few renewals were asked for. */
  readonly asked: readonly { readonly n: number; readonly sentMs: number }[];
  readonly nextN: number;
  readonly nextAct: number;
  /** Asked to end: whatever runs is stopped, and nothing is started. */
  readonly ending: boolean;
};

export type FenceInput =
  | { readonly kind: "tick" }
  /** A link to a watcher stands. */
  | { readonly kind: "linked" }
  | { readonly kind: "answer"; readonly n: number; readonly granted: readonly { readonly service: string; readonly epoch: number }[]; readonly giveBack: readonly { readonly service: string; readonly epoch: number }[] }
  | { readonly kind: "acted"; readonly act: number; readonly ok: boolean; /** Of a status. */ readonly is?: ServiceIs; readonly evidence: string }
  | { readonly kind: "dog"; readonly refused: string | null }
  | { readonly kind: "kept"; readonly kept: readonly Kept[] }
  | { readonly kind: "end" };

export type FenceEffect =
  /** Write this down; input `kept` when it is. */
  | { readonly kind: "keep"; readonly kept: readonly Kept[] }
  /** Open it; input `dog` says what became of that. */
  | { readonly kind: "open-dog" }
  /** Nothing depends on it any more: it is told not to bite. */
  | { readonly kind: "close-dog" }
  | { readonly kind: "pet" }
  /** Ends whatever runs for this service, and runs this. */
  | { readonly kind: "run"; readonly act: number; readonly service: string; readonly command: "start" | "stop" | "status" }
  | { readonly kind: "renew"; readonly request: RenewRequest }
  | { readonly kind: "say"; readonly level: "info" | "warning" | "error"; readonly because: string };

/** What an agent asks of every watcher that it reaches. */
export type RenewRequest = {
  readonly n: number;
  readonly terms: LeaseTerms;
  readonly services: readonly { readonly service: string; readonly wants: boolean; readonly epoch: number; readonly is: ServiceIs; /** It is stopped, and no lease up to this number starts it again. */ readonly givenBack: number }[];
};

/** What a watcher answers. */
export type LeaseAnswer = { readonly n: number; readonly granted: readonly { readonly service: string; readonly epoch: number }[]; readonly giveBack: readonly { readonly service: string; readonly epoch: number }[] };

export type FenceStep = { readonly state: FenceState; readonly effects: readonly FenceEffect[] };

const RENEWALS_KEPT = 16;
const LOOK_EVERY_MS = 10_000;
const RETRY_MS = 1_000;
/** What was never leased here is nobody's promise. */
const RETRY_UNLEASED_MS = 30_000;
const START_AGAIN_MS = 10_000;
const DOG_AGAIN_MS = 10_000;
/** A start that has been good for so long has lasted. */
const STABLE_MS = 60_000;
/** The first that did not last is made good at once, then after 1 s, 2 s, … */
const ROW_FIRST_MS = 1_000;
const ROW_MAX_MS = 60_000;

/** `kept`: of a process before this one in the same boot; a boot before this one has left nothing running. */
export function beginFencing(policy: FencePolicy, kept: readonly Kept[], nowMs: number): FenceState {
  const services = policy.services.map((service): LeasedService => {
    const { epoch, untilMs, givenBack } = kept.find((each) => each.service === service) ?? { epoch: 0, untilMs: 0, givenBack: 0 };
    return { service, is: "unknown", lease: epoch === 0 ? null : { epoch, untilMs }, givenBack, kept: { epoch, givenBack }, act: null, stopEnded: epoch === 0, nextMs: nowMs, stopAgainMs: nowMs, startedMs: null, row: 0, said: "", evidence: "not looked at yet" };
  });
  // Numbers of two processes of one boot do not meet.
  return { services, dog: { is: "closed" }, lettingGo: null, asked: [], nextN: Math.floor(nowMs), nextAct: 1, ending: false };
}

/** Whether the service may run now. */
export function leased({ lease, givenBack }: LeasedService, { dog, ending }: FenceState, nowMs: number): boolean {
  return lease !== null && lease.epoch > givenBack && nowMs < lease.untilMs && dog.is !== "refused" && !ending;
}

/** Whether it is known not to run: a stop has ended well and the status says so, or it was never ours and the status says so. */
export function isStopped({ is, stopEnded, lease }: LeasedService): boolean {
  return is === "stopped" && (stopEnded || lease === null);
}

/** When the host goes down with it; null: it is stopped, or was never ours in this boot. */
export function resetDueMs(service: LeasedService, policy: FencePolicy): number | null {
  return isStopped(service) || service.lease === null ? null : service.lease.untilMs + policy.stopWithinMs;
}

export function fenceStep(before: FenceState, input: FenceInput, nowMs: number, policy: FencePolicy): FenceStep {
  const effects: FenceEffect[] = [];
  let state = before;
  const patch = (service: string, change: Partial<LeasedService>): void => {
    state = { ...state, services: state.services.map((each) => (each.service === service ? { ...each, ...change } : each)) };
  };
  state = take(state, input, nowMs, policy, patch, () => state);
  keep(state, before, effects);
  watchdog();
  for (const service of state.services) fell(service);
  for (const service of state.services) next(service);
  renew();
  if (input.kind === "tick") pet();
  return { state, effects };

  function watchdog(): void {
    if (policy.resetWithinMs === null) return;
    const needed = state.services.some((each) => leased(each, { ...state, dog: { is: "closed" } }, nowMs) || (each.lease !== null && !isStopped(each)));
    const { dog } = state;
    if (needed && (dog.is === "closed" || (dog.is === "refused" && nowMs >= dog.retryMs))) {
      state = { ...state, dog: { is: "opening" } };
      effects.push({ kind: "open-dog" });
    } else if (!needed && dog.is === "open") {
      state = { ...state, dog: { is: "closed" }, lettingGo: null };
      effects.push({ kind: "close-dog" });
    }
  }

  function next(service: LeasedService): void {
    const { act, is, kept, lease, nextMs, stopAgainMs, stopEnded } = service;
    if (leased(service, state, nowMs)) {
      if (act !== null || nowMs < nextMs) return;
      if (is !== "stopped") run(service, "status");
      else if (lease !== null && kept.epoch >= lease.epoch && (policy.resetWithinMs === null || state.dog.is === "open")) run(service, "start");
      return;
    }
    if (isStopped(service) || act?.command === "stop") return;
    if (stopEnded) {
      if (act === null && nowMs >= nextMs) run(service, "status");
    // What is being started or looked at is not waited for.
    } else if (nowMs >= stopAgainMs) run(service, "stop");
  }

  function run(service: LeasedService, command: "start" | "stop" | "status"): void {
    const id = state.nextAct;
    state = { ...state, nextAct: id + 1 };
    patch(service.service, { act: { id, command }, ...(command === "start" ? { is: "unknown", stopEnded: false } : {}) });
    if (command === "stop") say(service, "info", `is stopped: ${whyStopped(service, state, nowMs)}`);
    // One that had fallen was said to be.
    else if (command === "start" && service.row === 0) say(service, "info", `is started under lease ${service.lease?.epoch}`);
    effects.push({ kind: "run", act: id, service: service.service, command });
  }

  function fell(service: LeasedService): void {
    const row = before.services.find((each) => each.service === service.service)?.row ?? 0;
    if (service.row > 0 && service.row !== row) say(service, "warning", `has ended by itself under lease ${service.lease?.epoch}, and is started again ${whenAgain(service.row)}`);
  }

  /** Once, and again when it has changed: not with the seconds that have passed meanwhile. */
  function say({ service, said }: LeasedService, level: "info" | "warning", text: string): void {
    const saying = text.replace(/\d+ s ago/, "");
    if (saying === said) return;
    patch(service, { said: saying });
    effects.push({ kind: "say", level, because: `${service} ${text}` });
  }

  function renew(): void {
    const last = state.asked.at(-1);
    const told = (each: FenceState): string => request(each, policy, 0, nowMs).services.map(({ givenBack }) => givenBack).join();
    // What was asked before there was anybody to hear it is asked again as soon as there is: after a slow start the lease may not last until the next turn.
    const due = last === undefined || input.kind === "linked" || nowMs - last.sentMs >= policy.ttlMs / 3 || told(state) !== told(before);
    if (!due || state.ending) return;
    const n = state.nextN;
    state = { ...state, nextN: n + 1, asked: [...state.asked, { n, sentMs: nowMs }].slice(-RENEWALS_KEPT) };
    effects.push({ kind: "renew", request: request(state, policy, n, nowMs) });
  }

  function pet(): void {
    if (state.dog.is !== "open") return;
    const overdue = state.services.find((each) => (resetDueMs(each, policy) ?? Infinity) <= nowMs);
    if (overdue === undefined) {
      if (state.lettingGo !== null) effects.push({ kind: "say", level: "warning", because: "the watchdog is petted again: nothing runs that must not" });
      state = { ...state, lettingGo: null };
      return void effects.push({ kind: "pet" });
    }
    if (state.lettingGo !== null) return;
    const because = `${overdue.service} has no lease and is not known to be stopped (${overdue.evidence}): the watchdog is not petted any more, and resets this host`;
    state = { ...state, lettingGo: because };
    effects.push({ kind: "say", level: "error", because });
  }
}

type Patch = (service: string, change: Partial<LeasedService>) => void;

function take(state: FenceState, input: FenceInput, nowMs: number, policy: FencePolicy, patch: Patch, now: () => FenceState): FenceState {
  switch (input.kind) {
    case "tick":
    case "linked":
      return state;
    case "end":
      return { ...state, ending: true };
    case "dog":
      return { ...state, dog: input.refused === null ? { is: "open" } : { is: "refused", because: input.refused, retryMs: nowMs + DOG_AGAIN_MS } };
    case "kept":
      for (const { service, epoch, givenBack } of input.kept) patch(service, { kept: { epoch, givenBack } });
      return now();
    case "answer": {
      const asked = state.asked.find(({ n }) => n === input.n);
      if (asked === undefined) return state;
      for (const { service, epoch } of input.giveBack) {
        const known = state.services.find((each) => each.service === service);
        if (known !== undefined && epoch > known.givenBack) patch(service, { givenBack: epoch, nextMs: nowMs });
      }
      for (const { service, epoch } of input.granted) {
        const known = now().services.find((each) => each.service === service);
        if (known === undefined || epoch <= known.givenBack || epoch < (known.lease?.epoch ?? 0)) continue;
        const untilMs = asked.sentMs + policy.ttlMs;
        const anew = known.lease === null || epoch > known.lease.epoch;
        // What came of it under an earlier one is forgotten.
        if (anew || untilMs > (known.lease?.untilMs ?? 0)) patch(service, { lease: { epoch, untilMs }, ...(anew && known.row > 0 ? { row: 0, startedMs: null, nextMs: nowMs } : {}) });
      }
      return now();
    }
    case "acted": {
      const service = state.services.find(({ act }) => act?.id === input.act);
      if (service === undefined) return state;
      patch(service.service, { act: null, ...ended(service, input, leased(service, state, nowMs), nowMs) });
      return now();
    }
  }
}

/** After so many starts in a row that did not last. */
function pauseMs(row: number): number {
  return row <= 1 ? 0 : Math.min(ROW_MAX_MS, ROW_FIRST_MS * 2 ** Math.min(row - 2, 16));
}

function whenAgain(row: number): string {
  return row <= 1 ? "at once" : `in ${pauseMs(row) / 1_000} s`;
}

function ended({ act, stopEnded, lease, startedMs, row, said }: LeasedService, { ok, is, evidence }: Extract<FenceInput, { kind: "acted" }>, held: boolean, nowMs: number): Partial<LeasedService> {
  switch (act?.command) {
    case "start":
      return { is: "unknown", evidence, nextMs: ok ? nowMs : nowMs + START_AGAIN_MS, startedMs: ok ? nowMs : null };
    case "stop":
      return { is: "unknown", stopEnded: ok, evidence, nextMs: nowMs, stopAgainMs: nowMs + (lease === null ? RETRY_UNLEASED_MS : RETRY_MS) };
    default: {
      // Under a lease a service may fall by itself; without one only a stop that ended well makes "stopped" true.
      const proven = held || stopEnded || lease === null;
      const lasted = startedMs !== null && nowMs - startedMs >= STABLE_MS;
      if (is === "stopped" && proven) {
        if (!held || startedMs === null) return { is, evidence, nextMs: nowMs, startedMs: null, said: held ? said : "" };
        const fallen = (lasted ? 0 : row) + 1;
        return { is, evidence: `${evidence}; started again ${whenAgain(fallen)}`, nextMs: nowMs + pauseMs(fallen), startedMs: null, row: fallen };
      }
      return { ...(held && is === "running" && lasted ? { row: 0, said: "" } : {}), is: is === "running" ? is : "unknown", evidence, stopEnded: false, nextMs: nowMs + (held && is === "running" ? LOOK_EVERY_MS : RETRY_MS), ...(stopEnded ? { stopAgainMs: nowMs + RETRY_MS } : {}) };
    }
  }
}

/** What changed for a process after this one is written down before anything follows from it. */
function keep(state: FenceState, before: FenceState, effects: FenceEffect[]): void {
  const changed = state.services.some((each, at) => each.lease !== before.services[at]?.lease || each.givenBack !== before.services[at]?.givenBack);
  const behind = state.services.some(({ lease, givenBack, kept }) => (lease?.epoch ?? 0) > kept.epoch || givenBack > kept.givenBack);
  if (changed || behind) effects.push({ kind: "keep", kept: state.services.map(({ service, lease, givenBack }) => ({ service, epoch: lease?.epoch ?? 0, untilMs: lease?.untilMs ?? 0, givenBack })) });
}

function request({ services, dog }: FenceState, policy: FencePolicy, n: number, nowMs: number): RenewRequest {
  const { ttlMs, stopWithinMs, resetWithinMs } = policy;
  // Without the watchdog that is promised nothing is asked for, but now and then, to try again.
  const wants = dog.is !== "refused" || nowMs >= dog.retryMs;
  return { n, terms: { ttlMs, stopWithinMs, resetWithinMs }, services: services.map((each) => ({ service: each.service, wants, epoch: each.lease?.epoch ?? 0, is: each.is, givenBack: isStopped(each) ? each.kept.givenBack : 0 })) };
}

function whyStopped({ lease, givenBack }: LeasedService, { dog, ending }: FenceState, nowMs: number): string {
  if (ending) return "the agent ends";
  if (dog.is === "refused") return `the watchdog cannot be had: ${dog.because}`;
  if (lease === null) return "it runs here without a lease";
  return lease.epoch <= givenBack ? `lease ${lease.epoch} is taken back` : `lease ${lease.epoch} ended ${Math.round((nowMs - lease.untilMs) / 1_000)} s ago and no watcher has renewed it`;
}
