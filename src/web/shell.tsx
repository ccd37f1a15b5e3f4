// What is around every page: the header with the way around, whether what is shown is live, who is looking; the help; and the
// rule that a stale page is grey from top to bottom.

import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { logOut } from "./api.ts";
import { OpenAction } from "./parts/act.tsx";
import { Dialog } from "./parts/dialog.tsx";
import { Mark } from "./parts/mark.tsx";
import { Problem, Waiting } from "./parts/text.tsx";
import { startKeyboard, useKeys, bound } from "./keyboard.ts";
import { connection, nowMs, startConnection } from "./live/connection.ts";
import { hosts, revision, site, version } from "./live/store.ts";
import type { Page, PageProps } from "./pages/index.ts";
import { PAGES } from "./pages/index.ts";
import type { Theme } from "./preferences.ts";
import { keys, theme } from "./preferences.ts";
import { go, match, place } from "./router.ts";
import { tabTitle } from "./sentences.ts";
import { asked, may, session, shutOut } from "./session.ts";
import { clock } from "./words.ts";

startKeyboard();

export function Shell() {
  const found = pageAt(place.value.path);
  const open = session.value !== null;
  const page = found?.page ?? null;
  // Who is about to log in or to become the first user looks at nothing yet, and would be somebody else a moment later.
  const looks = open && page?.role !== "anyone";
  useEffect(() => {
    if (looks) startConnection();
  }, [looks]);
  // Whoever has to log in comes back to where he wanted to go.
  const outside = asked.value && !open && page?.role !== "anyone";
  useEffect(() => {
    if (outside) go(`/log-in?to=${encodeURIComponent(place.value.path + location.search)}`, { replace: true });
  }, [outside]);
  useEffect(() => {
    if (connection.value.kind === "shut-out") shutOut();
  }, [connection.value.kind]);
  if (!asked.value || outside) return <Waiting what="Asking the watcher" />;
  if (page?.bare === true && found !== null) return <Shown {...found} />;
  return <Framed found={found} />;
}

type Found = { readonly page: Page; readonly params: Readonly<Record<string, string>> };

function pageAt(path: string): Found | null {
  for (const page of PAGES) {
    const params = match(page.path, path);
    if (params !== null) return { page, params };
  }
  return null;
}

function Framed({ found }: { readonly found: Found | null }) {
  const [help, setHelp] = useState(false);
  const navigation = PAGES.filter((page) => page.nav !== undefined && (page.role === "anyone" || may(page.role)));
  useKeys([
    ...navigation.map((page) => ({ key: `g ${page.nav?.key ?? ""}`, does: `go to ${page.title}`, act: () => go(page.path) })),
    { key: "?", does: "this help", act: () => setHelp(true) },
  ], [navigation.length]);
  const state = connection.value;
  const stale = state.kind !== "live" && found?.page.still !== true;
  return (
    <div class="shell" data-stale={stale && site.value !== null ? "" : undefined}>
      <a class="skip" href="#main" data-leaves="">To the content</a>
      <header>
        <a class="brand" href="/" aria-label="Upkeep, fleet"><Mark />Upkeep</a>
        <nav aria-label="Pages">
          {navigation.map((page) => <a key={page.path} href={page.path} aria-current={isIn(page, place.value.path) ? "page" : undefined}>{page.nav?.word}</a>)}
        </nav>
        <Live />
        <You onHelp={() => setHelp(true)} />
      </header>
      <StaleNote />
      <NewVersion />
      <main id="main" tabIndex={-1}>
        {found === null ? <NotFound /> : found.page.role !== "anyone" && !may(found.page.role) ? <Problem error={`This page is for who has the role ${found.page.role}; yours is ${session.value?.role ?? "none"}.`} /> : site.value === null && found.page.still !== true ? <First /> : <Shown {...found} />}
      </main>
      <OpenAction />
      {help ? <Help onClose={() => setHelp(false)} /> : null}
    </div>
  );
}

/** `/hosts/db1` belongs to the fleet. */
function isIn(page: Page, path: string): boolean {
  if (page.path === "/") return path === "/" || path.startsWith("/hosts/");
  return path === page.path || path.startsWith(`${page.path}/`);
}

function First() {
  const state = connection.value;
  return state.kind === "stale" ? null : <Waiting what="Waiting for the watcher's first word" />;
}

