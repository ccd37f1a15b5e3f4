import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  BUSY, contradicts, ENDS, entryNumber, findOutlet, identityOf, LOGIN_REFUSED, MENU_ENTRIES, MENU_PATHS, readMenuAnswer, readQuestion, readScreen,
  readShellAnswer, readShellList,
} from "./apc-dialects.ts";
import type { Listed } from "./apc-dialects.ts";

const listed = (number: number, label: string | null = `Outlet ${number}`, state: Listed["state"] = "on", mark: string | null = null): Listed => ({ number, label, state, mark });

const LIST = `
------- Outlet Control/Configuration ------------------------------------------

     1- Outlet 1                 OFF
     2- Zedboard-1               ON
     3- RADIO ON                 OFF
     4- db, main                 ON*
     5- web 5                    ON   Group 2
    16-                          ON
    17- Master Control/Configuration

     <ESC>- Back, <ENTER>- Refresh, <CTRL-L>- Event Log
> `;

const CONTROL = `
------- Control Outlet --------------------------------------------------------

        Name         : Zedboard-1
        Outlet       : 2
        State        : ON

     1- Immediate On
     2- Immediate Off
     3- Immediate Reboot
     4- Delayed On
     5- Delayed Off
     6- Delayed Reboot
     7- Cancel

     ?- Help, <ESC>- Back, <ENTER>- Refresh, <CTRL-L>- Event Log
> `;

const question = (title: string, sentence: string): string => `2
        -----------------------------------------------------------------------
        ${title}

        This command will ${sentence}

        Enter 'YES' to continue or <ENTER> to cancel : `;

test("a list of outlets: names with ON in them, pending commands, groups, no name at all, and never the entry for all", () => {
  const screen = readScreen(LIST);
  assert.equal(screen.title, "Outlet Control/Configuration");
  assert.deepEqual(screen.outlets, [
    listed(1, "Outlet 1", "off"), listed(2, "Zedboard-1", "on"), listed(3, "RADIO ON", "off"), listed(4, "db, main", "unknown"),
    listed(5, "web 5", "unknown", "Group 2"), listed(16, null, "on"),
  ]);
  assert.equal(entryNumber(screen, /^Master/), 17);
});

test("the entry for all outlets is no outlet, even when a device gives it a state", () => {
  assert.deepEqual(readScreen("     9- ALL Outlets       ON\n     9- Master Control/Configuration    OFF\n> ").outlets, []);
});

test("a control screen says which outlet it is about, and entries are found by their title", () => {
  const screen = readScreen(CONTROL);
  assert.deepEqual([screen.name, screen.outlet, screen.state], ["Zedboard-1", 2, "on"]);
  assert.equal(entryNumber(screen, MENU_ENTRIES.immediate.off), 2);
  assert.equal(entryNumber(screen, MENU_ENTRIES.immediate.on), 1);
  assert.equal(entryNumber(readScreen("1- Immediate Off\n2- Immediate Off\n> "), MENU_ENTRIES.immediate.off), null);
});

test("the banner above the main menu does not count, only the last screen does", () => {
  const screen = readScreen(`American Power Conversion               Network Management Card AOS      v3.7.3
Name      : RackPDU                                   Date : 02/13/2013
Up Time   : 7 Days 15 Hours 31 Minutes                Stat : P+ N+ A+

------- Control Console -------------------------------------------------------

     1- Device Manager
     2- Network
     3- System
     4- Logout

     <ESC>- Main Menu, <ENTER>- Refresh, <CTRL-L>- Event Log
> `);
  assert.equal(screen.title, "Control Console");
  assert.deepEqual([...screen.entries], [["Device Manager", 1], ["Network", 2], ["System", 3], ["Logout", 4]]);
  assert.equal(screen.name, null);
  assert.equal(entryNumber(screen, MENU_PATHS.menu2[0]?.choose as RegExp), 1);
});

test("a late screen in front of the right one is not mixed with it", () => {
  const screen = readScreen(LIST + CONTROL);
  assert.deepEqual(screen.outlets, []);
  assert.equal(screen.outlet, 2);
});

