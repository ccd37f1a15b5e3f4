// A reader at the page: Debian's Chromium, driven from outside, at a running watcher. Whatever the browser complains of (an
// error, a refused script or style, a file that is not there) fails the test that saw it, and axe looks at whatever is shown.

import assert from "node:assert/strict";
import { existsSync, globSync, statSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { chromium } from "playwright-core";
import { lacking, programPath, thirdParty } from "../lab/third-party.ts";
import type { Rig } from "../lab/rig.ts";
import type { Watching } from "./watching.ts";
import { until } from "./watching.ts";

/** Why there can be no browser here, or false. */
export const noBrowser = lacking("chromium");

/** Whatever is waited for comes within this, also on a machine that has other things to do. */
export const PATIENCE_MS = 40_000;

/** A page that is older than its sources is not what is on trial. */
function assertBuilt(): void {
  const root = join(import.meta.dirname, "..");
  const changedMs = (path: string) => statSync(join(root, path)).mtimeMs;
  const built = existsSync(join(root, "build/page/manifest.json")) ? changedMs("build/page/manifest.json") : 0;
  const newer = globSync("src/web/**/*.{ts,tsx,css,html}", { cwd: root, exclude: ["src/web/test/**"] }).find((path) => changedMs(path) > built);
  assert.equal(newer, undefined, "the page is older than its sources: bin/setup builds it");
}

export type ReaderOptions = { readonly width?: number; readonly height?: number; readonly dark?: boolean; readonly calm?: boolean; readonly touch?: boolean };

export class Readers {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(): Promise<Readers> {
    const path = programPath("chromium");
    assert.ok(path !== null);
    assertBuilt();
    thirdParty("Chromium", [path, "--version"]);
    // Chromium's own sandbox wants a user that is not root; what it shows here is ours.
    return new Readers(await chromium.launch({ executablePath: path, args: ["--no-sandbox", "--disable-dev-shm-usage"] }));
  }

  /** A browser of its own, with nothing kept from another. */
  async reader({ width = 1_280, height = 900, dark = false, calm = false, touch = false }: ReaderOptions = {}): Promise<Reader> {
    const context = await this.#browser.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light", reducedMotion: calm ? "reduce" : "no-preference", hasTouch: touch, permissions: ["clipboard-read", "clipboard-write"] });
    context.setDefaultTimeout(PATIENCE_MS);
    return new Reader(context, await context.newPage());
  }

  async end(): Promise<void> {
    await this.#browser.close();
  }
}

export class Reader {
  readonly page: Page;
  /** What the browser complained of; expected ones are taken out by who expects them. */
  readonly complaints: string[] = [];
  readonly #context: BrowserContext;

  constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    page.on("pageerror", (error) => this.complaints.push(`error: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      // Who has not logged in is told so by 401, and a browser tells every 401.
      const nobody = /status of 401/.test(message.text()) && message.location().url.endsWith("/v1/session");
      if ((message.type() === "error" || message.type() === "warning") && !nobody) this.complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
    });
  }

  /** Waits for a text that can be seen. */
  async sees(text: string | RegExp, limitMs = PATIENCE_MS): Promise<void> {
    await this.page.getByText(text).filter({ visible: true }).first().waitFor({ timeout: limitMs });
  }

  /** A heading that says this. */
  async reads(heading: string | RegExp, limitMs = PATIENCE_MS): Promise<void> {
    await this.page.getByRole("heading", { name: heading }).first().waitFor({ timeout: limitMs });
  }

  /** The row of a host. */
  row(host: string) {
    return this.page.getByRole("row").filter({ has: this.page.getByRole("link", { name: host, exact: true }) });
  }

  /** Nothing that axe calls serious, and nothing wider than the window. */
  async isFit(what: string): Promise<void> {
    const { violations } = await new AxeBuilder({ page: this.page }).setLegacyMode(true).analyze();
    const serious = violations.filter((violation) => violation.impact === "serious" || violation.impact === "critical");
    assert.deepEqual(serious.map((violation) => `${violation.id}: ${violation.help}: ${violation.nodes.map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`).slice(0, 3).join(" | ")}`), [], what);
    const { wide, window } = await this.page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: document.documentElement.clientWidth }));
    assert.ok(wide <= window, `${what}: ${wide} px wide in a window of ${window} px`);
  }

  /** The browser had nothing to complain of. */
  isCalm(): void {
    assert.deepEqual(this.complaints, []);
  }

  /** Logs in on the page that is shown. */
  async logsIn(user: string, password: string): Promise<void> {
    await this.page.getByLabel("User", { exact: true }).fill(user);
    await this.page.getByLabel("Password", { exact: true }).fill(password);
    await this.page.getByRole("button", { name: "Log in" }).click();
  }

  async leave(): Promise<void> {
    await this.#context.close();
  }
}

/** A POST over the control socket, as the command line makes it. */
function post<Value>(rig: Pick<Rig, "socket">, path: string, body: unknown): Promise<Value> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath: rig.socket, path, method: "POST", headers: { "content-type": "application/json" }, agent: false, timeout: PATIENCE_MS }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("error", reject).on("end", () => {
        if ((response.statusCode ?? 500) < 300) resolve(JSON.parse(text) as Value);
        else reject(new Error(`${path}: ${response.statusCode} ${text}`));
      });
    });
    request.on("timeout", () => request.destroy(new Error(`${path}: no answer`))).on("error", reject).end(JSON.stringify(body));
  });
}

/** The one-time link for the first user. */
export async function setUpLink(rig: Pick<Rig, "socket">): Promise<string> {
  const { link } = await post<{ link: string | null }>(rig, "/v1/set-up/link", {});
  assert.ok(link !== null);
  return link;
}

export async function addUser(rig: Pick<Rig, "socket">, user: string, role: string, password: string): Promise<void> {
  await post(rig, "/v1/users", { user, role, password });
}

/** Where a watcher says that its page is. */
export async function addressOf(watching: Watching): Promise<string> {
  return `${await until("the watcher says where its page is", () => /https?:\/\/[^\s"/,]+/.exec(watching.stderr)?.[0])}/`;
}
