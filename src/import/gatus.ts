// Gatus: its YAML, one file or a folder of them. An endpoint is a URL and conditions on what comes back; each condition that
// a probe knows becomes a setting of it, and each that none knows is in the list. An endpoint without a condition that can be
// held is not carried over at all: it would look at less than it did, under the same name.

import { LineCounter, isMap, isScalar, isSeq, parseAllDocuments } from "yaml";
import type { Node, YAMLMap } from "yaml";
import { parseDuration } from "../config/duration.ts";
import { Collected, hostOfUrl, literally, nameOf, urlProblem } from "./imported.ts";
import type { Imported, Place } from "./imported.ts";
import { ImportError, baseName, filesBelow, readWhole } from "./source-file.ts";

const ENDPOINTS_MAX = 10_000;

/** Fields of an endpoint that are read here, or mean nothing away from Gatus. */
const READ = new Set(["name", "group", "url", "method", "conditions", "interval", "enabled", "dns", "ssh", "client", "headers", "body", "graphql"]);
const ELSEWHERE: Readonly<Record<string, string>> = {
  alerts: "whom to call is written under alerts:", ui: "how Gatus draws it", "maintenance-windows": "maintenance is started by hand: upkeep maintenance start", "extra-labels": "metrics have labels of their own",
};

/** Reads a file, or all `.yaml` and `.yml` of a folder. */
export async function importGatus(path: string): Promise<Imported> {
  const collected = new Collected();
  let endpoints = 0;
  for (const file of await filesBelow(path, /\.ya?ml$/)) {
    const lines = new LineCounter();
    const documents = parseAllDocuments(await readWhole(file), { lineCounter: lines, logLevel: "silent", uniqueKeys: false });
    for (const document of Array.isArray(documents) ? documents : []) {
      const [error] = document.errors;
      if (error !== undefined) throw new ImportError(`${file}:${lines.linePos(error.pos[0]).line}: ${error.message.split("\n")[0]}`);
      const at = (node: unknown): Place => ({ file: baseName(file), line: lineOf(node, lines) });
      if (!isMap(document.contents)) continue;
      for (const { key, value } of document.contents.items) {
        const section = isScalar(key) ? String(key.value) : "";
        // `services` is what it was called before 2.0.
        if ((section !== "endpoints" && section !== "services") || !isSeq(value)) {
          collected.left(at(key), section, section === "external-endpoints" ? "they are pushed to; Upkeep looks itself" : section === "suites" ? "steps that follow one another: a plugin can do them" : section === "alerting" ? "whom to call is written under alerts:" : "has no counterpart here");
          continue;
        }
        for (const item of value.items) if (isMap(item) && (endpoints += 1) <= ENDPOINTS_MAX) carry(item, at, collected);
      }
    }
  }
  if (endpoints === 0) throw new ImportError(`${path} has no endpoints`);
  if (endpoints > ENDPOINTS_MAX) throw new ImportError(`${path} has more than ${ENDPOINTS_MAX} endpoints`);
  return collected.finish();
}

function lineOf(node: unknown, lines: LineCounter): number | null {
  const range = (node as Node | null)?.range;
  return range ? lines.linePos(range[0]).line : null;
}

function carry(item: YAMLMap, at: (node: unknown) => Place, collected: Collected): void {
  const place = at(item);
  const text = (key: string): string => {
    const value = item.get(key);
    return typeof value === "string" || typeof value === "number" ? String(value).trim() : "";
  };
  const called = text("name");
  const what = called || text("url") || "(an endpoint without a name)";
  const left = (why: string, node: unknown = item): null => collected.left(at(node), what, why);
  if (item.get("enabled") === false) return void left("it is switched off");
  const url = text("url");
  if (url.includes("$")) return void left("its URL is made of variables of the environment");
  const conditions = item.get("conditions");
  const written = isSeq(conditions) ? conditions.items.map((node) => ({ node, condition: isScalar(node) ? String(node.value).trim() : "" })) : [];
  const found = lookOf(url, item, text, left);
  if (found === null) return;
  const probe = withConditions(found, written, (condition, node, why) => left(`the condition ${condition}: ${why}`, node));
  if (probe === null) return void left("nothing that it asks for can be asked here");
  for (const { key } of item.items) {
    const name = isScalar(key) ? String(key.value) : "";
    const elsewhere = ELSEWHERE[name];
    if (elsewhere !== undefined) collected.leftOnce(at(key), `${name} of endpoints`, elsewhere);
    else if (!READ.has(name)) left(`${name} is not known here`, key);
  }
  const host = collected.host(found.address.toLowerCase(), found.address, nameOf(found.address, called), place);
  if (host === null) return;
  collected.probe(host, probe, `${what} (${url})`, place);
  const interval = parseDuration(text("interval") || "60s");
  if (interval.ok) collected.pace(host, interval.value);
  host.group ??= text("group") || null;
}

type Look = { readonly address: string; readonly kind: "http" | "tcp" | "ping" | "ssh" | "tls" | "dns"; readonly options: Readonly<Record<string, unknown>> };