test("a control screen names this outlet, another one, or none", () => {
  const all = [listed(1), listed(2, "Zedboard-1"), listed(3, "mail")];
  const identity = (text: string, outlet: Listed, among = all): string => {
    const found = identityOf(readScreen(text), outlet, among);
    return found.kind === "other" ? found.why : found.kind;
  };
  assert.equal(identity(CONTROL, listed(2, "Zedboard-1")), "named");
  assert.equal(identity(CONTROL, listed(2, "Zedboard")), "named", "a list may cut long names off");
  assert.match(identity(CONTROL, listed(3, "Zedboard-1")), /about outlet 2, not 3/);
  assert.match(identity(CONTROL, listed(2, "mail")), /another name/);
  const unnumbered = CONTROL.replace(/Outlet .*: 2/, "");
  assert.equal(identity(unnumbered, listed(2, "Zedboard-1")), "named", "no number, but a name that no other outlet has");
  assert.equal(identity(unnumbered, listed(2, "Zedboard-1"), [...all, listed(4, "Zedboard-1")]), "silent");
  assert.equal(identity(unnumbered.replace(/Name .*/, ""), listed(2, "Zedboard-1")), "silent");
});

test("without fields the title may say which outlet it is", () => {
  const all = [listed(1), listed(2, "db"), listed(3, "mail")];
  const identity = (title: string, outlet: Listed, among = all): string => identityOf(readScreen(`------- ${title} -------\n1- Control Outlet\n> `), outlet, among).kind;
  assert.equal(identity("db", listed(2, "db")), "named");
  assert.equal(identity("mail", listed(2, "db")), "other");
  assert.equal(identity("db", listed(2, "db"), [...all, listed(4, "db")]), "silent");
  assert.equal(identity("Outlet 2", listed(2, "db")), "named");
  assert.equal(identity("Outlet 3", listed(2, "db")), "other");
  assert.equal(identity("Outlet 12 (db)", listed(2, "db")), "other");
  assert.equal(identity("Control Outlet", listed(2, "db")), "silent");
});

test("a title stands between dashes, behind them, or alone where it is one of the path", () => {
  for (const title of ["------- Control Console -------", "------- Control Console", "-------Control Console-------", "=== Control Console ===", "   Control Console"]) {
    assert.equal(readScreen(`\n${title}\n\n  1- Device Manager\n  4- Logout\n> `).title, "Control Console", title);
  }
  assert.equal(readScreen("-----------------------\nsome text\n1- Device Manager\n> ").title, null);
});

test("YES is only said to the right question", () => {
  const outlet = listed(2, "Zedboard-1");
  const ask = (text: string, action: "on" | "off" = "off", of = outlet): string | null => readQuestion(text, of, action, of.label).problem;
  assert.equal(ask(question("Immediate Off", "immediately shutdown\n        outlet 2 named 'Zedboard-1'.")), null);
  assert.equal(ask(question("Immediate On", "immediately turn on\n        outlet 2 named 'Zedboard-1'."), "on"), null);
  // Firmware that does not name the outlet here has named it on the screen before.
  assert.equal(ask(question("Immediate Off", "immediately turn the outlet off.")), null);
  for (const off of ["", "immediately shutdown outlet 2.", "Turn outlet 2 Off immediately.", "turn off power on outlet 2", "Power off outlet 2?"]) {
    assert.equal(ask(`2\n ${off}\n  Enter 'YES' to continue or <ENTER> to cancel : `), null, off);
  }
  for (const on of ["", "Turn outlet 2 On.", "Immediately power on outlet 2"]) assert.equal(ask(`1\n ${on}\n  Enter 'YES' to continue or <ENTER> to cancel : `, "on"), null, on);
  const wrong: readonly (readonly [string, string])[] = [
    ["Immediate On", "immediately turn on\n        outlet 2 named 'Zedboard-1'."],
    ["Immediate Reboot", "immediately shutdown\n        outlet 2 named 'Zedboard-1', delay for 5 seconds,\n        and then restart."],
    ["Delayed Off", "shutdown, after its power off delay,\n        outlet 2 named 'Zedboard-1'."],
    ["Immediate Off", "immediately shutdown\n        outlet 12 named 'Zedboard-1'."],
    ["Immediate Off", "immediately shutdown\n        outlet 2 named 'mail'."],
    ["Immediate Off", "immediately shutdown\n        ALL outlets."],
    ["Immediate Off", "immediately shutdown\n        outlets 2 and 3."],
    ["Immediate Off", "immediately shutdown\n        outlet 2 named 'Zedboard-1' and its outlet group."],
    ["Master Immediate Off", "immediately shutdown everything."],
    ["Immediate Off", "turn outlet 2 on, not off."],
    ["", "do something."],
    ["", "turn outlet 2 on."],
  ];
  for (const [title, sentence] of wrong) assert.notEqual(ask(question(title, sentence)), null, `${title}: ${sentence}`);
  for (const [title, sentence] of [["Immediate Off", "shutdown outlet 2"], ["", "turn outlet 2 off"], ["Immediate Reboot", ""]] as const) assert.notEqual(ask(question(title, sentence), "on"), null, `${title}: ${sentence}`);
});

