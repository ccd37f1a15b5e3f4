// Whatever is answered, what is written is taken by the real loader, disarmed, and means what was answered. A person's answers
// are given by chance here, wrong ones among them; what is typed for a terminal is tried in e2e/init.test.ts.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { driverFacts } from "../../config/driver-settings.ts";
import { loadConfig } from "../../config/load.ts";
import type { Answered, Candidate, Discovery, FoundDevice } from "../../discovery/discovery.ts";
import { CliError } from "../exit.ts";
import type { Asker } from "../init-questions.ts";
import { run } from "../program.ts";
import type { InitOptions, InitWorld } from "./init.ts";
import { runInit } from "./init.ts";

const NOW_MS = Date.UTC(2026, 10, 29, 12);

let folder = "";
let files = 0;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "upkeep-init-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Nobody is there, and nobody answers. */
const NOBODY: Discovery = { gather: () => Promise.resolve({ candidates: [], said: [], gateway: null }), look: () => Promise.resolve(new Map()), devices: () => Promise.resolve([]), close: () => undefined };

type Ran = { readonly code: number; readonly lines: readonly string[]; readonly out: string };

async function init(options: InitOptions, world: Partial<InitWorld> = {}): Promise<Ran> {
  files += 1;
  const out = options.out ?? join(folder, `${files}/upkeep.yaml`);
  const lines: string[] = [];
  const code = await runInit({ ...options, out }, { print: (line) => lines.push(line), nowMs: () => NOW_MS, terminal: false, networks: () => [], progress: () => undefined, note: () => undefined, interruptible: (work) => work(new AbortController().signal), discovery: () => Promise.resolve(NOBODY), readLine: () => Promise.resolve(null), ask: () => Promise.reject(new Error("nobody to ask")), ...world });
  return { code, lines, out };
}

async function refused(options: InitOptions, exit: number, says: RegExp, world: Partial<InitWorld> = {}): Promise<void> {
  await assert.rejects(init(options, world), (error) => {
    assert.ok(error instanceof CliError);
    assert.equal(error.exit, exit, error.message);
    assert.match(error.message, says);
    return true;
  });
}

const SUCKER: InitOptions = { power: ["sucker=apc:10.0.0.9"], secret: ["sucker.password=-"], host: ["logos=10.0.0.11,2", "ethos=10.0.0.12,sucker/3"] };
const typing = (...words: string[]): Partial<InitWorld> => ({ readLine: () => Promise.resolve(words.shift() ?? null) });

