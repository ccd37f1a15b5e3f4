// The driver against a virtual PDU with everything wrong that can be, and against scripted consoles that no PDU should be.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { startApcPdu } from "../../lab/apc-pdu.ts";
import type { ApcPdu, ApcPduOptions } from "../../lab/apc-pdu.ts";
import { UpkeepError } from "../core/errors.ts";
import { apc } from "./apc.ts";
import type { ApcOptions } from "./apc.ts";
import type { Fire, PowerSession, SetOutcome } from "./power.ts";

const USER = "operator";
const PASSWORD = "hunter2";
const DIALECTS: readonly ApcPduOptions[] = [{ dialect: "menu2" }, { dialect: "menu3" }, { dialect: "shell" }, { dialect: "shell", shell: "plain", prompt: "APC> " }];

const nameOf = (options: ApcPduOptions): string => `${options.dialect}${options.shell === undefined ? "" : ` ${options.shell}`}`;
const signal = (): AbortSignal => AbortSignal.timeout(30_000);
const yes: Fire = (_, write) => {
  write();
  return Promise.resolve(true);
};
const never: Fire = () => {
  throw new Error("the gate must not be asked");
};
const code = (...codes: string[]) => (error: unknown): boolean => {
  assert.ok(error instanceof UpkeepError, String(error));
  assert.ok(codes.includes(error.code), `${error.code}: ${error.message}`);
  assert.ok(!error.message.includes(PASSWORD) && !error.message.includes(USER), error.message);
  return true;
};

function connectTo(target: { readonly address: string; readonly port: number }, more: Partial<ApcOptions> = {}): Promise<PowerSession> {
  return apc.create({ host: target.address, port: target.port, username: USER, password: PASSWORD, dialect: "auto", stepMs: 5_000, maxActMs: 30_000, ...more }).open(signal());
}

/** The device takes a moment to see that a session has been cut off. */
async function untilFree(pdu: ApcPdu): Promise<void> {
  for (const end = Date.now() + 10_000; pdu.state().sessions > 0; await new Promise((done) => setTimeout(done, 5))) assert.ok(Date.now() < end, "a session was left behind");
}

async function pduFor(t: TestContext, options: ApcPduOptions): Promise<ApcPdu> {
  const pdu = await startApcPdu({ user: USER, password: PASSWORD, ...options });
  t.after(() => pdu.close());
  return pdu;
}

const sent = (pdu: ApcPdu): string[] => pdu.log.all("command").map((command) => `${command.action} ${command.outlets.join()}${command.master ? " all" : ""}`);