function Shown({ page, params }: Found) {
  const [loaded, setLoaded] = useState<{ readonly of: Page; readonly View: ComponentType<PageProps> } | null>(null);
  const [error, setError] = useState<string | null>(null);
  const first = useRef(true);
  useEffect(() => {
    let wanted = true;
    setError(null);
    page.load().then(
      (View) => wanted && setLoaded({ of: page, View }),
      () => wanted && setError("This page's code cannot be fetched: the watcher cannot be reached, or is another version now."),
    );
    return () => {
      wanted = false;
    };
  }, [page]);
  const title = page.title.replace(/:(\w+)/g, (_, name: string) => params[name] ?? "");
  useEffect(() => {
    document.title = tabTitle(page.still === true ? null : site.value, [...hosts.value.values()].map((host) => host.report.value), title);
  }, [title, revision.value, site.value]);
  useEffect(() => {
    // A new page is read from its beginning; the first one was not asked for by a key or a link.
    if (!first.current) document.getElementById("main")?.focus({ preventScroll: true });
    first.current = false;
  }, [place.value.path]);
  if (error !== null) return <Problem error={error} onRetry={() => location.reload()} />;
  if (loaded?.of !== page) return <Waiting what={title} />;
  return <loaded.View params={params} query={place.value.query} />;
}

/** Whether what is shown is now. */
function Live() {
  const state = connection.value;
  if (state.kind === "live") return <span class="live"><i aria-hidden="true" />live · <time>{clock(nowMs.value)}</time></span>;
  return <span class="live off">{state.kind === "stale" ? "stale" : "connecting"}</span>;
}

function StaleNote() {
  const state = connection.value;
  if (state.kind !== "stale") return null;
  return (
    <div class="stale-note" role="alert">
      <strong>{state.sinceMs === null ? "Nothing has come from the watcher yet" : `Stale since ${clock(state.sinceMs)}`}</strong>
      <span>{state.because}. {state.sinceMs === null ? "" : "What you see is what was, not what is. "}It is tried again by itself.</span>
    </div>
  );
}

let firstVersion: string | null = null;

function NewVersion() {
  const now = version.value;
  if (now === null) return null;
  firstVersion ??= now;
  if (now === firstVersion) return null;
  return <div class="note" role="status">The watcher is version {now} now. <button type="button" onClick={() => location.reload()}>Load its page</button></div>;
}

const THEMES: readonly (readonly [Theme, string])[] = [["system", "as the system"], ["light", "light"], ["dark", "dark"]];

function You({ onHelp }: { readonly onHelp: () => void }) {
  const details = useRef<HTMLDetailsElement>(null);
  const close = () => details.current?.removeAttribute("open");
  useEffect(() => {
    const away = (event: Event) => {
      if (event instanceof KeyboardEvent ? event.key === "Escape" : event.target instanceof Node && details.current?.contains(event.target) !== true) close();
    };
    addEventListener("click", away);
    addEventListener("keydown", away);
    return () => {
      removeEventListener("click", away);
      removeEventListener("keydown", away);
    };
  }, []);
  const who = session.value?.user ?? null;
  const leave = async (): Promise<void> => {
    await logOut();
    location.assign("/log-in");
  };
  return (
    <details class="you" ref={details}>
      <summary>{who ?? "menu"}</summary>
      <div class="menu">
        <fieldset>
          <legend>Light or dark</legend>
          {THEMES.map(([value, word]) => <label key={value}><input type="radio" name="theme" checked={theme.value === value} onChange={() => (theme.value = value)} />{word}</label>)}
        </fieldset>
        {PAGES.filter((page) => page.nav === undefined && MENU.has(page.path) && (who !== null || page.path !== "/account") && may(page.role === "anyone" ? "viewer" : page.role)).map((page) => <a key={page.path} href={page.path} onClick={close}>{page.title}</a>)}
        <button type="button" onClick={() => { close(); onHelp(); }}>Keys</button>
        {who === null ? <a href="/set-up" onClick={close}>Make the first user</a> : null}
        {who === null ? null : <button type="button" onClick={() => void leave()}>Log out</button>}
      </div>
    </details>
  );
}

/** Pages that are in the menu behind the reader's name. */
const MENU: ReadonlySet<string> = new Set(["/docs", "/account", "/users", "/audit", "/notices", "/wall"]);

function Help({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {bound.value.map(({ key, does }) => <div key={key}><dt>{key.split(" ").map((each) => <kbd key={each}>{each}</kbd>)}</dt><dd>{does}</dd></div>)}
      </dl>
      <label class="check"><input type="checkbox" checked={keys.value} onChange={(event) => (keys.value = event.currentTarget.checked)} />Single keys do something</label>
      <div class="asks"><button type="button" data-first onClick={onClose}>Close</button></div>
    </Dialog>
  );
}

function NotFound() {
  return <><h1>There is nothing here.</h1><p class="lead">No page has the address <code>{place.value.path}</code>. <a href="/">To the fleet</a></p></>;
}
