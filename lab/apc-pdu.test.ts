import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { startApcPdu, type ApcPdu, type ApcPduOptions } from "./apc-pdu.ts";
import { RawClient } from "./apc-raw-client.ts";

async function start(t: TestContext, options: ApcPduOptions): Promise<ApcPdu> {
  const pdu = await startApcPdu(options);
  t.after(() => pdu.close());
  return pdu;
}

async function client(t: TestContext, pdu: ApcPdu): Promise<RawClient> {
  const raw = await RawClient.open(pdu);
  t.after(() => raw.socket.destroy());
  return raw;
}

const edges = (pdu: ApcPdu): string[] => pdu.log.all("edge").map((edge) => `${edge.outlet} ${edge.state}`);
const commands = (pdu: ApcPdu): string[] => pdu.log.all("command").map((command) => `${command.action} ${command.outlets.join(",")} ${command.outcome}`);

/** From the main menu to the outlet's control menu. */
const WAY = { menu2: ["1", "3"], menu3: ["1", "2", "1"] } as const;

async function toControl(raw: RawClient, dialect: "menu2" | "menu3", outlet: number): Promise<string> {
  for (const choice of WAY[dialect]) await raw.ask(choice);
  await raw.ask(String(outlet));
  return raw.ask("1");
}

for (const dialect of ["menu2", "menu3"] as const) {
  test(`${dialect}: an off is effective with the CR after YES, and not a byte before`, async (t) => {
    const pdu = await start(t, { dialect, names: { 2: "logos" } });
    const raw = await client(t, pdu);
    assert.match(await raw.login(), dialect === "menu2" ? /AOS +v2\.7/ : /AOS +v3\.7/);
    const control = await toControl(raw, dialect, 2);
    assert.match(control, /Name {9}: logos\r\n +Outlet {7}: 2\r\n +State {8}: ON/);
    assert.match(control, /7- Cancel/);
    raw.send("2\r");
    assert.match(await raw.until("to cancel : "), /Immediate Off[^]*outlet 2 named 'logos'/);
    raw.send("YES");
    await raw.until("YES");
    assert.deepEqual(edges(pdu), []);
    assert.deepEqual(commands(pdu), []);
    raw.send("\r");
    assert.match(await raw.until("Press <ENTER> to continue..."), /Command successfully issued/);
    assert.deepEqual(edges(pdu), ["2 off"]);
    assert.match(await raw.ask(""), /State {8}: OFF/);
    raw.send("\x1b");
    await raw.until("\r\n> ");
    raw.send("\x1b");
    const list = await raw.until("\r\n> ");
    assert.match(list, /Outlet Control\/Configuration/);
    assert.match(list, /\r\n {5}2- logos {20}OFF\r\n {5}3- Outlet 3 {17}ON\r\n/);
    assert.match(list, /9- Master Control\/Configuration/);
    raw.send("\x03");
    assert.match(await raw.until("\r\n> "), /Control Console[^]*4- Logout/);
    raw.send("4\r");
    await raw.until("Connection Closed - Bye");
    assert.equal(await raw.ended(), "end");
    assert.equal((await pdu.log.until("close")).why, "logged out");
    assert.equal(pdu.state().sessions, 0);
  });

  test(`${dialect}: anything but YES cancels: yes, YESS, Enter, Esc, Ctrl-C`, async (t) => {
    const pdu = await start(t, { dialect });
    const raw = await client(t, pdu);
    await raw.login();
    await toControl(raw, dialect, 3);
    for (const answer of ["yes\r", "YESS\r", "\r", "\x1b"]) {
      raw.send("2\r");
      await raw.until("to cancel : ");
      raw.send(answer);
      assert.match(await raw.until("\r\n> "), /------- Control Outlet /);
    }
    raw.send("2\r");
    await raw.until("to cancel : ");
    raw.send("YES\x03");
    assert.match(await raw.until("\r\n> "), /------- Control Console /);
    assert.deepEqual(commands(pdu), []);
    assert.deepEqual(edges(pdu), []);
  });

  test(`${dialect}: an immediate reboot of an outlet that is off leaves it off; of one that is on, cycles it`, async (t) => {
    const pdu = await start(t, { dialect, initial: { 1: "off" }, rebootMs: 20 });
    const raw = await client(t, pdu);
    await raw.login();
    await toControl(raw, dialect, 1);
    raw.send("3\rYES\r\r");
    await raw.until("Press <ENTER> to continue...");
    await pdu.idle();
    assert.equal(pdu.truth(1), "off");
    assert.deepEqual(edges(pdu), []);
    raw.send("\x03");
    await raw.until("Logout");
    await raw.until("\r\n> ");
    await toControl(raw, dialect, 2);
    raw.send("3\rYES\r");
    await pdu.log.until("edge", (edge) => edge.state === "on");
    assert.deepEqual(edges(pdu), ["2 off", "2 on"]);
    assert.deepEqual(commands(pdu), ["reboot 1 accepted", "reboot 2 accepted"]);
  });
}

