// Uptime Kuma: the backup of version 1 (JSON, menu "Backup"), and the database of any version (`kuma.db`), because 2.0 took
// the backup away. The database is read from a copy: a running Kuma is not disturbed, and what is in its write-ahead log counts.
//
// Monitors are grouped by the machine that they ask. Both forms have the same fields, `upsideDown` here and `upside_down`
// there; they are read without regard to that.

import { LineCounter, isMap, isScalar, isSeq, parseDocument } from "yaml";
import { copyFile, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Collected, hostOfUrl, literally, nameOf, urlProblem } from "./imported.ts";
import type { HostUnderWay, Imported, Place } from "./imported.ts";
import { ImportError, baseName, readWhole } from "./source-file.ts";

type Monitor = { readonly fields: ReadonlyMap<string, unknown>; readonly place: Place };

const DATABASE_BYTES_MAX = 4 * 1_024 ** 3;
const MONITORS_MAX = 10_000;
const SQLITE = Buffer.from("SQLite format 3\0", "latin1");

/** Reads a backup or a database, whichever it is. */
export async function importUptimeKuma(path: string): Promise<Imported> {
  const collected = new Collected();
  const head = await readWhole(path, 16, true);
  const monitors = Buffer.from(head, "latin1").equals(SQLITE) ? await fromDatabase(path) : await fromBackup(path, collected);
  const groups = new Map<string, string>();
  for (const monitor of monitors) if (text(monitor, "type") === "group") groups.set(String(monitor.fields.get("id")), text(monitor, "name"));
  for (const monitor of monitors) carry(monitor, groups, collected);
  return collected.finish();
}

async function fromBackup(path: string, collected: Collected): Promise<readonly Monitor[]> {
  const file = baseName(path);
  const source = await readWhole(path);
  try {
    JSON.parse(source);
  } catch (error) {
    throw new ImportError(`${path} is neither a database nor JSON: ${error instanceof Error ? error.message : ""}`);
  }
  const lines = new LineCounter();
  const { contents } = parseDocument(source, { lineCounter: lines, schema: "json", uniqueKeys: false, logLevel: "silent" });
  const list = isMap(contents) ? contents.get("monitorList", true) : null;
  if (!isMap(contents) || !isSeq(list)) throw new ImportError(`${path} has no monitorList: a backup of Uptime Kuma 1 has one`);
  for (const pair of contents.items) {
    const key = isScalar(pair.key) ? String(pair.key.value) : "";
    if (key === "monitorList" || key === "version" || (isSeq(pair.value) && pair.value.items.length === 0)) continue;
    const place = { file, line: isScalar(pair.key) && pair.key.range ? lines.linePos(pair.key.range[0]).line : null };
    collected.left(place, key, key === "notificationList" ? "whom to call is written under alerts:" : "has no counterpart here");
  }
  return list.items.slice(0, MONITORS_MAX).filter((item) => isMap(item)).map((item) => ({
    fields: fieldsOf(item.toJSON() as Record<string, unknown>),
    place: { file, line: item.range ? lines.linePos(item.range[0]).line : null },
  }));
}

