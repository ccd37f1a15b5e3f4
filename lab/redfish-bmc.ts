// A virtual BMC that speaks Redfish over TLS, with one computer system. It is the second reading of DSP0266: it knows the
// standard and what fence_redfish expects, which accepts it, and imports nothing of the driver that it tests. Its log is the
// world's truth: every command that reached it, and what the power really is.
//
// It is faithful where it hurts: commands that take effect later, tasks, states that are neither on nor off, answers that are
// lost, services that close every connection, sessions that must be ended, redirects, and lies.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type RedfishFaults = {
  /** The next reset is done, and its answer is never given. */
  loseAnswer: boolean;
  /** The next reset is lost. */
  loseCommand: boolean;
  /** Nothing is answered any more. */
  hang: boolean;
  /** Resets are acknowledged and not done. */
  lie: boolean;
  /** Shown instead of the power's state. */
  powerState: string | null;
  /** A reset is answered 202 with a task, which ends after so many questions, in that state. */
  task: { readonly polls: number; readonly state: string } | null;
  /** The next reset is answered with this status instead. */
  resetStatus: number | null;
  /** Any question is answered with this; `times`: so often. */
  answer: { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string; readonly times?: number } | null;
  /** Connection: close after every answer. */
  closes: boolean;
  /** The system is answered in the middle of it and no further. */
  cutAnswer: boolean;
  /** Wants to be told on which state a reset was decided. */
  precondition: boolean;
  /** Allowed kinds of reset; null: not said. */
  allowed: readonly string[] | null;
  /** They stand in an ActionInfo. */
  actionInfo: boolean;
  systems: readonly string[];
  /** What the machine draws while it is on, and while it is off. */
  watts: { readonly on: unknown; readonly off: unknown };
  /** Told in EnvironmentMetrics, in the older Power, in both, or in neither; and what the sensor says of itself. */
  meters: readonly ("EnvironmentMetrics" | "Power")[];
  meterState: string | null;
  chassis: readonly string[];
};

export type RedfishBmc = {
  readonly address: string;
  readonly port: number;
  /** Of its certificate, which no authority has signed: PEM, and the SHA-256 fingerprint. */
  readonly certificate: string;
  readonly fingerprint: string;
  readonly faults: RedfishFaults;
  /** Every reset that was taken, in order. */
  commands(): readonly string[];
  /** `GET /path`, as they came. */
  requests(): readonly string[];
  /** Sessions that have been logged in to and not out of. */
  sessions(): number;
  truth(): "on" | "off";
  close(): Promise<void>;
};

const CHASSIS = "/redfish/v1/Chassis/";
const SYSTEM = "/redfish/v1/Systems/";
const SESSIONS = "/redfish/v1/SessionService/Sessions";
const BODY_MAX = 65_536;

