// What a monitoring plugin's command line asks, as a probe: Nagios writes such lines, and Icinga what amounts to them. A plugin
// whose every option is understood becomes the probe that asks the same without a process; one that asks the host something
// else becomes `plugin`, with the same command. Rows of facts, one a plugin.
//
// Three kinds become no probe at all, because a bad one could cut power: what looks at the machine that it runs on, what an
// agent measured there, and what carries a secret in its arguments.

/** `{address}` stands for the host's in `args`. */
export type PluginCommand = { readonly program: string; readonly args: readonly string[] };

/** `but`: what the probe does not ask of what the plugin asked. */
export type Understood = { readonly probe: unknown; readonly but: readonly string[] } | { readonly why: string };

const ADDRESS = "{address}";
const PACE = "warnings and limits of time: a slow answer is neither good nor bad here";

type Row = {
  /** Options with a value, and without. Any other makes it a `plugin`. */
  readonly values: string;
  readonly flags?: string;
  /** Names of long options, by the short one. */
  readonly long?: Readonly<Record<string, string>>;
  /** Null: it asks more than our probe can. */
  probe(given: ReadonlyMap<string, string>, words: readonly string[]): Omit<Extract<Understood, { probe: unknown }>, "but"> & { readonly but?: readonly string[] } | null;
};

const LONG = { hostname: "H", host: "H", "IP-address": "I", port: "p", warning: "w", critical: "c", timeout: "t", ssl: "S", url: "u", uri: "u", onredirect: "f", packets: "P", send: "s", expect: "e", lookup: "H", server: "s", "expected-address": "a", oid: "o", community: "C", protocol: "P", base: "b", "use-ipv4": "4", "use-ipv6": "6" };
const at = (port: string | undefined, usual: number): { readonly port?: number } => (port === undefined || Number(port) === usual ? {} : { port: Number(port) });
const alone = (name: string, options: Readonly<Record<string, unknown>>): unknown => (Object.keys(options).length === 0 ? name : { [name]: options });
const own = (given: ReadonlyMap<string, string>, words: readonly string[] = []): boolean => [given.get("H"), ...words].every((each) => each === undefined || each === ADDRESS);

const ping: Row = { values: "HwcptniIl", flags: "46", probe: (given, words) => (own(given, words) ? { probe: "ping", but: ["its limits of loss and round trip: one reply is enough"] } : null) };
const greeting = (name: "smtp" | "imap", usual: number, tls: boolean): Row => ({
  values: "Hpwct", flags: "46",
  probe: (given) => (own(given) ? { probe: alone(name, { ...at(given.get("p"), usual), ...(tls ? { tls } : {}) }) } : null),
});
const ntp: Row = { values: "HwcptWC", flags: "46q", probe: (given) => (own(given) ? { probe: alone("ntp", at(given.get("p"), 123)), but: ["its limits of offset and stratum: power mends no clock. `maxOffset` and `maxStratum` are there"] } : null) };