async function fromDatabase(path: string): Promise<readonly Monitor[]> {
  const { size } = await stat(path);
  if (size > DATABASE_BYTES_MAX) throw new ImportError(`${path} is larger than 4 GiB: copy it, empty its table heartbeat, VACUUM`);
  const folder = await mkdtemp(join(tmpdir(), "upkeep-import-"));
  try {
    const copy = join(folder, "kuma.db");
    await copyFile(path, copy);
    await copyFile(`${path}-wal`, `${copy}-wal`).catch(() => undefined);
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(copy);
    try {
      // A view of that name could run anything.
      const table = database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'monitor'").get();
      if (table === undefined) throw new ImportError(`${path} has no table monitor: it is no database of Uptime Kuma`);
      const rows = database.prepare(`SELECT * FROM monitor ORDER BY id LIMIT ${MONITORS_MAX}`).all();
      return rows.map((row) => ({ fields: fieldsOf(row), place: { file: `${baseName(path)}:monitor ${String(row["id"])}`, line: null } }));
    } finally {
      database.close();
    }
  } catch (error) {
    if (error instanceof ImportError) throw error;
    throw new ImportError(`${path} cannot be read as a database: ${error instanceof Error ? error.message : ""}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** By the name without underscores and capitals. */
function fieldsOf(row: Readonly<Record<string, unknown>>): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(row).map(([key, value]) => [key.replaceAll("_", "").toLowerCase(), value]));
}

function text({ fields }: Monitor, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value.trim() : typeof value === "number" ? String(value) : "";
}

function whole(monitor: Monitor, name: string): number | null {
  const value = monitor.fields.get(name);
  return typeof value === "number" && Number.isInteger(value) ? value : typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : null;
}

function yes({ fields }: Monitor, name: string): boolean {
  const value = fields.get(name);
  return value === true || value === 1 || value === "1";
}

/** Kinds that no probe stands for, and what to do instead. */
const NO_PROBE: Readonly<Record<string, string>> = {
  push: "it waits to be told; Upkeep looks itself",
  docker: "a container on the host that Kuma runs on; the service in it can be asked by http or tcp",
  "json-query": "http looks for text in the body, not for a path in JSON",
  mysql: "there is no probe for it: a plugin can do it, such as check_mysql",
  sqlserver: "there is no probe for it: a plugin can do it, such as check_mssql",
  mongodb: "there is no probe for it: a plugin can do it",
  radius: "there is no probe for it: a plugin can do it, such as check_radius",
  "tailscale-ping": "ping asks by the host's own address",
};

function carry(monitor: Monitor, groups: ReadonlyMap<string, string>, collected: Collected): void {
  const { place } = monitor;
  const type = text(monitor, "type");
  const called = text(monitor, "name");
  const what = `${called || "(no name)"} (${type || "no type"})`;
  const left = (why: string): null => collected.left(place, what, why);
  if (type === "group") return;
  if (monitor.fields.has("active") && !yes(monitor, "active")) return void left("it is paused");
  if (yes(monitor, "upsidedown")) return void left("it is upside down: up is bad");
  const found = lookOf(monitor, type, left);
  if (found === null) return;
  // Version 2 has conditions on what comes back.
  if (!/^(\[\s*\])?$/.test(text(monitor, "conditions"))) left("its conditions: the answer alone is judged here; dns has `answer`");
  const { address, probe } = found;
  const host = collected.host(address.toLowerCase(), address, nameOf(address, called), place);
  if (host === null) return;
  collected.probe(host, probe, what, place);
  const interval = whole(monitor, "interval");
  if (interval !== null) collected.pace(host, interval * 1_000);
  group(host, groups.get(String(monitor.fields.get("parent"))) ?? null);
}

function group(host: HostUnderWay, name: string | null): void {
  host.group ??= name;
}

type Look = { readonly address: string; readonly probe: unknown };

function lookOf(monitor: Monitor, type: string, left: (why: string) => null): Look | null {
  const hostname = text(monitor, "hostname");
  const port = whole(monitor, "port");
  switch (type) {
    case "http":
    case "keyword":
      return web(monitor, type, left);
    case "ping":
      return { address: hostname, probe: "ping" };
    case "port":
      // The banner is what a wedged host does not send.
      return { address: hostname, probe: port === 22 ? "ssh" : { tcp: { port } } };
    case "smtp":
      return { address: hostname, probe: { smtp: port === 465 ? { port, tls: true } : { port: port ?? 25 } } };
    case "dns": {
      const [server = "", ...more] = text(monitor, "dnsresolveserver").split(",").map((each) => each.trim());
      if (more.length > 0) left(`of its servers only ${server} is asked; the others are hosts of their own`);
      return { address: server, probe: { dns: { name: hostname, type: text(monitor, "dnsresolvetype") || "A", ...(port === null || port === 53 ? {} : { port }) } } };
    }
    case "postgres":
    case "redis": {
      const url = URL.parse(text(monitor, "databaseconnectionstring"));
      if (url === null || url.hostname === "") return left("its connection string cannot be read");
      const at = url.port === "" ? {} : { port: Number(url.port) };
      if (type === "redis") return url.password === "" && url.protocol === "redis:" ? { address: hostOfUrl(url.href), probe: { redis: at } } : left("it has a password or TLS: write { redis: { password: { file: … } } }");
      left("its query, which needs the password: here it is only asked whether the server accepts connections. Write { postgres: { query: …, password: { file: … } } }");
      return { address: hostOfUrl(url.href), probe: { postgres: at } };
    }
    case "snmp":
      return snmp(monitor, hostname, port, left);
    default:
      return left(NO_PROBE[type] ?? "Upkeep has no probe for it");
  }
}

function snmp(monitor: Monitor, address: string, port: number | null, left: (why: string) => null): Look | null {
  const version = text(monitor, "snmpversion") || "2c";
  // Its community stands where the password of RADIUS does.
  const community = text(monitor, "radiuspassword");
  if (version === "3" || (community !== "" && community !== "public")) return left("its community or user is a secret: write { snmp: { oid, community: { file: … } } }");
  const expected = text(monitor, "expectedvalue");
  const operator = text(monitor, "jsonpathoperator") || "==";
  const bound = expected === "" ? {} : operator === "==" ? { equals: expected } : operator === ">=" && Number.isFinite(Number(expected)) ? { min: Number(expected) } : operator === "<=" && Number.isFinite(Number(expected)) ? { max: Number(expected) } : null;
  if (bound === null) left(`it must be ${operator} ${expected}: snmp has equals, min and max`);
  return { address, probe: { snmp: { oid: text(monitor, "snmpoid"), ...(version === "1" ? { version } : {}), ...(port === null || port === 161 ? {} : { port }), ...bound } } };
}

function web(monitor: Monitor, type: string, left: (why: string) => null): Look | null {
  const url = text(monitor, "url");
  const problem = urlProblem(url);
  if (problem !== null) return left(problem);
  const method = text(monitor, "method");
  if (method !== "" && method !== "GET") return left(`it sends ${method}; http sends GET`);
  for (const [field, words] of [["headers", "headers"], ["body", "a body"], ["basicauthuser", "a user"], ["authmethod", "a log-in"], ["proxyid", "a proxy"]] as const) {
    if (text(monitor, field) !== "" && text(monitor, field) !== "null") return left(`it has ${words}, perhaps with a secret: write { http: { url, headers: { NAME: { file: … } } } }`);
  }
  const keyword = type === "keyword" ? text(monitor, "keyword") : "";
  if (yes(monitor, "invertkeyword")) return left("a word that must not be there; http looks for one that must");
  const codes = statusCodes(monitor.fields.get("acceptedstatuscodes") ?? monitor.fields.get("acceptedstatuscodesjson"));
  const status = codes.length === 1 && /^\d{3}$/.test(codes[0] ?? "") ? Number(codes[0]) : 200;
  if (codes.length > 0 && String(status) !== codes.join()) left(`of the status codes ${codes.join(", ")} only ${status} is good here; redirects are not followed`);
  return { address: hostOfUrl(url), probe: { http: { url, ...(status === 200 ? {} : { status }), ...(keyword === "" ? {} : { body: literally(keyword) }) } } };
}

function statusCodes(written: unknown): readonly string[] {
  let value = written;
  if (typeof value === "string") {
    try {
      value = JSON.parse(value);
    } catch {
      return [];
    }
  }
  return Array.isArray(value) ? value.filter((each) => typeof each === "string").slice(0, 20) : [];
}