/** Starts a BMC whose machine is on. */
export async function startRedfishBmc({ user = "admin", password = "sesame" }: { readonly user?: string; readonly password?: string } = {}): Promise<RedfishBmc> {
  const { key, cert, fingerprint } = selfSigned();
  const faults: RedfishFaults = {
    loseAnswer: false, loseCommand: false, hang: false, lie: false, powerState: null, task: null, resetStatus: null, answer: null, closes: false, cutAnswer: false, precondition: false,
    allowed: ["On", "ForceOff", "GracefulShutdown", "ForceRestart", "PowerCycle"], actionInfo: false, systems: ["1"],
    watts: { on: 120, off: 8 }, meters: ["EnvironmentMetrics", "Power"], meterState: "Enabled", chassis: ["1"],
  };
  const commands: string[] = [];
  const requests: string[] = [];
  const tokens = new Map<string, string>();
  const sockets = new Set<Duplex>();
  let power: "on" | "off" = "on";
  let edges = 0;
  let polls = 0;

  const allowed = (request: IncomingMessage): boolean => {
    const { authorization, "x-auth-token": token } = request.headers;
    if (typeof token === "string") return [...tokens.values()].includes(token);
    return authorization === `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  };
  const etag = (): string => `W/"${edges}"`;
  const system = (id: string): unknown => ({
    "@odata.type": "#ComputerSystem.v1_16_0.ComputerSystem", "@odata.id": SYSTEM + id, Id: id, Name: "System", PowerState: faults.powerState ?? (power === "on" ? "On" : "Off"),
    Links: { Chassis: faults.chassis.map((each) => ({ "@odata.id": CHASSIS + each })) },
    Actions: {
      "#ComputerSystem.Reset": {
        target: `${SYSTEM}${id}/Actions/ComputerSystem.Reset`,
        ...(faults.actionInfo ? { "@Redfish.ActionInfo": `${SYSTEM}${id}/ResetActionInfo` } : faults.allowed === null ? {} : { "ResetType@Redfish.AllowableValues": faults.allowed }),
      },
    },
  });

  /** Chassis and what it draws (DSP0268: Chassis, EnvironmentMetrics, Power); undefined: there is no such thing here. */
  const chassis = (path: string): unknown => {
    const [, id = "", rest = ""] = /^\/redfish\/v1\/Chassis\/([^/]+)(?:\/(.*))?$/.exec(path) ?? [];
    if (!faults.chassis.includes(id)) return undefined;
    const status = faults.meterState === null ? {} : { Status: { State: faults.meterState } };
    const watts = faults.watts[power];
    if (rest === "") return { "@odata.type": "#Chassis.v1_23_0.Chassis", Id: id, ...Object.fromEntries(faults.meters.map((name) => [name, { "@odata.id": `${CHASSIS}${id}/${name}` }])) };
    if (!faults.meters.includes(rest as "Power")) return undefined;
    if (rest === "Power") return { "@odata.type": "#Power.v1_7_1.Power", PowerControl: [{ MemberId: "0", PowerConsumedWatts: watts, ...status }] };
    return { "@odata.type": "#EnvironmentMetrics.v1_3_0.EnvironmentMetrics", PowerWatts: { Reading: watts, ...status } };
  };

  const reset = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    const kind = (JSON.parse(body) as { ResetType?: unknown }).ResetType;
    if (faults.precondition && request.headers["if-match"] !== etag()) return refuse(response, request.headers["if-match"] === undefined ? 428 : 412, "PreconditionRequired");
    if (faults.resetStatus !== null) {
      const status = faults.resetStatus;
      faults.resetStatus = null;
      return refuse(response, status, "InternalError");
    }
    if (typeof kind !== "string" || !(faults.allowed ?? ["On", "ForceOff"]).includes(kind)) return refuse(response, 400, "ActionParameterNotSupported");
    if (faults.loseCommand) {
      faults.loseCommand = false;
      return;
    }
    commands.push(kind);
    if (!faults.lie && (kind === "On" || kind === "ForceOff")) {
      power = kind === "On" ? "on" : "off";
      edges += 1;
    }
    if (faults.loseAnswer) {
      faults.loseAnswer = false;
      return;
    }
    if (faults.task === null) return send(response, 204, null);
    polls = 0;
    send(response, 202, { "@odata.type": "#Task.v1_7_0.Task", TaskState: "New" }, { location: "/redfish/v1/TaskService/Tasks/1" });
  };

  const logIn = (response: ServerResponse, body: string): void => {
    const { UserName, Password } = JSON.parse(body) as { UserName?: unknown; Password?: unknown };
    if (UserName !== user || Password !== password) return refuse(response, 401, "the account or its password is wrong");
    const id = String(tokens.size + 1);
    tokens.set(id, `token-${id}-${edges}-secret`);
    send(response, 201, { "@odata.id": `${SESSIONS}/${id}` }, { "x-auth-token": tokens.get(id) ?? "", location: `${SESSIONS}/${id}` });
  };

  const serve = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    const { method = "", url: path = "" } = request;
    if (faults.hang) return;
    if (faults.closes) response.setHeader("connection", "close");
    if (faults.answer !== null) {
      const { status, headers = {}, body: text = "", times } = faults.answer;
      if (times !== undefined) faults.answer = times > 1 ? { ...faults.answer, times: times - 1 } : null;
      response.writeHead(status, headers);
      return void response.end(text);
    }
    if (method === "GET" && /^\/redfish\/v1\/?$/.test(path)) return send(response, 200, { "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot", Systems: { "@odata.id": SYSTEM.slice(0, -1) } });
    if (method === "POST" && path === SESSIONS) return logIn(response, body);
    if (!allowed(request)) return refuse(response, 401, "NoValidSession");
    if (method === "DELETE" && path.startsWith(`${SESSIONS}/`) && tokens.delete(path.slice(SESSIONS.length + 1))) return send(response, 204, null);
    if (method === "GET" && path === SYSTEM.slice(0, -1)) return send(response, 200, { Members: faults.systems.map((id) => ({ "@odata.id": SYSTEM + id })) });
    if (method === "GET" && path === "/redfish/v1/TaskService/Tasks/1" && faults.task !== null) {
      polls += 1;
      const state = polls > faults.task.polls ? faults.task.state : "Running";
      return send(response, 200, { "@odata.type": "#Task.v1_7_0.Task", TaskState: state });
    }
    if (method === "GET" && path.startsWith(CHASSIS)) {
      const found = chassis(path);
      return found === undefined ? refuse(response, 404, "ResourceMissingAtURI") : send(response, 200, found);
    }
    const [, id = "", rest = ""] = /^\/redfish\/v1\/Systems\/([^/]+)(\/.*)?$/.exec(path) ?? [];
    if (!faults.systems.includes(id)) return refuse(response, 404, "ResourceMissingAtURI");
    if (method === "GET" && rest === "/ResetActionInfo") return send(response, 200, { Parameters: [{ Name: "ResetType", AllowableValues: faults.allowed }] });
    if (method === "POST" && rest === "/Actions/ComputerSystem.Reset") return reset(request, response, body);
    if (method !== "GET" || rest !== "") return refuse(response, 405, "OperationNotAllowed");
    if (!faults.cutAnswer) return send(response, 200, system(id), { etag: etag() });
    response.writeHead(200, { "content-length": "1000" });
    response.write('{"PowerState": "Off"');
    setTimeout(() => request.socket.destroy(), 20);
  };

  const server = createServer({ key, cert, keepAliveTimeout: 60_000 }, (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body = (body + text).slice(0, BODY_MAX)));
    request.on("end", () => {
      try {
        serve(request, response, body);
      } catch {
        refuse(response, 400, "MalformedJSON");
      }
    });
  });
  server.on("connection", (socket: Duplex) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: "127.0.0.1", port, certificate: cert, fingerprint, faults,
    commands: () => [...commands],
    requests: () => [...requests],
    sessions: () => tokens.size,
    truth: () => power,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    }),
  };
}

function send(response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
  const text = body === null ? "" : JSON.stringify(body);
  response.writeHead(status, { "odata-version": "4.0", ...(body === null ? {} : { "content-type": "application/json" }), "content-length": Buffer.byteLength(text), ...headers });
  response.end(text);
}

function refuse(response: ServerResponse, status: number, message: string): void {
  send(response, status, { error: { code: "Base.1.0.GeneralError", "@Message.ExtendedInfo": [{ MessageId: `Base.1.0.${message}`, Message: `The service says: ${message}.` }] } });
}

/** One for all of this process: making one takes longer than most tests. */
let made: { key: string; cert: string; fingerprint: string } | null = null;

/** A certificate of its own making, one a process. */
export function selfSigned(): { key: string; cert: string; fingerprint: string } {
  if (made !== null) return made;
  const folder = mkdtempSync(join(tmpdir(), "upkeep-redfish-"));
  try {
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=bmc", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out", cert], { stdio: ["ignore", "ignore", "pipe"] });
    const shown = execFileSync("openssl", ["x509", "-in", cert, "-noout", "-fingerprint", "-sha256"], { encoding: "utf8" });
    return (made = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8"), fingerprint: shown.trim().replace(/^.*=/, "") });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
