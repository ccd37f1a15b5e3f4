// The driver for BMCs that speak Redfish (DSP0266): one computer system a device, and so one output. Off is `ForceOff`, the
// hard one; a restart or a cycle is never asked. What a system allows is read in the same breath as its state, before the
// gate; then there is one write, on the connection that is open already, or none.
//
// PowerState has more words than on and off; every other one is unknown (DSP0268, "Resource.PowerState"). A redirect is
// followed for a reading, on the same service; a command that is redirected was not taken. An answer 202 is a task, which is
// waited for as long as a step lasts: a command that is still on its way is neither done nor refused.

import { assert, UpkeepError } from "../core/errors.ts";
import { passGate } from "./gate.ts";
import type { Draw, Fire, PowerDevice, PowerDriver, PowerSession, Reading, SetOutcome, Tap } from "./power.ts";
import { RedfishConnection } from "./redfish-http.ts";
import type { Answer, Ask, RedfishService } from "./redfish-http.ts";
import { arrayOf, fieldOf, messageOf, metersOf, pathOn, systemOf, taskStateOf, wattsOf } from "./redfish-resource.ts";
import type { System } from "./redfish-resource.ts";

export type RedfishOptions = RedfishService & {
  /** The path of the system; null: the only one that there is. */
  readonly system: string | null;
  readonly username: string;
  readonly password: string;
  /** `session` logs in once and out again; `basic` sends the password with every request. */
  readonly auth: "basic" | "session";
};

const OUTPUT = "1";
const ROOT = "/redfish/v1/";
const SESSIONS = "/redfish/v1/SessionService/Sessions";
const REDIRECTS_MAX = 3;
const LOGOUT_MS = 1_000;
const TASK_POLL_MS = 500;

const RESET = { on: "On", off: "ForceOff" } as const;

/** BMCs by Redfish. */
export const redfish: PowerDriver<RedfishOptions> = {
  name: "redfish",
  testedOn: [
    "the virtual BMC of this repository (accepted by fence_redfish 4.12.1)",
    "no device yet",
  ],
  create: (options) => new RedfishDevice(options),
};

class RedfishDevice implements PowerDevice {
  readonly #options: RedfishOptions;
  /** It has asked for a precondition once: commands name the state that they were decided on (RFC 6585 §3). */
  readonly memory = { precondition: false };

  constructor(options: RedfishOptions) {
    this.#options = options;
  }

