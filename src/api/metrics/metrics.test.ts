// The metrics before their judges: promtool reads what is shown, a real Prometheus scrapes it and evaluates the shipped rules,
// and everything that the rules and the dashboard ask for is a metric with those labels.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { withDaemon } from "../../../lab/daemon.ts";
import { lacking, thirdParty } from "../../../lab/third-party.ts";
import type { TokenReport } from "../contract.ts";
import { ask, opened, post } from "../doors-for-tests.ts";
import type { Opened } from "../doors-for-tests.ts";
import { openWorld, until } from "../world-for-tests.ts";
import { METRICS } from "./metrics.ts";

const RULES = join(import.meta.dirname, "../../../packaging/prometheus/alerts.yaml");
const RULES_TEST = join(import.meta.dirname, "../../../packaging/prometheus/alerts.test.yaml");
const DASHBOARD = join(import.meta.dirname, "../../../packaging/grafana/upkeep.json");
const promtoolLacks = lacking("promtool");

type Ran = { readonly code: number; readonly out: string };

function promtool(args: readonly string[], input = ""): Promise<Ran> {
  thirdParty("promtool (Prometheus)", ["promtool", "--version"]);
  return new Promise((resolve, reject) => {
    const child = spawn("promtool", args, { stdio: ["pipe", "pipe", "pipe"], timeout: 120_000 });
    let out = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.on("error", reject).on("close", (code) => resolve({ code: code ?? 1, out }));
    child.stdin.end(input);
  });
}

const scrape = async (all: Opened): Promise<string> => (await ask(all.control, "GET", "/metrics")).text;
/** A series by its whole name. */
const value = (text: string, series: string): number => Number(text.split("\n").find((line) => line.startsWith(`${series} `))?.slice(series.length + 1) ?? "absent");
const guardedAre = (all: Opened, count: number) => until(`${count} guarded`, async () => value(await scrape(all), "upkeep_hosts_guarded") === count);

test("through a wedge, a power cycle and a refusal: the numbers follow, and promtool finds nothing to say", { skip: promtoolLacks }, async () => {
  const all = await opened({ world: openWorld({ hosts: ["logos", "ethos", 'quote " back \\ line\nend', "пример"] }) });
  try {
    await guardedAre(all, 4);
    const before = await scrape(all);
    assert.equal(value(before, 'upkeep_host_up{host="quote \\" back \\\\ line\\nend"}'), 1);
    assert.equal(value(before, 'upkeep_host_outlet_on{host="logos",outlet="sucker/2"}'), 1);
    assert.equal(value(before, 'upkeep_power_commands_total{action="off"}'), 0);
    assert.equal(value(before, 'upkeep_probe_latency_seconds{host="ethos",probe="ssh"}'), 0.002);
    all.world.wedged.add("ethos");
    await until("it is down", async () => value(await scrape(all), 'upkeep_host_verdict{host="ethos",verdict="down"}') === 1);
    await until("power has been cut and restored", async () => value(await scrape(all), 'upkeep_power_commands_total{action="on"}') >= 1);
    all.world.wedged.clear();
    await until("the operation has ended", async () => value(await scrape(all), 'upkeep_operations_ended_total{outcome="recovered"}') === 1);
    const after = await scrape(all);
    assert.equal(value(after, 'upkeep_power_commands_total{action="off"}'), 1);
    assert.equal(value(after, 'upkeep_incidents_ended_total{outcome="recovered"}'), 1);
    assert.ok(value(after, 'upkeep_rounds_total{outcome="bad"}') >= 3);
    assert.ok(value(after, 'upkeep_probe_results_total{probe="ssh",outcome="bad"}') >= 3);
    assert.ok(value(after, 'upkeep_rounds_total{outcome="good"}') > value(before, 'upkeep_rounds_total{outcome="good"}'));
    await post(all.control, "/v1/commands", { by: "anna", command: { kind: "brake", brake: "maintenance", scope: "logos", forMs: 60_000, reason: "disk" } });
    await until("the brake is in force", async () => value(await scrape(all), 'upkeep_brakes_in_force{brake="maintenance"}') === 1);
    assert.equal(value(await scrape(all), 'upkeep_host_guarded{host="logos"}'), 0);
    await post(all.control, "/v1/commands", { by: "anna", command: { kind: "brake", brake: "disarmed", scope: "*", forMs: null, reason: "drill" } });
    await until("disarmed", async () => value(await scrape(all), "upkeep_armed") === 0);
    await ask(all.control, "GET", "/nothing");
    assert.ok(value(await scrape(all), 'upkeep_api_requests_total{status="404"}') === 1);
    const { code, out } = await promtool(["check", "metrics"], await scrape(all));
    assert.deepEqual({ code, out }, { code: 0, out: "" });
    const broken = await promtool(["check", "metrics"], `${await scrape(all)}# TYPE upkeep_bytes counter\nupkeep_bytes 1\n`);
    assert.notEqual(broken.code, 0, "and it does say something when there is something");
  } finally {
    await all.close();
  }
});