const ROWS: Readonly<Record<string, Row>> = {
  check_ping: ping,
  check_icmp: ping,
  check_fping: ping,
  check_ssh: { values: "Hpt", flags: "46", probe: (given, words) => (own(given, words) ? { probe: alone("ssh", at(given.get("p"), 22)) } : null) },
  check_tcp: {
    values: "Hpwctse", flags: "46",
    probe: (given) => (own(given) && /^\d+$/.test(given.get("p") ?? "") ? { probe: { tcp: { port: Number(given.get("p")), ...(given.has("s") ? { send: given.get("s") } : {}), ...(given.has("e") ? { expect: given.get("e") } : {}) } } } : null),
  },
  check_http: {
    values: "HIpuwctsf", flags: "S46",
    probe(given) {
      const host = given.get("H") ?? given.get("I") ?? "";
      // A virtual host at another address: http would look its name up itself.
      if ((given.get("I") ?? host) !== host || given.has("f")) return null;
      const port = given.has("p") ? `:${given.get("p")}` : "";
      const path = given.get("u") ?? "/";
      const url = `http${given.has("S") ? "s" : ""}://${host}${port}${path.startsWith("/") ? "" : "/"}${path}`;
      return { probe: { http: { url, ...(given.has("s") ? { body: given.get("s") } : {}) } }, but: ["other codes than 200: check_http takes any below 400"] };
    },
  },
  check_dns: { values: "Hsawct", probe: (given) => (given.get("s") === ADDRESS && given.has("H") ? { probe: { dns: { name: given.get("H"), ...(given.has("a") ? { answer: given.get("a") } : {}) } } } : null) },
  check_dig: { values: "HplTawct", flags: "46", probe: (given) => (own(given) && given.has("l") ? { probe: { dns: { name: given.get("l"), type: given.get("T") ?? "A", ...at(given.get("p"), 53), ...(given.has("a") ? { answer: given.get("a") } : {}) } } } : null) },
  check_pgsql: { values: "HPdlwct", flags: "46", probe: (given) => (own(given) ? { probe: alone("postgres", { ...at(given.get("P"), 5_432), ...(given.has("d") ? { database: given.get("d") } : {}) }), but: ["its log-in: here it is asked whether the server accepts connections"] } : null) },
  check_ldap: { values: "Hbpawct", flags: "2346", probe: (given) => (own(given) && !given.has("a") ? { probe: alone("ldap", { ...at(given.get("p"), 389), ...(given.has("b") ? { base: given.get("b") } : {}) }) } : null) },
  check_smtp: greeting("smtp", 25, false),
  check_ssmtp: greeting("smtp", 465, true),
  check_imap: greeting("imap", 143, false),
  check_simap: greeting("imap", 993, true),
  check_ntp: ntp,
  check_ntp_time: ntp,
  check_ntp_peer: ntp,
  check_snmp: {
    values: "HopPCwctml",
    probe(given) {
      const oid = OIDS[given.get("o") ?? ""] ?? given.get("o") ?? "";
      if (!own(given) || !/^\.?1(\.\d+)+$/.test(oid)) return null;
      return { probe: { snmp: { oid, ...at(given.get("p"), 161), ...(given.get("P") === "1" ? { version: "1" } : {}) } }, ...(given.has("c") || given.has("w") ? { but: ["its limits: write min and max"] } : {}) };
    },
  },
};

/** Names of SNMPv2-MIB that people write without their numbers. */
const OIDS: Readonly<Record<string, string>> = { "sysUpTime.0": "1.3.6.1.2.1.1.3.0", "sysDescr.0": "1.3.6.1.2.1.1.1.0", "sysName.0": "1.3.6.1.2.1.1.5.0" };

const HERE = "it looks at the machine that it runs on, and no power cycle cures what it finds";
const AGENT = "it reports what an agent measured there; write it as `plugin` where a power cycle cures it";
const NO_CURE = "no power cycle cures what it finds";
const NEVER: Readonly<Record<string, string>> = {
  check_disk: HERE, check_load: HERE, check_users: HERE, check_procs: HERE, check_swap: HERE, check_apt: HERE, check_mailq: HERE, check_log: HERE, check_file_age: HERE, check_sensors: HERE, check_ide_smart: HERE, check_uptime: HERE, check_mrtg: HERE, check_mrtgtraf: HERE, check_nagios: HERE, check_icinga: HERE, check_cluster: HERE,
  check_nrpe: AGENT, check_nt: AGENT, check_by_ssh: AGENT, check_nscp: AGENT, check_nscp_api: AGENT, check_overcr: AGENT,
  check_dummy: "it says what it is told to say", check_dhcp: "it needs the interface: write { dhcp: { interface: eth0 } }",
  check_ssl_validity: NO_CURE, check_breeze: NO_CURE, check_hpjd: NO_CURE, check_wave: NO_CURE,
};

const SECRET_OPTION = /^--?(pass|passwd|password|auth|authorization|authentication|secret|token|key|apikey|community|authpassword|privpasswd|authpasswd)/i;
/** Short options that carry a secret, by plugin. */
const SECRET_SHORT: Readonly<Record<string, string>> = { check_http: "ab", check_pgsql: "p", check_mysql: "p", check_mysql_query: "p", check_ldap: "P", check_ldaps: "P", check_snmp: "CUAX", check_radius: "pF", check_smtp: "P", check_ups: "", check_game: "" };

