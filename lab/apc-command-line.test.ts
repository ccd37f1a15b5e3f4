import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { RawClient } from "./apc-raw-client.ts";

const PROGRAM = join(import.meta.dirname, "apc-pdu.ts");

type Line = Record<string, unknown>;

/** The program as another test would start it: its lines as they come, and an end. */
class Program {
  readonly child: ChildProcess;
  readonly #lines: Line[] = [];
  #wake: (() => void) | null = null;

  constructor(t: TestContext, argv: readonly string[]) {
    this.child = spawn(process.execPath, [PROGRAM, ...argv], { stdio: ["pipe", "pipe", "inherit"] });
    t.after(() => this.child.kill("SIGKILL"));
    const { stdout } = this.child;
    assert.ok(stdout);
    createInterface({ input: stdout }).on("line", (line) => {
      this.#lines.push(JSON.parse(line) as Line);
      this.#wake?.();
    });
  }

  tell(request: unknown): void {
    this.child.stdin?.write(`${typeof request === "string" ? request : JSON.stringify(request)}\n`);
  }

  /** The next line that has this key; those before it are passed over. */
  async next(key: string): Promise<unknown> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined && key in line) return line[key];
      if (line === undefined) await this.#news(key);
    }
  }

  async ask(request: unknown): Promise<unknown> {
    this.tell(request);
    return this.next("ok");
  }

  ended(): Promise<number | null> {
    return new Promise((resolve) => {
      if (this.child.exitCode !== null) resolve(this.child.exitCode);
      else this.child.once("exit", resolve);
    });
  }

  #news(key: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no line with ${key}`)), 10_000);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
    });
  }
}

test("as a program: it says where it listens, takes faults, tells edges and state, and ends with its standard input", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-apc-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const passwordFile = join(folder, "password");
  const log = join(folder, "log.jsonl");
  writeFileSync(passwordFile, "hunter2\n", { mode: 0o600 });
  const program = new Program(t, [
    "--listen", "127.0.0.1:0", "--dialect", "shell", "--outlets", "10", "--name", "2=logos", "--name", "3=ethos", "--off", "3",
    "--user", "apc", "--password-file", passwordFile, "--log", log,
  ]);
  const listening = await program.next("listening") as { address: string; port: number };
  const raw = await RawClient.open(listening);
  t.after(() => raw.socket.destroy());
  await raw.login("apc", "hunter2", "apc>");
  assert.match(await raw.ask("olStatus 2,3,10", "apc>"), / 2: logos: On \r\n 3: ethos: Off \r\n 10: Outlet 10: On/);
  assert.equal(await program.ask({ faults: { ignores: { 2: "off" }, effectDelayMs: 5 } }), true);
  await raw.ask("olOff 2", "apc>");
  await raw.ask("olOff 10", "apc>");
  const edge = await program.next("edge") as Line;
  assert.deepEqual([edge["outlet"], edge["state"], edge["cause"]], [10, "off", 2]);
  assert.equal(await program.ask({ switch: { outlet: 4, state: "off" } }), true);
  const state = await program.ask({ get: "state" }) as { outlets: { state: string }[]; sessions: number; commands: number };
  assert.deepEqual(state.outlets.map((outlet) => outlet.state), ["on", "on", "off", "off", "on", "on", "on", "on", "on", "off"]);
  assert.deepEqual([state.sessions, state.commands], [1, 2]);
  assert.equal((await program.ask({ get: "faults" }) as Line)["effectDelayMs"], 5);
  for (const [request, says] of [["{", /JSON/], [{ faults: { nonsense: 1 } }, /nonsense/], [{ kill: { pid: 1, at: "byte", n: 1 } }, /kill\.pid|pid/], [{}, /./]] as const) {
    program.tell(request);
    assert.match(String(await program.next("error")), says);
  }
  const seen = await program.ask({ get: "log" }) as Line[];
  program.child.stdin?.end();
  assert.equal(await program.ended(), 0);
  const written = readFileSync(log, "utf8");
  assert.ok(written.split("\n").length > seen.length);
  assert.doesNotMatch(written, /hunter2/);
});

test("it kills a client on exactly the line that it sees, before it acts on it; with cut, not a byte more is received", async (t) => {
  const program = new Program(t, ["--dialect", "shell"]);
  const { port } = await program.next("listening") as { port: number };
  // apc CR apc CR olOff N CR: 16 bytes in one write; the third line is the command.
  for (const [outlet, at, n, cut, off] of [[1, "line", 3, false, true], [2, "line", 2, true, false], [3, "byte", 15, true, false], [4, "byte", 16, true, true]] as const) {
    const child = spawn(process.execPath, ["-e", `
      const socket = require("node:net").connect(${port}, "127.0.0.1", () => process.stdin.once("data", () => socket.write("apc\\rapc\\rolOff ${outlet}\\r")));
      setTimeout(() => {}, 60_000);`], { stdio: ["pipe", "inherit", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    const exit = new Promise<string | null>((resolve) => child.once("exit", (_code, signal) => resolve(signal)));
    await program.ask({ kill: { pid: child.pid, at, n, cut } });
    child.stdin.write("go\n");
    assert.equal((await program.next("killed") as Line)["killed"], true);
    assert.equal(await exit, "SIGKILL");
    if (off) await program.next("edge");
    const state = await program.ask({ get: "state" }) as { outlets: { state: string }[] };
    assert.equal(state.outlets[outlet - 1]?.state, off ? "off" : "on", `${at} ${n}`);
    await program.ask({ drop: true });
  }
  await program.ask({ close: true });
  assert.equal(await program.ended(), 0);
});

test("--help tells the control lines; a wrong option ends it before it listens", () => {
  const help = spawnSync(process.execPath, [PROGRAM, "--help"], { encoding: "utf8" });
  assert.equal(help.status, 0);
  for (const told of ["--dialect", "--password-file", '{"faults":', '{"kill":', "listening"]) assert.ok(help.stdout.includes(told), told);
  for (const argv of [["--outlets", "25"], ["--listen", "127.0.0.1:99999"], ["--password", "x"]]) {
    const wrong = spawnSync(process.execPath, [PROGRAM, ...argv], { encoding: "utf8", timeout: 20_000 });
    assert.equal(wrong.status, 1, argv.join(" "));
    assert.equal(wrong.stdout, "");
  }
});