test("metrics are named and described alike, and every label set is bounded", () => {
  assert.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
  for (const { name, type, help } of METRICS) {
    assert.match(name, /^(upkeep|process)(_[a-z]+)+$/);
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.match(help, /^[A-Z].*\.$/s, name);
  }
});

/** Metrics that an expression asks for, and the labels that it selects them by. */
function askedFor(expression: string): { readonly name: string; readonly labels: readonly string[] }[] {
  return [...expression.matchAll(/\b((?:upkeep|process)_[a-z_]+)(\{[^}]*\})?/g)].map(([, name = "", selector = ""]) => ({ name, labels: [...selector.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label = ""]) => label) }));
}

/** What is asked for and is no metric, or no label of it. */
function unknownIn(expressions: readonly string[]): string[] {
  const known = new Map(METRICS.map((metric) => [metric.name, new Set([...metric.labels, "job", "instance"])]));
  return expressions.flatMap(askedFor).flatMap(({ name, labels }) => {
    const of = known.get(name);
    return of === undefined ? [name] : labels.filter((label) => !of.has(label)).map((label) => `${name}{${label}}`);
  });
}

test("the alert rules pass promtool, each fires in a test of its own, and each asks for what there is", { skip: promtoolLacks }, async () => {
  const [checked, tested] = await Promise.all([promtool(["check", "rules", RULES]), promtool(["test", "rules", RULES_TEST])]);
  assert.equal(checked.code, 0, checked.out);
  assert.equal(tested.code, 0, tested.out);
  const rules = readFileSync(RULES, "utf8");
  const names = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = ""]) => name);
  const expressions = [...rules.matchAll(/^ +expr: (.*)$/gm)].map(([, expression = ""]) => expression);
  assert.ok(names.length >= 15 && names.length === expressions.length);
  assert.equal([...rules.matchAll(/^ +action: /gm)].length, names.length, "each says what to do");
  assert.deepEqual(unknownIn(expressions), []);
  assert.deepEqual(unknownIn(['upkeep_hosts_lost > 0 and upkeep_hosts{colour="red"}']), ["upkeep_hosts_lost", "upkeep_hosts{colour}"]);
  const fired = new Set([...readFileSync(RULES_TEST, "utf8").matchAll(/alertname: (\w+)\n +exp_alerts:/g)].map(([, name]) => name));
  assert.deepEqual(names.filter((name) => !fired.has(name)), [], "an alert without a test in which it fires");
  // A test that cannot fail would be none: another threshold, and it does.
  const folder = mkdtempSync(join(tmpdir(), "upkeep-rules-"));
  try {
    writeFileSync(join(folder, "alerts.yaml"), rules.replace("upkeep_storms > 0", "upkeep_storms > 9"));
    writeFileSync(join(folder, "alerts.test.yaml"), readFileSync(RULES_TEST, "utf8").split("  - name: the watcher cannot")[0] ?? "");
    assert.notEqual((await promtool(["test", "rules", join(folder, "alerts.test.yaml")])).code, 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

type Panel = { id: number; type: string; title: string; gridPos: { x: number; y: number; w: number; h: number }; targets?: { expr: string; refId: string; datasource: { uid: string } }[] };
type Dashboard = { uid: string; schemaVersion: number; panels: Panel[]; templating: { list: { name: string; type: string; query: string | { query: string } }[] } };

test("the dashboard is a whole model: no two panels in one place, every expression parses and asks for what there is", { skip: promtoolLacks }, async () => {
  const { panels, templating, uid, schemaVersion } = JSON.parse(readFileSync(DASHBOARD, "utf8")) as Dashboard;
  assert.equal(uid, "upkeep");
  assert.ok(schemaVersion >= 36);
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  for (const { title, gridPos: { x, y, w, h } } of panels) {
    assert.ok(x >= 0 && w > 0 && x + w <= 24, title);
    for (let column = x; column < x + w; column += 1) {
      for (let line = y; line < y + h; line += 1) {
        assert.ok(!taken.has(`${column},${line}`), `${title} lies over another`);
        taken.add(`${column},${line}`);
      }
    }
  }
  const targets = panels.flatMap((panel) => panel.targets ?? []);
  assert.ok(targets.every(({ datasource }) => datasource.uid === "${datasource}"));
  const variables = new Set(templating.list.map(({ name }) => name));
  for (const { expr } of targets) for (const [, name = ""] of expr.matchAll(/\$(?!__)([a-z]+)/g)) assert.ok(variables.has(name), `no variable ${name}: ${expr}`);
  const queries = templating.list.filter(({ type }) => type === "query").map(({ query }) => (typeof query === "string" ? query : query.query));
  assert.deepEqual(unknownIn([...targets.map(({ expr }) => expr), ...queries]), []);
  // Each as a recording rule, with the variables as Grafana would put them: promtool's parser is Prometheus' own.
  const folder = mkdtempSync(join(tmpdir(), "upkeep-dashboard-"));
  try {
    const rules = targets.map(({ expr }, index) => ({ record: `panel:${index}`, expr: expr.replaceAll("$__rate_interval", "5m").replace(/\$[a-z]+/g, ".*") }));
    writeFileSync(join(folder, "rules.yaml"), JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
    const { code, out } = await promtool(["check", "rules", join(folder, "rules.yaml")]);
    assert.equal(code, 0, out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a real Prometheus scrapes a watcher by a token that may do nothing else, evaluates the shipped rules, and an alert fires", { skip: lacking("prometheus") }, async () => {
  thirdParty("Prometheus", ["prometheus", "--version"]);
  const all = await opened();
  try {
    await guardedAre(all, 3);
    // What becomes of it takes as long as Prometheus takes to start: an outlet that does not obey, and the host is held.
    all.world.stuck.add("3");
    all.world.wedged.add("ethos");
    const admin = await post(all.control, "/v1/users", { user: "anna", role: "admin", password: "a watcher that watches the watchers" });
    assert.equal(admin.status, 201, admin.text);
    const token = await post(all.control, "/v1/tokens", { name: "prometheus", user: "anna", scopes: ["metrics"], forMs: null });
    const { secret = "" } = token.json as TokenReport;
    assert.match(secret, /^.{20,}$/);
    const authorization = `Bearer ${secret}`;
    assert.equal((await ask(all.tcp, "GET", "/metrics")).status, 401, "there is a user now");
    assert.equal((await ask(all.tcp, "GET", "/metrics", { headers: { authorization } })).status, 200);
    assert.equal((await ask(all.tcp, "GET", "/v1/status", { headers: { authorization } })).status, 403);
    const port = "port" in all.tcp ? all.tcp.port : 0;
    await withDaemon({
      name: "prometheus",
      files: () => ({
        "prometheus.yaml": `global: { scrape_interval: 500ms, evaluation_interval: 500ms }\nrule_files: [${RULES}]\nscrape_configs: [{ job_name: upkeep, scrape_timeout: 500ms, authorization: { credentials_file: token }, static_configs: [{ targets: ['127.0.0.1:${port}'] }] }]\n`,
        token: secret,
      }),
      argv: (folder, where) => ["prometheus", `--config.file=${folder}/prometheus.yaml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${where}`, "--log.level=warn"],
    }, async (prometheus) => {
      const asked = (path: string) => prometheusSays(prometheus.port, path);
      const one = async (expression: string) => (await asked(`/api/v1/query?query=${encodeURIComponent(expression)}`)).data?.result?.[0]?.value?.[1];
      await until("what is guarded, as Prometheus has it", async () => (await one("sum(upkeep_host_guarded)")) === "2", 60_000);
      assert.equal(await one('up{job="upkeep"}'), "1");
      const targets = (await asked("/api/v1/targets")).data?.activeTargets ?? [];
      assert.deepEqual(targets.map(({ health, lastError }) => ({ health, lastError })), [{ health: "up", lastError: "" }]);
      await until("an alert fires", async () => ((await asked("/api/v1/alerts")).data?.alerts ?? []).some(({ labels, state }) => labels["alertname"] === "UpkeepHostHeld" && labels["host"] === "ethos" && state === "firing"), 60_000);
      const rules = ((await asked("/api/v1/rules")).data?.groups ?? []).flatMap((group) => group.rules);
      assert.ok(rules.length >= 15);
      assert.deepEqual(rules.filter(({ lastError }) => (lastError ?? "") !== ""), []);
    });
  } finally {
    await all.close();
  }
});

/** Nothing while it still starts. */
function prometheusSays(port: number, path: string): Promise<Answered> {
  return new Promise((resolve, reject) => {
    http.get({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk)).on("error", reject);
      response.on("end", () => resolve(response.statusCode === 200 ? (JSON.parse(text) as Answered) : {}));
    }).on("error", reject);
  });
}

type Answered = { data?: {
  result?: { value?: [number, string] }[];
  activeTargets?: { health: string; lastError: string }[];
  alerts?: { labels: Record<string, string>; state: string }[];
  groups?: { rules: { name: string; lastError?: string }[] }[];
} };