function lookOf(url: string, item: YAMLMap, text: (key: string) => string, left: (why: string, node?: unknown) => null): Look | null {
  const dns = item.get("dns");
  if (isMap(dns)) {
    const [, address = "", port] = /^(?:\w+:\/\/)?(\[[^\]]+\]|[^:/]+)(?::(\d+))?/.exec(url) ?? [];
    return { address: address.replace(/^\[|\]$/g, ""), kind: "dns", options: { name: String(dns.get("query-name") ?? ""), type: String(dns.get("query-type") ?? "A").toUpperCase(), ...(port === undefined || port === "53" ? {} : { port: Number(port) }) } };
  }
  const [, scheme = "", rest = ""] = /^([a-z]+):\/\/(.+)$/i.exec(url) ?? [];
  const at = URL.parse(`tcp://${rest}`);
  const address = hostOfUrl(`http://${rest}`);
  const port = at?.port === undefined || at.port === "" ? null : Number(at.port);
  switch (scheme.toLowerCase()) {
    case "http":
    case "https": {
      const problem = urlProblem(url);
      if (problem !== null) return left(problem);
      const method = text("method");
      if (method !== "" && method.toUpperCase() !== "GET") return left(`it sends ${method}; http sends GET`);
      for (const field of ["headers", "body", "graphql"]) if (item.has(field) && item.get(field) !== false) return left(`it has ${field}, perhaps with a secret: write { http: { url, headers: { NAME: { file: … } } } }`);
      return { address, kind: "http", options: { url } };
    }
    case "tcp":
      return port === null ? left("a TCP endpoint without a port") : { address, kind: "tcp", options: { port } };
    case "icmp":
      return { address, kind: "ping", options: {} };
    case "ssh":
      if (isMap(item.get("ssh"))) left("it logs in; here the banner is enough");
      return { address, kind: "ssh", options: port === null || port === 22 ? {} : { port } };
    case "tls":
      return { address, kind: "tls", options: port === null || port === 443 ? {} : { port } };
    default:
      return left(scheme === "" ? "its URL has no scheme" : `Upkeep has no probe for ${scheme}:`);
  }
}

type Condition = { readonly condition: string; readonly node: unknown };

/** The probe with what its conditions ask; null when one that cannot be held was the only one. */
function withConditions({ kind, options }: Look, conditions: readonly Condition[], left: (condition: string, node: unknown, why: string) => void): unknown {
  const settings: Record<string, unknown> = { ...options };
  let held = 0;
  for (const { condition, node } of conditions) {
    const [, placeholder = "", operator = "", value = ""] = /^\[(\w+)\]\s*(==|!=|<=|>=|<|>)\s*(.+)$/s.exec(condition) ?? [];
    const why = hold(kind, placeholder, operator, value, settings);
    if (why === null) held += 1;
    else left(condition, node, why);
  }
  if (conditions.length > 0 && held === 0) return null;
  if (kind === "http" && settings["status"] === 200) delete settings["status"];
  return Object.keys(settings).length === 0 ? kind : { [kind]: settings };
}

/** Puts what a condition asks into the settings, or says why it cannot. */
function hold(kind: Look["kind"], placeholder: string, operator: string, value: string, settings: Record<string, unknown>): string | null {
  const equal = operator === "==";
  switch (placeholder) {
    case "CONNECTED":
      return equal && value === "true" ? null : "only a host that answers is good";
    case "STATUS":
      if (kind === "ssh") return "it runs a command; here the banner is enough";
      if (kind !== "http" || !equal || !/^\d{3}$/.test(value)) return "one status code is good here, 200 unless another is written";
      settings["status"] = Number(value);
      return null;
    case "BODY": {
      if (kind === "dns" && equal && !value.includes("(")) {
        settings["answer"] = value;
        return null;
      }
      const [, glob] = /^pat\((.+)\)$/s.exec(value) ?? [];
      if (kind !== "http" || !equal || glob === undefined) return "http looks for text in the body; write body:";
      settings["body"] = bodyOf(glob);
      return null;
    }
    case "DNS_RCODE":
      if (kind !== "dns" || !equal) return "one response code is good here";
      settings["rcode"] = value;
      return null;
    case "CERTIFICATE_EXPIRATION": {
      const left = parseDuration(value);
      if ((kind !== "http" && kind !== "tls") || !operator.startsWith(">") || !left.ok) return "a certificate that ends is told, and is never bad: power mends none";
      settings["expires"] = value;
      return null;
    }
    case "RESPONSE_TIME":
      return "a slow answer is neither good nor bad; how late is too late is `timeout`";
    default:
      return "there is nothing like it here";
  }
}

/** `*text*` is a substring; another pattern is a regular expression. */
function bodyOf(glob: string): string {
  const inner = /^\*([^*?[\]\\]+)\*$/s.exec(glob)?.[1];
  if (inner !== undefined) return literally(inner);
  const source = [...glob].map((character) => (character === "*" ? "[^]*" : character === "?" ? "[^]" : character.replace(/[.+^${}()|[\]\\/]/, "\\$&"))).join("");
  return `/^${source}$/`;
}