  async open(signal: AbortSignal, tap?: Tap): Promise<PowerSession> {
    const options: RedfishOptions & { readonly tap?: Tap | undefined } = { ...this.#options, tap };
    const connection = await RedfishConnection.open(options, signal);
    try {
      const session = new RedfishSession(connection, options, this.memory);
      await session.logIn(signal);
      return session;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }
}

class RedfishSession implements PowerSession {
  #connection: RedfishConnection;
  readonly #options: RedfishOptions;
  readonly #memory: { precondition: boolean };
  #authorization: Readonly<Record<string, string>>;
  /** What ends the session at the service. */
  #location: string | null = null;
  #path: string | null;
  /** Where it is told what the machine draws, once found. */
  #meters: readonly string[] | null = null;
  #busy = false;
  #closed: Promise<void> | null = null;

  constructor(connection: RedfishConnection, options: RedfishOptions, memory: { precondition: boolean }) {
    this.#connection = connection;
    this.#options = options;
    this.#memory = memory;
    this.#path = options.system;
    this.#authorization = options.auth === "session" ? {} : { authorization: `Basic ${Buffer.from(`${options.username}:${options.password}`).toString("base64")}` };
  }

  async logIn(signal: AbortSignal): Promise<void> {
    if (this.#options.auth === "session") {
      const { username, password } = this.#options;
      const answer = await this.#connection.ask({ method: "POST", path: SESSIONS, body: { UserName: username, Password: password } }, signal);
      const token = answer.headers["x-auth-token"];
      if (answer.status >= 300 || token === undefined || token === "") throw this.#failure(answer, "log-in");
      this.#authorization = { "x-auth-token": token };
      this.#location = pathOn(this.#options, answer.headers["location"]);
    }
    if (this.#path === null) this.#path = await this.#onlySystem(signal);
  }

  read(outlets: readonly string[], signal: AbortSignal): Promise<readonly Reading[]> {
    return this.#alone(async () => {
      for (const outlet of outlets) checkOutlet(outlet);
      if (outlets.length === 0) return [];
      const { state } = await this.#system(signal);
      return outlets.map((outlet) => ({ outlet, state, label: null }));
    });
  }

  meter(outlets: readonly string[], signal: AbortSignal): Promise<readonly Draw[]> {
    return this.#alone(async () => {
      for (const outlet of outlets) checkOutlet(outlet);
      if (this.#meters === null) this.#meters = await this.#findMeters(signal);
      for (const path of this.#meters) {
        const watts = wattsOf((await this.#get(path, signal)).body);
        if (watts !== null) return outlets.map((outlet) => ({ outlet, watts }));
      }
      return outlets.map((outlet) => ({ outlet, watts: null }));
    });
  }

  set(outlet: string, action: "on" | "off", fire: Fire, signal: AbortSignal): Promise<SetOutcome> {
    return this.#alone(async () => {
      checkOutlet(outlet);
      const system = await this.#system(signal);
      const target = system.target;
      if (target === null) throw new UpkeepError("POWER_NONSENSE", `${this.#where}: the system cannot be reset`);
      const allowed = system.allowed ?? await this.#actionInfo(system.actionInfo, signal);
      if (allowed !== null && !allowed.includes(RESET[action])) throw new UpkeepError("POWER_NONSENSE", `${this.#where}: the system allows ${allowed.slice(0, 12).join(", ")}, and not ${RESET[action]}`);
      const ask: Ask = { method: "POST", path: target, body: { ResetType: RESET[action] }, headers: { ...this.#authorization, ...(this.#memory.precondition && system.etag !== null ? { "if-match": system.etag } : {}) } };
      const connection = await this.#connected(signal);
      let sent: { readonly answer: Promise<Answer> } | null = null;
      const passage = await passGate(fire, { outlet, state: system.state, label: null }, () => (sent = connection.start(ask, signal)), signal);
      if (passage.kind === "shut") return passage.outcome;
      assert(sent !== null, "the write has run");
      return this.#outcome((sent as { readonly answer: Promise<Answer> }).answer, RESET[action], signal);
    });
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #outcome(answered: Promise<Answer>, what: string, signal: AbortSignal): Promise<SetOutcome> {
    try {
      const answer = await answered;
      const evidence = this.#evidence(`${what}: ${said(answer)}`);
      if (answer.status === 202) return await this.#task(answer, evidence, signal);
      if (answer.status >= 200 && answer.status < 300) return { kind: "accepted", evidence };
      if (answer.status === 428) this.#memory.precondition = true;
      // A server's error may have come after the act; a client's error, or a redirect, came instead of it.
      return answer.status >= 300 && answer.status < 500 && answer.status !== 408 ? { kind: "refused", by: "device", evidence } : { kind: "unknown", evidence };
    } catch (error) {
      return { kind: "unknown", evidence: this.#evidence(`${what}: ${error instanceof UpkeepError ? `${error.code}: ${error.message}` : String(error)}`) };
    }
  }

  /** Waits for the end of a task as long as a step may take (DSP0266, "Asynchronous operations"). */
  async #task(answer: Answer, evidence: string, signal: AbortSignal): Promise<SetOutcome> {
    const monitor = pathOn(this.#options, answer.headers["location"]);
    // Nowhere to ask: it has taken the command, and what becomes of it is read back.
    if (monitor === null) return { kind: "accepted", evidence };
    for (const endMs = performance.now() + this.#options.stepMs; performance.now() < endMs; await pause(TASK_POLL_MS, signal)) {
      const now = await (await this.#connected(signal)).ask({ method: "GET", path: monitor, headers: this.#authorization }, signal);
      const state = taskStateOf(now.body);
      if (now.status === 202 || (now.status === 200 && state !== null && /^(New|Starting|Running|Pending|Service|Suspended|Interrupted|Stopping|Cancelling)$/.test(state))) continue;
      const end = this.#evidence(`${evidence}; its task: ${said(now)}${state === null ? "" : ` ${state}`}`);
      return now.status < 300 && (state === null || state === "Completed") ? { kind: "accepted", evidence: end } : { kind: "unknown", evidence: end };
    }
    return { kind: "unknown", evidence: `${evidence}; its task has not ended` };
  }

  async #system(signal: AbortSignal): Promise<System> {
    const answer = await this.#get(this.#path ?? ROOT, signal);
    const system = systemOf(answer.body, this.#options, answer.headers["etag"] ?? null);
    if (system === null) throw new UpkeepError("POWER_NONSENSE", `${this.#where}${this.#path ?? ""}: not a computer system: ${this.#evidence(printable(answer.body.slice(0, 120)))}`);
    return system;
  }

  async #findMeters(signal: AbortSignal): Promise<readonly string[]> {
    const { chassis } = await this.#system(signal);
    return chassis === null ? [] : metersOf((await this.#get(chassis, signal)).body, this.#options);
  }

  /** The allowed values where they stand in a resource of their own. */
  async #actionInfo(path: string | null, signal: AbortSignal): Promise<readonly string[] | null> {
    if (path === null) return null;
    const { body } = await this.#get(path, signal);
    const parameter = arrayOf(fieldOf(body, "Parameters")).find((each) => fieldOf(each, "Name") === "ResetType");
    const values = fieldOf(parameter, "AllowableValues");
    return Array.isArray(values) ? values.filter((value) => typeof value === "string") : null;
  }

  async #onlySystem(signal: AbortSignal): Promise<string> {
    const systems = pathOn(this.#options, fieldOf(fieldOf((await this.#get(ROOT, signal)).body, "Systems"), "@odata.id"));
    const members = systems === null ? [] : arrayOf(fieldOf((await this.#get(systems, signal)).body, "Members")).map((member) => pathOn(this.#options, fieldOf(member, "@odata.id")));
    const [only, second] = members;
    if (only === undefined || only === null) throw new UpkeepError("POWER_NONSENSE", `${this.#where}: no systems`);
    if (second !== undefined) throw new UpkeepError("POWER_OUTLET", `${this.#where}: which system? There are ${members.slice(0, 8).join(", ")}`);
    return only;
  }

  async #get(path: string, signal: AbortSignal): Promise<Answer> {
    for (let at = path, redirects = 0; ; redirects++) {
      const answer = await (await this.#connected(signal)).ask({ method: "GET", path: at, headers: this.#authorization }, signal);
      if (answer.status === 200) return answer;
      const next = answer.status >= 300 && answer.status < 400 ? pathOn(this.#options, answer.headers["location"]) : null;
      if (next === null || redirects === REDIRECTS_MAX) throw this.#failure(answer, at);
      at = next;
    }
  }

  /** A connection that is open now. Some services close theirs after every answer. */
  async #connected(signal: AbortSignal): Promise<RedfishConnection> {
    if (!this.#connection.alive && this.#closed === null) this.#connection = await RedfishConnection.open(this.#options, signal);
    return this.#connection;
  }

  #failure(answer: Answer, what: string): UpkeepError {
    const { status } = answer;
    const code = status === 401 || status === 403 || (status === 400 && what === "log-in") ? "POWER_LOGIN" : status === 404 ? "POWER_OUTLET" : status === 429 || status === 503 ? "POWER_BUSY" : "POWER_NONSENSE";
    const more = status >= 300 && status < 400 ? " (a redirect that is not followed)" : "";
    return new UpkeepError(code, this.#evidence(`${this.#where}: ${what}: ${said(answer)}${more}`));
  }

  async #close(): Promise<void> {
    if (this.#location !== null && this.#connection.alive && !this.#busy) {
      await this.#connection.ask({ method: "DELETE", path: this.#location, headers: this.#authorization }, AbortSignal.timeout(LOGOUT_MS)).catch(() => undefined);
    }
    this.#connection.destroy();
  }

  /** Without what must not be seen; services repeat what they were sent. */
  #evidence(text: string): string {
    const { password } = this.#options;
    const token = this.#authorization["x-auth-token"] ?? this.#authorization["authorization"] ?? "";
    const { warning } = this.#connection;
    return [password, token].filter((secret) => secret !== "").reduce((line, secret) => line.replaceAll(secret, "[hidden]"), warning === null ? text : `${text}; ${warning}`).slice(0, 600);
  }

  get #where(): string {
    return `${this.#options.host}:${this.#options.port}`;
  }

  async #alone<Result>(call: () => Promise<Result>): Promise<Result> {
    assert(!this.#busy && this.#closed === null, "calls on a power session never overlap, and none follows its close");
    this.#busy = true;
    try {
      return await call();
    } finally {
      this.#busy = false;
    }
  }
}

function checkOutlet(outlet: string): void {
  if (outlet !== OUTPUT) throw new UpkeepError("POWER_OUTLET", `a system has one output, and no outlet "${printable(outlet.slice(0, 64))}"`);
}

/** `204`, or `400 the message of the service`. */
function said({ status, body }: Answer): string {
  const message = messageOf(body);
  return message === null ? String(status) : `${status} ${printable(message)}`;
}

function printable(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[^\x20-\x7e\u00a1-\uffef]/g, "").slice(0, 300);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