test("an account for outlets alone sees one layer less", async (t) => {
  for (const dialect of ["menu2", "menu3"] as const) {
    const pdu = await start(t, { dialect, account: "outlet-user" });
    const raw = await client(t, pdu);
    await raw.login();
    assert.doesNotMatch(await raw.ask("1"), /Configuration/);
    let screen = await raw.ask("2");
    if (dialect === "menu3") screen = await raw.ask("1");
    assert.match(screen, /1- Outlet 1/);
    assert.match(await raw.ask("4"), /1- Immediate On/);
  }
});

test("delayed and master commands are done, and logged as such; cancel revokes what is delayed", async (t) => {
  const pdu = await start(t, { dialect: "menu3", outlets: 3, delayedMs: 60_000 });
  const raw = await client(t, pdu);
  await raw.login();
  for (const choice of WAY.menu3) await raw.ask(choice);
  await raw.ask("4");
  assert.match(await raw.ask("1"), /Control of ALL Outlets/);
  raw.send("5\rYES\r\r");
  await raw.until("Press <ENTER>");
  await raw.until("\r\n> ");
  assert.deepEqual(pdu.state().outlets.map((outlet) => outlet.pending), [true, true, true]);
  raw.send("7\rYES\r\r");
  await raw.until("Press <ENTER>");
  await raw.until("\r\n> ");
  await pdu.idle();
  assert.deepEqual(edges(pdu), []);
  raw.send("2\rYES\r");
  await raw.until("Press <ENTER>");
  assert.deepEqual(edges(pdu), ["1 off", "2 off", "3 off"]);
  assert.deepEqual(pdu.log.all("command").map((command) => [command.action, command.master]), [["delayed-off", true], ["cancel", true], ["off", true]]);
});

test("long lists stop at Press <ENTER> to continue, and Esc leaves them", async (t) => {
  const pdu = await start(t, { dialect: "menu3", outlets: 24 });
  const raw = await client(t, pdu);
  await raw.login();
  await raw.ask("1");
  await raw.ask("2");
  raw.send("1\r");
  const first = await raw.until("Press <ENTER> to continue...");
  assert.match(first, /22- Outlet 22/);
  assert.doesNotMatch(first, /23-/);
  // What is typed there is no choice: Enter, or any line, goes on.
  const rest = await raw.ask("5");
  assert.match(rest, /\r\n {4}23- Outlet 23 {16}ON\r\n {4}24- Outlet 24 {16}ON\r\n {4}25- Master/);
  assert.match(await raw.ask("24"), /Outlet {7}: 24/);
  raw.send("\x1b");
  await raw.until("Press <ENTER> to continue...");
  raw.send("\x1b");
  assert.match(await raw.until("\r\n> "), /Outlet Management/);
});

test("the shell of v5 to v7: status, on, off, reboot, and its errors", async (t) => {
  const pdu = await start(t, { dialect: "shell", names: { 2: "logos", 3: "web server" }, rebootMs: 10 });
  const raw = await client(t, pdu);
  const prompt = "\r\napc>";
  assert.match(await raw.login("apc", "apc", prompt), /AOS +v6\./);
  assert.equal(await raw.ask("olStatus all", prompt),
    `olStatus all\r\nE000: Success\r\n 1: Outlet 1: On \r\n 2: logos: On \r\n 3: web server: On \r\n${[4, 5, 6, 7, 8].map((n) => ` ${n}: Outlet ${n}: On \r\n`).join("")}${prompt}`);
  assert.match(await raw.ask("oloff 2", prompt), /\r\nE000: Success\r\n/);
  assert.match(await raw.ask('olStatus "web server",2', prompt), /Success\r\n 3: web server: On \r\n 2: logos: Off \r\n/);
  assert.match(await raw.ask("olReboot logos", prompt), /E000/);
  assert.match(await raw.ask("olOn 2", prompt), /E000/);
  assert.match(await raw.ask("olReboot 4-5", prompt), /E000/);
  await pdu.idle();
  assert.deepEqual(edges(pdu), ["2 off", "2 on", "4 off", "5 off", "4 on", "5 on"]);
  for (const wrong of ["olOff 9", "olOff", "olOff 0", "olOff 2-99", "olOff nobody", "olStatus", "olOff 5-4", "olOff 2 3"]) {
    assert.match(await raw.ask(wrong, prompt), /\r\nE102: Parameter Error\r\n/, wrong);
  }
  for (const wrong of ["off 2", "4", "constructor", "__proto__ 1"]) assert.match(await raw.ask(wrong, prompt), /\r\nE101: Command Not Found\r\n/, wrong);
  assert.equal(edges(pdu).length, 6);
  raw.send("olOff 6\x1b\rquit\r");
  await raw.until("Bye");
  assert.equal(edges(pdu).length, 6, "Esc throws the line away");
});

