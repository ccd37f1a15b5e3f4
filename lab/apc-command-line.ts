// The virtual PDU as a program, for tests that need it in a network namespace or a process of its own. It is driven by JSON
// lines: requests on standard input, one answer each on standard output, where `listening`, every `edge` and every `killed`
// are told as they happen. A password comes from a file only; argv is public.
//
// `kill` is why a process of its own can still be exact: the PDU itself sends SIGKILL, on the byte or line that it sees,
// before it acts on it.

import { fstatSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { setFaults, startApcPdu, type ApcPdu, type ApcPduOptions } from "./apc-pdu.ts";

const HELP = `
Control, one JSON object a line on standard input; each is answered by one line, {"ok":…} or {"error":…}:
  {"faults":{"ghostMs":5000}}                       set faults (lab/apc-faults.ts lists them); the others stay
  {"get":"state"} {"get":"log"} {"get":"faults"}    {"ok":{…}}; the log is what happened so far
  {"switch":{"outlet":2,"state":"off"}}             somebody else's finger
  {"kill":{"pid":123,"at":"byte","n":17}}           SIGKILL on the n-th byte (or "line") received from now on,
                                                    in all connections, before it is acted on; "cut":true: nothing after it
                                                    is received, either. Tells {"killed":{…}}.
  {"drop":true}                                     end all connections and ghosts
  {"close":true}                                    end
On standard output as it happens: {"listening":{"address","port"}}, {"edge":{"outlet","state","cause",…}}, {"killed":{…}}.
Ends at SIGTERM, SIGINT, {"close":true}, or when a standard input that is a pipe ends.`;

const requestSchema = z.union([
  z.strictObject({ faults: z.looseObject({}) }),
  z.strictObject({ get: z.enum(["state", "log", "faults"]) }),
  z.strictObject({ switch: z.strictObject({ outlet: z.number().int().min(1).max(24), state: z.enum(["on", "off"]) }) }),
  z.strictObject({ kill: z.strictObject({ pid: z.number().int().min(2), at: z.enum(["byte", "line"]), n: z.number().int().min(1), cut: z.boolean().default(false) }) }),
  z.strictObject({ drop: z.literal(true) }),
  z.strictObject({ close: z.literal(true) }),
]);
type Request = z.infer<typeof requestSchema>;
type Kill = Extract<Request, { kill: unknown }>["kill"];

/** Runs the program until it is told to end. */
export async function runApcPdu(argv: readonly string[]): Promise<void> {
  const options = parse(argv);
  const pdu = await startApcPdu(options).catch((error: unknown) => {
    process.stderr.write(`apc-pdu: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
  pdu.log.watch((record) => {
    if (record.kind === "edge") tell({ edge: record });
  });
  tell({ listening: { address: pdu.address, port: pdu.port } });
  await new Promise<void>((end) => {
    process.once("SIGTERM", end);
    process.once("SIGINT", end);
    const input = createInterface({ input: process.stdin });
    input.on("line", (line) => {
      if (line.trim() !== "") void answer(pdu, line, end);
    });
    // A pipe ends with whoever held it; a terminal or /dev/null says nothing about anybody.
    const stdin = fstatSync(0);
    if (stdin.isFIFO() || stdin.isSocket()) input.once("close", end);
  });
  await pdu.close();
  process.exit(0);
}

async function answer(pdu: ApcPdu, line: string, end: () => void): Promise<void> {
  try {
    const request = requestSchema.parse(JSON.parse(line));
    tell({ ok: await carryOut(pdu, request) });
    if ("close" in request) end();
  } catch (error) {
    tell({ error: error instanceof z.ZodError ? z.prettifyError(error) : String(error) });
  }
}

async function carryOut(pdu: ApcPdu, request: Request): Promise<unknown> {
  if ("faults" in request) {
    setFaults(pdu.faults, request.faults);
    return true;
  }
  if ("get" in request) return request.get === "state" ? pdu.state() : request.get === "log" ? pdu.log.records : pdu.faults;
  if ("switch" in request) await pdu.switchByHand(request.switch.outlet, request.switch.state);
  if ("kill" in request) killAt(pdu, request.kill);
  if ("drop" in request) pdu.dropSessions();
  return true;
}

function killAt(pdu: ApcPdu, kill: Kill): void {
  const { bytes, lines } = pdu.state();
  const last = (kill.at === "byte" ? bytes : lines) + kill.n;
  const see = (_n: number, total: number): void | "cut" => {
    if (total !== last) return;
    pdu.hooks[kill.at === "byte" ? "onByte" : "onLine"] = null;
    let killed = true;
    try {
      process.kill(kill.pid, "SIGKILL");
    } catch {
      killed = false;
    }
    tell({ killed: { ...kill, killed, monoMs: Number(process.hrtime.bigint()) / 1e6 } });
    return kill.cut ? "cut" : undefined;
  };
  pdu.hooks[kill.at === "byte" ? "onByte" : "onLine"] = see;
}

function tell(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function parse(argv: readonly string[]): ApcPduOptions {
  const command = new Command("apc-pdu")
    .description("A virtual APC switched rack PDU, over telnet.")
    .option("--listen <address:port>", "where to listen; port 0 is any free one", endpoint, { address: "127.0.0.1", port: 0 })
    .addOption(new Option("--dialect <dialect>", "what it speaks").choices(["menu2", "menu3", "shell"]).default("menu3"))
    .addOption(new Option("--shell <style>", "which shell: ol (v5, 6, 7) or plain (v3.7)").choices(["ol", "plain"]).default("ol"))
    .option("--outlets <n>", "how many, 1 to 24", integer(1, 24), 8)
    .option("--name <n=name>", "an outlet's name; may be repeated", name, {})
    .option("--off <n>", "an outlet that is off at first; may be repeated", initial, {})
    .option("--user <name>", "user name", "apc")
    .option("--password-file <file>", "file with the password (default: the password is apc)")
    .option("--page-lines <n>", "outlets on a screen before it waits for Enter", integer(1, 24), 22)
    .addOption(new Option("--account <kind>", "what the menus offer").choices(["administrator", "outlet-user"]).default("administrator"))
    .option("--no-echo", "offer no echo: telnet clients stay in line mode")
    .option("--effect-delay <ms>", "between a command and the relay", integer(0, 3_600_000), 0)
    .option("--inactivity <ms>", "idle time before it hangs up", integer(1, 86_400_000), 180_000)
    .option("--log <file>", "append everything seen to a file of JSON lines")
    .addHelpText("after", HELP);
  command.parse([...argv]);
  const given = command.opts<{
    listen: { address: string; port: number }; dialect: "menu2" | "menu3" | "shell"; shell: "ol" | "plain"; outlets: number; name: Record<number, string>;
    off: Record<number, "off">; user: string; passwordFile?: string; pageLines: number; account: "administrator" | "outlet-user"; echo: boolean;
    effectDelay: number; inactivity: number; log?: string;
  }>();
  return {
    ...given.listen, dialect: given.dialect, shell: given.shell, outlets: given.outlets, names: given.name, initial: given.off, user: given.user,
    pageLines: given.pageLines, account: given.account, echo: given.echo, inactivityMs: given.inactivity, faults: { effectDelayMs: given.effectDelay },
    ...(given.passwordFile === undefined ? {} : { password: readFileSync(given.passwordFile, "utf8").replace(/\r?\n$/, "") }),
    ...(given.log === undefined ? {} : { logFile: given.log }),
  };
}

function endpoint(text: string): { address: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (address === undefined || port > 65_535) throw new InvalidArgumentError("not ADDRESS:PORT or [V6]:PORT.");
  return { address, port };
}

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) throw new InvalidArgumentError(`not a number from ${min} to ${max}.`);
    return value;
  };
}

function name(text: string, names: Record<number, string>): Record<number, string> {
  const match = /^(\d{1,2})=(.{1,40})$/.exec(text);
  if (match?.[2] === undefined) throw new InvalidArgumentError("not N=NAME.");
  return { ...names, [Number(match[1])]: match[2] };
}

function initial(text: string, off: Record<number, "off">): Record<number, "off"> {
  return { ...off, [integer(1, 24)(text)]: "off" };
}