describe("flags", () => {
  test("a file that the loader takes, disarmed, with the end of the first week; the password in a file of its own", async () => {
    const { code, lines, out } = await init({ ...SUCKER, reference: ["10.0.0.1"], mail: "you@example.org", site: "rack: 4" }, typing("se same"));
    assert.equal(code, 0);
    const text = readFileSync(out, "utf8");
    assert.match(text, /^armed: false$/m);
    assert.match(text, /until 2026-12-06/);
    assert.doesNotMatch(text, /se same/);
    const secret = join(out, "../sucker.password");
    assert.equal(readFileSync(secret, "utf8"), "se same\n");
    assert.equal(statSync(secret).mode & 0o777, 0o600);
    const loaded = await loadConfig(out);
    assert.ok(loaded.ok);
    assert.deepEqual(loaded.problems, [], "not even a warning");
    const { policy } = loaded.config;
    assert.equal(policy.armed, false);
    assert.equal(policy.site, "rack: 4");
    assert.deepEqual([...policy.hosts.values()].map((host) => host.levels.flat().map(({ device, outlet }) => `${device}/${outlet}`)), [["sucker/2"], ["sucker/3"]]);
    assert.doesNotMatch(lines.join("\n"), /se same/);
    assert.deepEqual(lines.slice(-4).map((line) => line.trim().split(" ").slice(0, 2).join(" ")), ["upkeep check", "upkeep watch", "upkeep status", "upkeep power"]);
  });

  test("--json: one object, with the warnings of the loader", async () => {
    const { lines, out } = await init({ host: ["web1=10.0.0.21"], json: true });
    assert.equal(lines.length, 1);
    const told = JSON.parse(lines[0] ?? "") as { file: string; armed: boolean; until: string; problems: readonly { code: string }[] };
    assert.deepEqual([told.file, told.armed, told.until], [out, false, "2026-12-06"]);
    assert.ok(told.problems.some(({ code }) => code === "NO_REFERENCES"));
  });

  test("several watchers, and a driver's other settings", async () => {
    const { out } = await init({ host: ["web1=10.0.0.21,relay/1"], power: ["relay=command"], set: ["relay.on=[relay, on, '{outlet}']", "relay.off=[relay, off]", "relay.status=[relay, status]", "relay.deadline=10s"], store: "etcd=10.0.0.31,10.0.0.32,10.0.0.33", name: "watch-a" });
    const loaded = await loadConfig(out);
    assert.ok(loaded.ok, JSON.stringify(loaded.problems));
    assert.equal(loaded.config.shell.store.kind, "etcd");
    assert.equal(loaded.config.policy.watcher, "watch-a");
    assert.equal(loaded.config.policy.devices.get("relay")?.maxActMs, 10_000);
  });

  test("without a terminal and without flags: usage that names them", () => refused({}, 2, /--host .*--reference .*--mail/s));

  test("nothing is overwritten, unless --force says so; and nothing is half written", async () => {
    const { out } = await init(SUCKER, typing("one"));
    const before = readFileSync(out, "utf8");
    await refused({ ...SUCKER, out }, 2, /--force/, typing("two"));
    assert.equal(readFileSync(out, "utf8"), before);
    await init({ ...SUCKER, out, force: true, site: "again" }, typing("two"));
    assert.match(readFileSync(out, "utf8"), /^site: again$/m);
    assert.equal(readFileSync(join(out, "../sucker.password"), "utf8"), "two\n");
    // A secret of that name is there, and the configuration is not: neither is touched.
    files += 1;
    const other = join(folder, `${files}/upkeep.yaml`);
    await init({ ...SUCKER, out: other }, typing("three"));
    rmSync(other);
    await refused({ ...SUCKER, out: other }, 2, /sucker\.password is there already/, typing("four"));
    assert.equal(existsSync(other), false);
    assert.equal(readFileSync(join(other, "../sucker.password"), "utf8"), "three\n");
  });

  test("what is wrong is said, and nothing is written", async () => {
    await refused({ host: ["logos"] }, 2, /NAME=ADDRESS/);
    await refused({ ...SUCKER, power: ["sucker=acp:10.0.0.9"] }, 2, /one of the drivers .*apc.*command/);
    await refused({ ...SUCKER, secret: [] }, 2, /--secret sucker\.password=FILE/);
    await refused({ ...SUCKER, power: ["sucker=apc"] }, 2, /--power sucker=apc:ADDRESS/, typing("x"));
    await refused(SUCKER, 2, /standard input has no line/);
    await refused({ ...SUCKER, set: ["sucker.password=hunter2"] }, 2, /not for the command line/, typing("x"));
    await refused({ ...SUCKER, set: ["sucker.colour=red"] }, 2, /the driver apc has address/, typing("x"));
    await refused({ ...SUCKER, store: "consul" }, 2, /etcd=HOST/, typing("x"));
    await refused({ host: ["lo gos=10.0.0.11"] }, 3, /lo gos/);
    await refused({ ...SUCKER, host: ["logos=10.0.0.11,2", "ethos=10.0.0.12,2"] }, 3, /sucker\/2/, typing("x"));
    await refused({ host: ["logos=10.0.0.11"], mail: "nobody at home" }, 3, /mail/);
    files += 1;
    assert.deepEqual(existsSync(join(folder, `${files}`)), false);
  });

  test("a secret's own file is named where it is", async () => {
    const path = join(folder, "pdu-password");
    writeFileSync(path, "sesame\n", { mode: 0o600 });
    const { out } = await init({ ...SUCKER, secret: [`sucker.password=${path}`] });
    assert.match(readFileSync(out, "utf8"), new RegExp(`file: ${path}`));
  });

  test("on a terminal it is shown first, and may be refused", async () => {
    const asker: Partial<InitWorld> = { terminal: true, ask: () => Promise.resolve({ yes: () => Promise.resolve(false) } as unknown as Asker) };
    await refused({ host: ["web1=10.0.0.21"] }, 1, /nothing was written/, asker);
    const { code } = await init({ host: ["web1=10.0.0.21"], yes: true }, { terminal: true });
    assert.equal(code, 0);
  });

  test("by the command line: options that may be repeated", async () => {
    const out = join(folder, "by-command-line/upkeep.yaml");
    assert.equal(await run(["init", "--host", "a=10.0.0.1", "--host", "b=10.0.0.2", "--reference", "10.0.0.3", "--out", out, "--yes", "--json"], "0.0.0"), 0);
    const loaded = await loadConfig(out);
    assert.ok(loaded.ok);
    assert.deepEqual([...loaded.config.policy.hosts.keys()], ["a", "b"]);
  });
});