for (const options of DIALECTS) {
  const name = nameOf(options);

  test(`${name}: a cut at any byte of a set ends in what is true, with one command at most`, { timeout: 60_000 }, async (t) => {
    const whole = await pduFor(t, options);
    const session = await connectTo(whole);
    const before = whole.state().bytes;
    assert.equal((await session.set("3", "off", yes, signal())).kind, "accepted");
    const bytes = whole.state().bytes;
    await session.close();
    for (let n = before + 1; n <= bytes; n += n > bytes - 12 ? 1 : 3) {
      for (const side of ["before", "after"] as const) {
        const pdu = await pduFor(t, { ...options, faults: { cut: { at: "byte", n, side, how: n % 2 === 0 ? "reset" : "close" } } });
        const opened = await connectTo(pdu);
        let asked = 0;
        const ended = await opened.set("3", "off", (reading, write) => ((asked += 1), yes(reading, write)), signal()).catch((error: unknown) => error);
        await opened.close();
        await pdu.idle();
        const off = pdu.truth(3) === "off";
        const at = `cut ${side} byte ${n} of ${bytes}`;
        if (ended instanceof Error) {
          assert.ok(ended instanceof UpkeepError && asked === 0 && !off, `${at}: ${ended.message}`);
        } else {
          const { kind, evidence } = ended as SetOutcome;
          assert.equal(asked, 1, at);
          assert.ok(kind === "unknown" || (kind === "accepted" && off), `${at}: ${kind}, ${pdu.truth(3)}: ${evidence}`);
        }
        assert.ok(sent(pdu).length <= 1 && sent(pdu).every((command) => command === "off 3"), `${at}: ${sent(pdu).join()}`);
        await pdu.close();
      }
    }
  });

  test(`${name}: refused in words is refused by the device, and the session goes on`, async (t) => {
    const pdu = await pduFor(t, { ...options, faults: { rejects: { 3: "off" } } });
    const session = await connectTo(pdu);
    const outcome = await session.set("3", "off", yes, signal());
    assert.equal(outcome.kind === "refused" && outcome.by, "device", outcome.evidence);
    assert.match(outcome.evidence, /failed/i);
    assert.equal((await session.read(["3"], signal()))[0]?.state, "on");
    assert.equal((await session.set("2", "off", yes, signal())).kind, "accepted");
    await session.close();
  });

  test(`${name}: a device that acknowledges and does nothing is accepted, and read back as it is`, async (t) => {
    const pdu = await pduFor(t, { ...options, faults: { ignores: { 3: "off" } } });
    const session = await connectTo(pdu);
    assert.equal((await session.set("3", "off", yes, signal())).kind, "accepted");
    assert.equal((await session.read(["3"], signal()))[0]?.state, "on");
    await session.close();
  });

  test(`${name}: a relay that lags behind reads on until it has moved; a pending command reads unknown`, async (t) => {
    for (const pendingMark of [false, true]) {
      const pdu = await pduFor(t, { ...options, pendingMark, faults: { effectDelayMs: 300 } });
      const session = await connectTo(pdu);
      assert.equal((await session.set("3", "off", yes, signal())).kind, "accepted");
      assert.equal((await session.read(["3"], signal()))[0]?.state, pendingMark ? "unknown" : "on");
      await pdu.idle();
      assert.equal((await session.read(["3"], signal()))[0]?.state, "off");
      await session.close();
    }
  });

  test(`${name}: slow answers are waited for, slower ones are a time-out`, async (t) => {
    const pdu = await pduFor(t, { ...options, faults: { answerDelayMs: 60 } });
    const session = await connectTo(pdu);
    assert.equal((await session.read(["3"], signal()))[0]?.state, "on");
    await session.close();
    pdu.faults.answerDelayMs = 900;
    await assert.rejects(connectTo(pdu, { stepMs: 300 }), code("POWER_TIMEOUT"));
  });

  test(`${name}: a wrong password, and a device that refuses the right one`, async (t) => {
    const pdu = await pduFor(t, options);
    await assert.rejects(connectTo(pdu, { password: "wrong" }), code("POWER_LOGIN"));
    await untilFree(pdu);
    await assert.rejects(connectTo(pdu, { username: "nobody" }), (error) => error instanceof UpkeepError && error.code === "POWER_LOGIN");
    await assert.rejects(connectTo(await pduFor(t, { ...options, loginTries: 1 }), { password: "wrong" }), code("POWER_LOGIN"));
    assert.deepEqual(pdu.log.all("line").filter((line) => line.text.includes("wrong")), []);
  });

  test(`${name}: the second session finds the device busy, and gets in when the first has left`, async (t) => {
    for (const secondSession of ["reset", "close", "after-login"] as const) {
      const pdu = await pduFor(t, { ...options, faults: { secondSession } });
      const first = await connectTo(pdu);
      await assert.rejects(connectTo(pdu), code("POWER_BUSY"));
      await first.close();
      await (await connectTo(pdu)).close();
      assert.equal(pdu.state().sessionsMax, 1);
    }
  });

  test(`${name}: a ghost holds the device until it is gone`, async (t) => {
    const pdu = await pduFor(t, { ...options, faults: { ghostMs: 60_000 } });
    const abort = new AbortController();
    const session = await connectTo(pdu);
    const read = session.read(["3"], abort.signal);
    abort.abort();
    await assert.rejects(read, code("POWER_TIMEOUT"));
    await session.close();
    await pdu.log.until("close");
    await assert.rejects(connectTo(pdu), code("POWER_BUSY"));
    pdu.dropSessions();
    await (await connectTo(pdu)).close();
  });

  test(`${name}: names: the device's own, two that are alike, one that is another host's`, async (t) => {
    const pdu = await pduFor(t, { ...options, names: { 1: "db", 2: "db", 3: "mail, main", 4: "Web ON", 5: "Immediate Off" } });
    const session = await connectTo(pdu);
    assert.deepEqual(await session.read(["mail, main", "Web ON"], signal()), [
      { outlet: "mail, main", state: "on", label: "mail, main" },
      { outlet: "Web ON", state: "on", label: "Web ON" },
    ]);
    for (const wrong of ["db", "mail", "9", "0", "all", "1,2", "1-3"]) await assert.rejects(session.set(wrong, "off", never, signal()), code("POWER_OUTLET"), wrong);
    for (const right of ["mail, main", "Web ON", "Immediate Off", "1"]) assert.equal((await session.set(right, "off", yes, signal())).kind, "accepted", right);
    assert.deepEqual(sent(pdu), ["off 3", "off 4", "off 5", "off 1"]);
    pdu.faults.labels = { 3: "another" };
    await assert.rejects(session.set("mail, main", "off", never, signal()), code("POWER_OUTLET"));
    assert.equal((await session.read(["3"], signal()))[0]?.label, "another");
    await session.close();
  });

  test(`${name}: the configured dialect must be the one that it speaks`, async (t) => {
    const pdu = await pduFor(t, options);
    for (const dialect of ["menu2", "menu3", "shell"] as const) {
      if (dialect === options.dialect) await (await connectTo(pdu, { dialect })).close();
      else await assert.rejects(connectTo(pdu, { dialect }), code("POWER_NONSENSE"));
    }
  });

  test(`${name}: it logs out, and nothing but reads, its command and the log-out is ever sent`, async (t) => {
    const pdu = await pduFor(t, options);
    const session = await connectTo(pdu);
    await session.read(["1"], signal());
    await session.set("3", "off", yes, signal());
    await session.set("3", "on", () => Promise.resolve(false), signal());
    await session.close();
    assert.equal((await pdu.log.until("close")).why, "logged out");
    assert.deepEqual(sent(pdu), ["off 3"]);
    const lines = pdu.log.all("line").map((line) => line.text);
    assert.equal(lines.filter((line) => line === "YES").length, options.dialect === "shell" ? 0 : 1);
    for (const line of lines) assert.doesNotMatch(line, /reboot|dly|cancel|master|all outlets/i);
  });

  test(`${name}: a question that was left waiting until the device withdrew it is not answered`, async (t) => {
    const pdu = await pduFor(t, { ...options, inactivityMs: 300 });
    const session = await connectTo(pdu);
    const outcome = await session.set("3", "off", async (_, write) => {
      await pdu.log.until("close");
      await new Promise((done) => setTimeout(done, 50));
      write();
      return true;
    }, signal());
    assert.equal(outcome.kind, "unknown");
    assert.match(outcome.evidence, /nothing was sent/);
    assert.equal(pdu.truth(3), "on");
    await session.close();
  });
}