test("the plain shell: on its own, or of menu3 to a password followed by -c; menu2 and the newer shell have none", async (t) => {
  const plain = await start(t, { dialect: "shell", shell: "plain", password: "se cret" });
  for (const password of ["se cret", "se cret -c"]) {
    const raw = await client(t, plain);
    await raw.login("apc", password, "\r\napc>");
    assert.match(await raw.ask("off 2", "\r\napc>"), /\r\nOK\r\n/);
    assert.match(await raw.ask("status 2", "\r\napc>"), /\r\nOK\r\n2:OFF:Outlet 2\r\n/);
    assert.match(await raw.ask("on 2", "\r\napc>"), /\r\nOK\r\n/);
    assert.match(await raw.ask("status", "\r\napc>"), /\r\nOK\r\n1:ON:Outlet 1\r\n2:ON:Outlet 2\r\n[^]*8:ON/);
    assert.match(await raw.ask("olOff 2", "\r\napc>"), /E101/);
    raw.send("quit\r");
    await raw.until("Bye");
    await raw.ended();
  }
  const menu3 = await start(t, { dialect: "menu3" });
  const raw = await client(t, menu3);
  await raw.login("apc", "apc -c", "\r\nAPC> ");
  assert.match(await raw.ask("reboot 1", "\r\nAPC> "), /OK/);
  for (const dialect of ["menu2", "shell"] as const) {
    const other = await client(t, await start(t, { dialect }));
    await other.login("apc", "apc -c", "User Name : ");
  }
});

test("three wrong passwords end the connection, and lock everybody out for as long as it is set to", async (t) => {
  const pdu = await start(t, { dialect: "menu3", password: "hunter2", lockoutMs: 60_000 });
  const raw = await client(t, pdu);
  await raw.login("apc", "apc", "User Name : ");
  for (const wrong of ["hunter", "hunter22"]) {
    raw.send("apc\r");
    await raw.until("Password  : ");
    raw.send(`${wrong}\r`);
  }
  assert.equal(await raw.ended(), "end");
  assert.deepEqual(pdu.log.all("login").map((login) => login.ok), [false, false, false]);
  const right = await client(t, pdu);
  await right.login("apc", "hunter2", "User Name : ");
});

test("the password is starred on the line and absent from the log", async (t) => {
  const pdu = await start(t, { dialect: "menu3", password: "hunter2" });
  const raw = await client(t, pdu);
  await raw.login("apc", "hunter2");
  assert.match(raw.text, /Password {2}: \*{7}\r\n/);
  assert.doesNotMatch(raw.text + JSON.stringify(pdu.log.records), /hunter2/);
  assert.deepEqual(pdu.log.all("line").map((line) => line.text), ["apc", "(password)"]);
});

test("an idle session is ended", async (t) => {
  const pdu = await start(t, { dialect: "menu3", inactivityMs: 800 });
  const raw = await client(t, pdu);
  await raw.login();
  assert.equal(await raw.ended(), "end");
  assert.equal((await pdu.log.until("close")).why, "inactive");
});

test("onSwitch is called with the relay, for one outlet never twice at once, and a hook that throws stops nothing", async (t) => {
  const order: string[] = [];
  const pdu = await start(t, {
    dialect: "shell",
    onSwitch: async (outlet, state) => {
      order.push(`${outlet} ${state} begins, relay ${pdu.truth(outlet)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
      order.push(`${outlet} ${state} ends`);
      if (state === "on") throw new Error("no such host");
    },
  });
  const raw = await client(t, pdu);
  await raw.login("apc", "apc", "apc>");
  await raw.ask("olOff 2", "\r\napc>");
  await raw.ask("olOn 2", "\r\napc>");
  await raw.ask("olOn 2", "\r\napc>");
  await pdu.idle();
  assert.deepEqual(order.map((entry) => entry.replace(/, relay.*/, "")), ["2 off begins", "2 off ends", "2 on begins", "2 on ends"]);
  assert.deepEqual(pdu.log.all("problem").map((problem) => problem.text), ["onSwitch(2, on): Error: no such host"]);
  assert.equal(pdu.log.all("no-edge").length, 1);
  await pdu.switchByHand(3, "off");
  assert.equal(pdu.log.all("edge").at(-1)?.cause, "hand");
  assert.equal(order.at(-1), "3 off ends");
});