/** A command line as a probe, or why it is none. */
export function understand({ program, args }: PluginCommand): Understood {
  const name = program.slice(program.lastIndexOf("/") + 1);
  const never = NEVER[name] ?? (/^check_nrpe|^check_local_/.test(name) ? AGENT : null);
  if (never !== null) return { why: never };
  // The community that every agent ships with is none.
  const open = name === "check_snmp" && ["-C", "--community"].every((option) => [null, "public"].includes(valueOf(args, option)));
  const secret = args.some((arg) => !(open && /^(-C|--community)/.test(arg)) && (SECRET_OPTION.test(arg) || (/^-[^-]/.test(arg) && (SECRET_SHORT[name] ?? "").includes(arg[1] as string))));
  if (secret) return { why: "its arguments hold what looks like a secret, which everybody on the machine would see: write `plugin` with env:, or the probe with { file: … }" };
  if (name === "check_http" && args.some((arg) => /^(-C|--certificate)/.test(arg))) return { why: "it looks at a certificate, and power mends none; http and tls tell it in their evidence" };
  const row = ROWS[name];
  if (row !== undefined) {
    const given = optionsOf(row, args);
    const found = given === null ? null : row.probe(given.options, given.words);
    if (found !== null) return { probe: found.probe, but: [...(found.but ?? []), ...(given?.options.has("w") === true || given?.options.has("c") === true ? (row === ping || row === ntp || name === "check_snmp" ? [] : [PACE]) : [])] };
  }
  if (!args.some((arg) => arg.includes(ADDRESS) || arg.includes("{host}"))) return { why: "its command does not name the host, so it looks at something else" };
  if (!program.startsWith("/")) return { why: `the program ${program.slice(0, 60)} is not named by its whole path` };
  return { probe: { plugin: { command: [program, ...args] } }, but: [] };
}

function valueOf(args: readonly string[], option: string): string | null {
  const index = args.findIndex((arg) => arg.startsWith(option));
  const found = args[index];
  return found === undefined ? null : found.length > option.length ? found.slice(option.length).replace(/^=/, "") : (args[index + 1] ?? null);
}

/** As getopt_long(3) reads them; null: one that the row does not know. */
function optionsOf({ values, flags = "" }: Row, args: readonly string[]): { readonly options: ReadonlyMap<string, string>; readonly words: readonly string[] } | null {
  const options = new Map<string, string>();
  const words: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] as string;
    if (!arg.startsWith("-") || arg === "-") {
      words.push(arg);
      continue;
    }
    const [, name = "", attached] = /^--([A-Za-z0-9-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    let letter = name === "" ? (arg[1] as string) : (LONG as Readonly<Record<string, string>>)[name];
    let value = name === "" ? arg.slice(2) : attached;
    if (letter === undefined) return null;
    if (flags.includes(letter)) {
      // Several letters in one word, as in -4S.
      if (name === "" && value !== "" && letter !== "S") args = [...args.slice(0, index + 1), `-${value}`, ...args.slice(index + 1)];
      options.set(letter, "");
      continue;
    }
    if (!values.includes(letter)) return null;
    if (value === undefined || value === "") {
      index += 1;
      value = args[index];
    }
    if (value === undefined) return null;
    options.set(letter, value);
  }
  return { options, words };
}

/** A command line as a shell would take it apart; null: it needs a shell. */
export function shellWords(line: string): readonly string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote = "";
  for (let index = 0; index < line.length; index += 1) {
    const character = line[index] as string;
    if (quote === "'" || quote === '"') {
      if (character === quote) quote = "";
      else if (quote === '"' && character === "\\" && /["\\$`]/.test(line[index + 1] ?? "")) word = (word ?? "") + line[(index += 1)];
      else if (quote === '"' && /[$`]/.test(character)) return null;
      else word = (word ?? "") + character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (character === "\\") {
      word = (word ?? "") + (line[(index += 1)] ?? "");
    } else if (/[|&;<>()$`*?]/.test(character)) return null;
    else word = (word ?? "") + character;
  }
  if (quote !== "") return null;
  if (word !== null) words.push(word);
  return words;
}