test("a question names its outlet by number only", () => {
  const named = (sentence: string): boolean => readQuestion(question("Immediate Off", sentence), listed(2, "db"), "off", "db").named;
  assert.equal(named("immediately shutdown\n outlet 2 named 'db'."), true);
  assert.equal(named("immediately shutdown\n outlet 1 named 'db'."), false);
  assert.equal(named("immediately turn the outlet off."), false);
});

test("a name may read like anything: it is compared, and not taken for a part of the question", () => {
  for (const name of ["Immediate On", "ALL outlets", "reboot 'Master' group", "outlet 7", "db  1", "$&"]) {
    assert.equal(readQuestion(question("Immediate Off", `immediately shutdown\n        outlet 2 named '${name}'.`), listed(2, name), "off", name).problem, null, name);
  }
  assert.notEqual(readQuestion(question("Delayed Reboot", "restart outlet 2 named 'Immediate Off'."), listed(2, "Immediate Off"), "off", "Immediate Off").problem, null);
});

test("the menus' answer: issued, failed, or nothing that can be trusted", () => {
  assert.deepEqual(readMenuAnswer("YES\n\n        Command successfully issued.\n\n        Press <ENTER> to continue..."), { kind: "accepted" });
  assert.deepEqual(readMenuAnswer("\n  Command failed.\n"), { kind: "refused", words: "Command failed." });
  for (const nothing of ["", "Command successfully iss", "Command was not successfully issued", "Command successfully issued.\nCommand failed.", "success", LIST]) {
    assert.equal(readMenuAnswer(nothing).kind, "none", nothing);
  }
});

test("the shells' answers: exactly one code", () => {
  assert.deepEqual(readShellAnswer("olOff 3\nE000: Success\n\napc>"), { kind: "accepted" });
  assert.deepEqual(readShellAnswer("E001: Successfully Issued\napc>"), { kind: "accepted" });
  assert.deepEqual(readShellAnswer("off 3\nOK\n\nAPC> "), { kind: "accepted" });
  assert.deepEqual(readShellAnswer("E102: Parameter Error\napc>"), { kind: "refused", words: "E102: Parameter Error" });
  assert.deepEqual(readShellAnswer("E104: User does not have access to this command.\napc>"), { kind: "refused", words: "E104: User does not have access to this command." });
  assert.equal(readShellAnswer("E101: Command Not Found\napc>").kind, "unknown-command");
  assert.equal(readShellAnswer("E100: Command does not exist.\napc>").kind, "unknown-command");
  for (const words of ["Unknown command", "Invalid command: olStatus", "Command not found.", "ERROR: unrecognized command"]) assert.equal(readShellAnswer(`olStatus all\n${words}\napc>`).kind, "unknown-command", words);
  assert.equal(readShellAnswer("off 3\n 1: unknown command: On\napc>").kind, "none", "an outlet of that name");
  for (const nothing of ["", "apc>", "E000", "E000: Success\nE000: Success\n", "OK\nE100: Command failed", "E201: No Response", "not OK"]) assert.equal(readShellAnswer(nothing).kind, "none", nothing);
});

test("the shells' lists, in either order of the columns", () => {
  assert.deepEqual(readShellList("E000: Success\n 1: Switch 2108B: On\n 2: Switches 135/137: Off \n 3: a: b: On*\napc>"), [
    listed(1, "Switch 2108B", "on"), listed(2, "Switches 135/137", "off"), listed(3, "a: b", "unknown"),
  ]);
  assert.deepEqual(readShellList("OK\n1:ON:Outlet 1\n2:OFF:Outlet 2\n"), [listed(1, "Outlet 1", "on"), listed(2, "Outlet 2", "off")]);
  for (const [line, label] of [["1: ON", null], ["Outlet 1: On", null], ["1 web server ON", "web server"], ["1. web  on", "web"], ["1: ON  web", "web"], ["1- web ON", "web"]] as const) {
    assert.deepEqual(readShellList(`status\n${line}\napc>`), [listed(1, label)], line);
  }
  assert.deepEqual(readShellList("1 ON OFF\n"), [listed(1, null, "unknown")], "a name that is a state, without colons");
  assert.deepEqual(readShellList("Up for 3 days, 12 users on\non 3\nUser 12 on\n"), []);
  assert.deepEqual(readShellList("1: On: Off\n"), [listed(1, null, "unknown")], "a name that is a state: nobody can tell");
});