describe("looking round", () => {
  const candidate = (address: string, name: string, writtenAs: string | null = null): Candidate => ({ address, name, writtenAs, sources: ["the scan"] });
  type World = { readonly candidates?: readonly Candidate[]; readonly devices?: readonly FoundDevice[]; readonly answers?: Readonly<Record<string, readonly Answered[]>>; readonly gateway?: string };
  const around = ({ candidates = [], devices = [], answers = {}, gateway }: World): { readonly discovery: () => Promise<Discovery>; readonly asked: { sources: unknown[]; community: string; closed: number } } => {
    const asked = { sources: [] as unknown[], community: "", closed: 0 };
    return { asked, discovery: () => Promise.resolve({
      gather: async (sources) => (asked.sources.push(...sources), { candidates, said: ["known_hosts: 3 entries, and 12 whose names are hashed"], gateway: gateway ?? null }),
      look: async (addresses) => new Map(addresses.map((address) => [address, answers[address] ?? []])),
      devices: async (_addresses, community) => ((asked.community = community), devices),
      close: () => void (asked.closed += 1),
    }) };
  };
  const PING: Answered = { probe: "ping", evidence: "ping: echo reply in 0.20 ms" };
  const SSH: Answered = { probe: "ssh", evidence: "ssh: SSH-2.0-OpenSSH_9.2p1" };
  const PDU: FoundDevice = { address: "10.0.0.9", driver: "snmp-pdu", settings: { model: "apc-rpdu", version: 1 }, seen: "APC, by SNMP: \u001b[2J evil\narmed: true", outlets: [{ outlet: "2", label: "Logos" }, { outlet: "3", label: "twice" }, { outlet: "4", label: "twice" }] };

  test("--yes takes all: probes that answered, what was seen, outlets by label, the router", async () => {
    const { discovery, asked } = around({
      candidates: [candidate("10.0.0.9", "pdu"), candidate("10.0.0.11", "logos"), candidate("10.0.0.12", "twice"), candidate("10.0.0.13", "armed-true", "x\narmed: true"), candidate("10.0.0.11", "already")],
      devices: [PDU], gateway: "10.0.0.1",
      answers: { "10.0.0.1": [PING], "10.0.0.11": [PING, SSH], "10.0.0.12": [PING, { probe: "dns", evidence: "dns: \u001b]0;x\u0007 NOERROR\narmed: true" }] },
    });
    const notes: string[] = [];
    const { out, code } = await init({ scan: ["10.0.0.0/24"], from: ["known-hosts"], yes: true, power: ["sucker=snmp-pdu:10.0.0.9"], set: ["sucker.version=1"], secret: ["sucker.community=-"] }, { ...typing("private"), discovery, note: (line) => notes.push(line) });
    assert.equal(code, 0);
    const text = readFileSync(out, "utf8");
    const loaded = await loadConfig(out);
    assert.ok(loaded.ok, `${text}${JSON.stringify(loaded.problems)}`);
    const { policy } = loaded.config;
    assert.equal(policy.armed, false);
    assert.deepEqual([...policy.hosts.keys()].slice(0, 3), ["logos", "twice", "armed-true"], "the PDU is no host");
    assert.deepEqual(policy.hosts.get("logos")?.levels.flat().map(({ device, outlet }) => `${device}/${outlet}`), ["sucker/2"]);
    assert.deepEqual(policy.hosts.get("twice")?.levels, [], "two labels are no suggestion");
    assert.match(text, /# ssh: SSH-2\.0-OpenSSH_9\.2p1\n/);
    assert.match(text, /prove it before you arm: upkeep power logos cycle/);
    assert.match(text, /^watcher: \{ references: \[ 10\.0\.0\.1 \] \}$/m);
    assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f]/);
    assert.deepEqual(asked.sources, [{ kind: "known-hosts", file: null }, { kind: "scan", subnet: "10.0.0.0/24" }]);
    assert.equal(asked.community, "public");
    assert.equal(asked.closed, 1);
    assert.ok(notes.some((line) => line.includes("12 whose names are hashed")) && notes.some((line) => line.includes("is called armed-true here")), notes.join("\n"));
  });

  test("a person is asked before a scan, and chooses; Ctrl-C keeps what was found", async () => {
    const { discovery, asked } = around({ candidates: [candidate("10.0.0.11", "logos"), candidate("10.0.0.12", "ethos")], devices: [PDU] });
    const questions: string[] = [];
    const asker = { yes: (question: string) => (questions.push(question), Promise.resolve(!/Ask every address/.test(question))), several: () => Promise.resolve(["10.0.0.12"]), note: () => undefined } as unknown as Asker;
    let interrupted = 0;
    const { out } = await init({ scan: ["10.0.0.0/30"], from: ["hosts=/nowhere"] }, { terminal: true, ask: () => Promise.resolve(asker), discovery, interruptible: (work) => ((interrupted += 1), work(AbortSignal.abort())) });
    assert.deepEqual(asked.sources, [{ kind: "hosts", file: "/nowhere" }], "no means no");
    assert.deepEqual(questions.map((question) => question.slice(0, 10)), ["Ask every ", "Write this"]);
    const loaded = await loadConfig(out);
    assert.ok(loaded.ok);
    assert.deepEqual([...loaded.config.policy.hosts.keys()], ["ethos"]);
    assert.ok(interrupted > 0);
    assert.match(readFileSync(out, "utf8"), /# found, and not used yet: snmp-pdu at 10\.0\.0\.9/);
  });

  test("the questions: a device and hosts that were found", async () => {
    const { discovery } = around({ candidates: [candidate("10.0.0.9", "pdu"), candidate("10.0.0.11", "logos")], devices: [PDU], answers: { "10.0.0.11": [PING, SSH] } });
    const texts: Record<string, string> = { "What is it called": "sucker", "The outlet of logos": "", "The next host": "", "What must answer": "", "Whom to call": "" };
    const suggested: (string | undefined)[] = [];
    const asker: Asker = {
      text: async (question, { initial }) => {
        if (/outlet/.test(question)) suggested.push(initial);
        return Object.entries(texts).find(([start]) => question.startsWith(start))?.[1] || initial || "";
      },
      choose: async (question, options) => (/What switches/.test(question) ? (options[0] as { value: string }).value : /Another/.test(question) ? "no more" : "embedded"),
      several: async (question, options) => options.map(({ value }) => value).slice(0, /Where/.test(question) ? 1 : undefined),
      secret: () => Promise.resolve("private"),
      yes: () => Promise.resolve(true),
      note: () => undefined,
    };
    const { out } = await init({}, { terminal: true, networks: () => ["10.0.0.0/24"], ask: () => Promise.resolve(asker), discovery });
    const loaded = await loadConfig(out);
    assert.ok(loaded.ok, readFileSync(out, "utf8"));
    assert.deepEqual(suggested, ["sucker/2"]);
    assert.deepEqual(loaded.config.policy.hosts.get("logos")?.levels.flat().map(({ outlet }) => outlet), ["2"]);
    assert.equal(loaded.config.policy.devices.get("sucker")?.driver, "snmp-pdu");
    assert.match(readFileSync(out, "utf8"), /model: apc-rpdu/);
  });

  test("--look asks the hosts that were named; a name is not asked", async () => {
    const { discovery } = around({ answers: { "10.0.0.11": [PING, SSH] } });
    const notes: string[] = [];
    const { out } = await init({ host: ["logos=10.0.0.11", "far=far.example.org"], look: true }, { discovery, note: (line) => notes.push(line) });
    assert.match(readFileSync(out, "utf8"), /logos:\n    address: 10\.0\.0\.11\n    probes: \[ ping, ssh \]/);
    assert.match(notes.join(), /far was not asked/);
  });

  test("what is not scanned, and what is no source", async () => {
    await refused({ scan: ["10.0.0.0/8"], yes: true }, 2, /16,777,216 addresses; a scan takes a \/20 at most/);
    await refused({ scan: ["8.8.8.0/24"], yes: true }, 2, /other people's machines/);
    await refused({ scan: ["fd00::/64"], yes: true }, 2, /no IPv4 network/);
    await refused({ from: ["cobwebs"], yes: true }, 2, /write known-hosts, hosts, neighbours, leases/);
    await refused({ from: ["hosts"] }, 2, /--yes takes all of it/);
    await refused({ from: ["hosts"], yes: true }, 1, /no host was found/);
    await refused({ from: ["hosts"], community: "/nowhere/community", yes: true }, 2, /no community in it/);
  });
});

/** A person who answers by chance, out of these words, with at most so many devices and hosts. */
function anybody(draws: Iterator<number>, said: { text: string[] }): Asker {
  const draw = (below: number): number => (draws.next().value as number) % below;
  const WORDS = ["", "logos", "true", "1e3", "null", "0x1F", "on", "~", "a.b-c_d", "10.0.0.11", "10.0.0.12:23", "[fd00::1]:2323", "fd00::7", "www.example.org", "1", "2", "sucker/3", "sucker/4 + sucker2/4", "sucker2/5", "#5", "you@example.org", "root@localhost", "no: thing", "'", "\"quoted\"", "{ flow: 1 }", "relay {outlet}", "10.0.0.31, 10.0.0.32", "é", "y"];
  let asked = 0;
  return {
    async text(question, { initial, check }) {
      for (;;) {
        asked += 1;
        // Who is tired gives the answers that end it.
        const enough = asked > 120;
        const answer = enough ? (/first host/.test(question) ? `h${asked}` : /next host/.test(question) ? "" : /address of|^address|members/i.test(question) ? "10.0.9.9" : initial ?? (/called|outlet|answer|mail/i.test(question) ? "" : "relay")) : (WORDS[draw(WORDS.length)] as string) || (initial ?? "");
        if ((check?.(answer) ?? null) !== null) continue;
        said.text.push(answer);
        return answer;
      }
    },
    async choose(_question, options) {
      asked += 1;
      const last = options[options.length - 1] as { value: string };
      return asked > 60 ? last.value === "no more" ? last.value : (options[0] as { value: string }).value : (options[draw(options.length)] as { value: string }).value;
    },
    several: () => Promise.resolve([]),
    async secret() {
      return ["sesame", "with space", "#hash: {}", "é"][draw(4)] as string;
    },
    yes: () => Promise.resolve(true),
    note: () => undefined,
  };
}

describe("questions", () => {
  test("every combination of answers ends in a file that the loader takes, disarmed", async () => {
    const seen = { devices: 0, hosts: 0, powered: 0, stores: new Set<string>() };
    await fc.assert(fc.asyncProperty(fc.infiniteStream(fc.nat(10_000)), async (draws) => {
      const { out, code } = await init({}, { terminal: true, ask: () => Promise.resolve(anybody(draws[Symbol.iterator](), { text: [] })) });
      assert.equal(code, 0);
      const loaded = await loadConfig(out);
      assert.ok(loaded.ok, `${readFileSync(out, "utf8")}\n${JSON.stringify(loaded.problems)}`);
      assert.equal(loaded.config.policy.armed, false);
      assert.ok(loaded.config.policy.hosts.size >= 1);
      seen.devices += loaded.config.policy.devices.size;
      seen.hosts += loaded.config.policy.hosts.size;
      seen.powered += [...loaded.config.policy.hosts.values()].filter((host) => host.levels.length > 0).length;
      seen.stores.add(loaded.config.shell.store.kind);
    }), { numRuns: 60 });
    assert.ok(seen.devices > 10 && seen.hosts > 60 && seen.powered > 5, JSON.stringify(seen));
    assert.equal(seen.stores.size, 3);
  });

  test("every driver of the schema is offered, with what it cannot do without", () => {
    const facts = driverFacts();
    assert.ok(facts.length >= 2);
    for (const { driver, description, settings } of facts) {
      assert.notEqual(description, "", driver);
      for (const setting of settings) assert.notEqual(setting.description, "", `${driver}.${setting.name}`);
    }
    const apc = facts.find((each) => each.driver === "apc");
    assert.deepEqual(apc?.settings.filter((setting) => setting.required).map(({ name, kind }) => `${name}: ${kind}`), ["address: value", "password: secret"]);
  });
});