test("a device that accepts and says nothing, hangs up, or is not there", async (t) => {
  const pdu = await pduFor(t, { dialect: "menu3", faults: { mute: true } });
  await assert.rejects(connectTo(pdu, { stepMs: 200 }), code("POWER_TIMEOUT"));
  pdu.faults.hangUp = true;
  await assert.rejects(connectTo(pdu), code("POWER_BUSY"));
  await pdu.close();
  await assert.rejects(connectTo(pdu), code("POWER_UNREACHABLE"));
  await assert.rejects(connectTo({ address: "no-such-host.invalid", port: 23 }), code("POWER_UNREACHABLE"));
});

/** A console that says what it is told to, line for line; what it heard is kept. */
async function scripted(t: TestContext, answer: (line: string, say: (text: string) => void, socket: Socket) => void, greeting = "\r\nUser Name : "): Promise<{ address: string; port: number; heard: string[] }> {
  const heard: string[] = [];
  const server: Server = createServer((socket) => {
    t.after(() => socket.destroy());
    socket.on("error", () => {});
    socket.write(greeting, "latin1");
    let typed = "";
    const say = (text: string): void => void socket.write(text, "latin1");
    socket.on("data", (bytes) => {
      for (const key of bytes.toString("latin1")) {
        if (key === "\r" || key === "\u001b" || key === "\u0003") {
          const line = key === "\r" ? typed : key === "\u001b" ? "Esc" : "Ctrl-C";
          typed = "";
          heard.push(line);
          if (line === USER) say("\r\nPassword  : ");
          else answer(line, say, socket);
        } else typed += key;
      }
    });
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  return { address: "127.0.0.1", port: (server.address() as AddressInfo).port, heard };
}

const MENU = (title: string, ...rows: string[]): string => `\r\n------- ${title} -------\r\n\r\n${rows.map((row) => `     ${row}\r\n`).join("")}\r\n     <ESC>- Back\r\n> `;
const ACTIONS = ["1- Immediate On", "2- Immediate Off", "3- Immediate Reboot", "7- Cancel"];
const SCREENS: Readonly<Record<string, string>> = {
  main: MENU("Control Console", "1- Device Manager", "2- Network", "3- System", "4- Logout"),
  device: MENU("Device Manager", "1- Phase Management", "2- Outlet Management"),
  management: MENU("Outlet Management", "1- Outlet Control/Configuration"),
  list: MENU("Outlet Control/Configuration", "1- web         ON", "2- db          ON", "3- Master Control/Configuration"),
  outlet: MENU("db", "Name         : db", "Outlet       : 2", "State        : ON", "", "1- Control Outlet", "2- Configure Outlet"),
  control: MENU("Control Outlet", "Name         : db", "Outlet       : 2", "State        : ON", "", ...ACTIONS),
  question: "\r\n     Immediate Off\r\n\r\n     This command will immediately shutdown\r\n     outlet 2 named 'db'.\r\n\r\n     Enter 'YES' to continue or <ENTER> to cancel : ",
  answer: "\r\n     Command successfully issued.\r\n\r\n     Press <ENTER> to continue...",
};
/** menu3, walked straight down to outlet 2: which line leads from which screen to which. */
const WAY: readonly (readonly [string, string, string])[] = [
  ["main", "1", "device"], ["device", "2", "management"], ["management", "1", "list"], ["list", "2", "outlet"], ["outlet", "1", "control"], ["control", "2", "question"],
  ["question", "YES", "answer"], ["question", "", "control"], ["answer", "", "control"], ["control", "Esc", "outlet"], ["outlet", "Esc", "list"], ["list", "Esc", "management"], ["management", "Esc", "device"],
];

async function walk(t: TestContext, change: Readonly<Record<string, string>>): Promise<{ address: string; port: number; heard: string[]; said: string[] }> {
  const screens = { ...SCREENS, ...change };
  const said: string[] = [];
  let here = "login";
  const target = await scripted(t, (line, say, socket) => {
    if (here === "login" && line === PASSWORD) here = "main";
    else if (here === "main" && line === "4") return void socket.end();
    else if (line === "Ctrl-C") here = "main";
    else here = WAY.find(([from, key]) => from === here && key === line)?.[2] ?? here;
    said.push(here);
    say(screens[here] ?? "");
  });
  return { ...target, said };
}

test("the scripted console itself is switched", async (t) => {
  const target = await walk(t, {});
  const session = await connectTo(target);
  const outcome = await session.set("db", "off", yes, signal());
  assert.equal(outcome.kind, "accepted");
  assert.equal(outcome.evidence, "«2» | Immediate Off | This command will immediately shutdown | outlet 2 named 'db'. | Enter 'YES' to continue or <ENTER> to cancel : «YES» | Command successfully issued. | Press <ENTER> to continue...");
  await session.close();
  assert.deepEqual(target.heard.slice(-3), ["", "Ctrl-C", "4"]);
});

test("whenever it is not certain which outlet the question is about, it is not answered and the gate is not asked", async (t) => {
  const change = (screen: string, from: string | RegExp, to: string): Readonly<Record<string, string>> => ({ [screen]: (SCREENS[screen] as string).replace(from, to) });
  const cases: readonly Readonly<Record<string, string>>[] = [
    change("control", "Outlet       : 2", "Outlet       : 1"),
    change("control", "Name         : db", "Name         : web"),
    { outlet: MENU("Settings", "1- Control Outlet"), control: MENU("Control Outlet", ...ACTIONS), question: "\r\n     Enter 'YES' to continue or <ENTER> to cancel : " },
    { outlet: MENU("web", "1- Control Outlet"), control: MENU("Control Outlet", ...ACTIONS) },
    { outlet: MENU("Outlet 1", "1- Control Outlet"), control: MENU("Control Outlet", ...ACTIONS) },
    change("question", "outlet 2", "outlet 1"),
    change("question", "outlet 2", "outlet 12"),
    change("question", "outlet 2 named 'db'", "ALL outlets"),
    change("question", "'db'", "'web'"),
    change("question", "Immediate Off", "Immediate Reboot"),
    change("question", "Immediate Off", "Delayed Off"),
    change("question", "Immediate Off", "Immediate On"),
    change("question", /Immediate Off\r\n|shutdown/g, ""),
    change("list", "2- db          ON", "2- db          ON   Group 1"),
    change("list", "1- web         ON", "2- web         ON"),
    change("control", "2- Immediate Off", "2- Immediate Reboot"),
    change("control", "3- Immediate Reboot", "3- Immediate Off"),
  ];
  for (const [index, changed] of cases.entries()) {
    const target = await walk(t, changed);
    const session = await connectTo(target, { stepMs: 250 });
    await assert.rejects(session.set("2", "off", never, signal()), code("POWER_NONSENSE", "POWER_OUTLET", "POWER_TIMEOUT"), `case ${index}`);
    await session.close();
    assert.ok(!target.heard.includes("YES"), `case ${index}`);
  }
});

test("sparse screens do, as long as one of them says which outlet it is", async (t) => {
  const bare = MENU("Control Outlet", ...ACTIONS);
  const ask = "\r\n     Enter 'YES' to continue or <ENTER> to cancel : ";
  const titles = Object.fromEntries(["main", "device", "management", "list"].map((name) => [name, (SCREENS[name] as string).replace(/-{7} (.*) -{7}/, "$1")]));
  const cases: readonly Readonly<Record<string, string>>[] = [
    { control: bare },
    { outlet: MENU("Outlet 2", "1- Control Outlet"), control: bare, question: ask },
    { outlet: MENU("Settings", "1- Control Outlet 2", "2- Configure Outlet"), control: bare },
    { question: ask },
    { question: `\r\n     Turn outlet 2 off immediately.\r\n${ask}` },
    { question: (SCREENS["question"] as string).replace("Immediate Off", "") },
    { ...titles },
    Object.fromEntries(Object.entries(SCREENS).map(([name, screen]) => [name, screen.replace(/\n> $/, "\nsucker> ")])),
  ];
  for (const [index, changed] of cases.entries()) {
    const target = await walk(t, changed);
    const session = await connectTo(target, { stepMs: 1_000 });
    assert.equal((await session.set("2", "off", yes, signal())).kind, "accepted", `case ${index}`);
    await session.close();
    assert.deepEqual(target.heard.slice(-3), ["", "Ctrl-C", "4"], `case ${index}`);
  }
});

test("a shell with a prompt of its own, whose status has no code, is read and switched", async (t) => {
  let state = "ON";
  const target = await scripted(t, (line, say, socket) => {
    if (line === "quit") return void socket.end();
    if (line.startsWith("off")) state = "OFF";
    const answer: Readonly<Record<string, string>> = { [PASSWORD]: "", "olStatus all": "Unknown command\r\n", status: ` 1: ON\r\n 2: ${state}\r\n`, "off 2": "OK\r\n" };
    say(`\r\n${answer[line] ?? "E102: Parameter Error\r\n"}sucker>`);
  });
  const session = await connectTo(target, { stepMs: 1_000 });
  assert.equal((await session.set("2", "off", yes, signal())).kind, "accepted");
  assert.deepEqual((await session.read(["1", "2"], signal())).map((reading) => reading.state), ["on", "off"]);
  await session.close();
  assert.deepEqual(target.heard, [USER, PASSWORD, "olStatus all", "status", "off 2", "status", "quit"]);
});

test("an answer that is not one leaves an unknown", async (t) => {
  for (const answer of ["", "\r\nCommand successfully iss", MENU("Control Console", "4- Logout"), "\r\n     Press <ENTER> to continue...", "\r\nCommand was perhaps issued.\r\n     Press <ENTER> to continue..."]) {
    const target = await walk(t, { answer });
    const session = await connectTo(target, { stepMs: 300 });
    const outcome = await session.set("2", "off", yes, signal());
    assert.equal(outcome.kind, "unknown", `${JSON.stringify(answer)}: ${outcome.evidence}`);
    await session.close();
  }
});

test("a prompt that comes when the question should be answered makes the question void", async (t) => {
  let late = (_text: string): void => {};
  const target = await scripted(t, (line, say) => {
    late = say;
    const next = line === PASSWORD ? "main" : WAY.find(([from, key]) => from === target.heard.at(-2) && key === line)?.[2];
    say(SCREENS[next ?? ["main", "device", "management", "list", "outlet", "control", "question"][target.heard.length - 2] ?? "control"] ?? "");
  });
  const session = await connectTo(target, { stepMs: 400 });
  const outcome = await session.set("2", "off", async (_, write) => {
    late(SCREENS["control"] as string);
    await new Promise((done) => setTimeout(done, 100));
    write();
    return true;
  }, signal());
  assert.equal(outcome.kind, "unknown");
  assert.match(outcome.evidence, /nothing was sent: the device went on/);
  assert.ok(!target.heard.includes("YES"));
  await session.close();
});

test("endless pages, endless lines, noise and an endless subnegotiation are nonsense, at once", async (t) => {
  const started = performance.now();
  const floods: readonly string[] = ["x".repeat(5_000), "x y z\r\n".repeat(20_000), "\u0001\u0002".repeat(100), `\u00ff\u00fa\u0018${"A".repeat(3_000)}`];
  for (const flood of floods) {
    const target = await scripted(t, () => {}, flood);
    await assert.rejects(connectTo(target, { stepMs: 20_000 }), code("POWER_NONSENSE"));
  }
  const target = await walk(t, { list: "\r\n------- Outlet Control/Configuration -------\r\n 1- web  ON\r\n     Press <ENTER> to continue..." });
  const session = await connectTo(target, { stepMs: 20_000 });
  await assert.rejects(session.read(["1"], signal()), code("POWER_NONSENSE"));
  await session.close();
  assert.ok(performance.now() - started < 15_000);
});

test("what is not a log-in is nonsense, and said so", async (t) => {
  const target = await scripted(t, () => {}, "SSH-2.0-OpenSSH_9.2p1\r\n");
  await assert.rejects(connectTo(target, { stepMs: 200 }), (error) => code("POWER_NONSENSE")(error) && /SSH-2.0-OpenSSH/.test((error as Error).message));
});

test("an echoed user name and password are in no error", async (t) => {
  const target = await scripted(t, (line, say, socket) => {
    for (const letter of `\r\nyou typed ${USER} and ${line}\r\n`) say(letter);
    setTimeout(() => socket.destroy(), 50);
  });
  await assert.rejects(connectTo(target), (error) => code("POWER_LOGIN")(error) && /you typed \[hidden\] and \[hidden\]/.test((error as Error).message));
});