test("an outlet is found by number or by the one name that it has", () => {
  const outlets = [listed(1, "web"), listed(2, "db"), listed(3, "db"), listed(4, "7")];
  assert.equal((findOutlet(outlets, "1") as Listed).number, 1);
  assert.equal((findOutlet(outlets, "web") as Listed).number, 1);
  assert.match(findOutlet(outlets, "db") as string, /outlets 2 and 3 both/);
  for (const none of ["7", "0", "WEB", "we", "", "5", "1 "]) assert.match(findOutlet(outlets, none) as string, /no such outlet/, none);
});

test("a list that contradicts itself is not a list", () => {
  assert.equal(contradicts([listed(1), listed(2), listed(5)]), false);
  assert.equal(contradicts([listed(1), listed(2), listed(1), listed(2)]), false, "drawn twice");
  assert.equal(contradicts([listed(1), listed(2), listed(1, "other")]), true);
  assert.equal(contradicts([listed(1), listed(1, "Outlet 1", "off")]), true);
  assert.equal(contradicts([listed(1), listed(12), listed(2)]), true);
  assert.equal(contradicts([listed(0)]), true);
});

test("the ends: prompts only where a device comes to rest", () => {
  const ends = (text: string): string[] => Object.entries(ENDS).filter(([, end]) => end.test(text)).map(([name]) => name);
  assert.deepEqual(ends("\n\nUser Name : "), ["userName"]);
  assert.deepEqual(ends("\n\nPassword  : "), ["password"]);
  assert.deepEqual(ends("\nEvent Log\n> "), ["menu"]);
  assert.deepEqual(ends("\napc>"), ["shell"]);
  assert.deepEqual(ends("\nAPC> "), ["shell"]);
  assert.deepEqual(ends("\noperator@apc>"), ["shell"]);
  assert.deepEqual(ends("\n   Press <ENTER> to continue..."), ["page"]);
  assert.deepEqual(ends(question("Immediate Off", "x")), ["confirm"]);
  assert.deepEqual(ends("\nsucker>"), ["shell"], "the device's own name");
  for (const none of ["", "> 1", "a >", "1- a > b\n", "1-a>", "     <ESC>", "Press <ENTER>", "\nUser Name : apc", "apc> status"]) assert.deepEqual(ends(none), [], none);
});

test("words for a device that serves another, and for a wrong password", () => {
  for (const busy of ["Another user is logged in. Try again later.", "Someone is already logged in", "User is currently logged in", "too many sessions", "The Switched Rack PDU is still\n initializing. Please try again later."]) {
    assert.match(busy, BUSY);
  }
  for (const ready of ["User : Administrator", "Switched Rack PDU: Communication Established", "Up Time : 1 Day"]) assert.doesNotMatch(ready, BUSY);
  assert.match("Access denied", LOGIN_REFUSED);
});

test("no text makes a reader throw, take long, or find what is not there", () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.constantFrom("\n", "     3- ", "3: ", " ON", ": On", "OFF", "*", "------- ", " -------", "Outlet       : 3", "Name : ", "State : ", "E000: Success", "OK", "Command successfully issued.", "Immediate Off", "named '", "'", "Enter 'YES' to continue or <ENTER> to cancel : ", "outlet 3", "Master ", "ALL outlets", "> ", "apc>"),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const text = pieces.join("");
      const started = performance.now();
      const screen = readScreen(text);
      const outlets = [...screen.outlets, ...readShellList(text)];
      for (const outlet of outlets) {
        assert.ok(Number.isInteger(outlet.number) && outlet.number >= 0 && outlet.number <= 999);
        assert.ok(outlet.label === null || outlet.label !== "");
      }
      contradicts(outlets);
      findOutlet(outlets, "3");
      identityOf(screen, listed(3), outlets);
      readShellAnswer(text);
      if (readMenuAnswer(text).kind === "accepted") assert.ok(text.includes("Command successfully issued"));
      if (readQuestion(text, listed(3), "off", null).problem === null) assert.match(text.split(/Enter 'YES'/i)[0] as string, /\boff\b|^[\d\s=-]*(?:named '.*')?$/i);
      assert.ok(performance.now() - started < 500);
    }),
    { numRuns: 3000 },
  );
});

test("the longest text that a dialogue passes on is read quickly", () => {
  for (const unit of ["3- a ON ", " ", "-", "- ", "1: On", "named '", "outlet 3 ", "3: a: On\n"]) {
    const text = unit.repeat(Math.ceil(65_536 / unit.length));
    const started = performance.now();
    readScreen(text);
    readShellList(text);
    readMenuAnswer(text);
    readShellAnswer(text);
    readQuestion(text, listed(3), "off", "a");
    for (const end of Object.values(ENDS)) end.test(text.slice(-160));
    assert.ok(performance.now() - started < 2_000, `${JSON.stringify(unit)} took ${performance.now() - started} ms`);
  }
});
