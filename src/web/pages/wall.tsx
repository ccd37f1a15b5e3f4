// The wall: read from across a room by people who are doing something else. One sentence says what is wrong, a tile for each
// group where. It is dim while nothing asks for anybody, so that it is noticed when something does; it takes no clicks.

import { useEffect } from "preact/hooks";
import { connection, nowMs } from "../live/connection.ts";
import { hosts, revision, site } from "../live/store.ts";
import { Verdict } from "../parts/signs.tsx";
import { Waiting } from "../parts/text.tsx";
import { tilesOf, wallSentence } from "../views/wall.ts";
import { clock, sentence } from "../words.ts";

/** More groups than this and tiles get smaller, fewer and they get bigger. */
const MANY = 12;
const FEW = 4;
const TILES_MAX = 60;

export function Wall() {
  const of = site.value;
  void revision.value;
  useEffect(keepAwake, []);
  if (of === null) return <Waiting what="Waiting for the watcher's first word" />;
  const reports = [...hosts.value.values()].map((host) => host.report.value);
  const state = connection.value;
  const stale = state.kind !== "live";
  const { text, more, calm } = wallSentence(of, reports, nowMs.value);
  const tiles = tilesOf(reports);
  const shown = tiles.slice(0, TILES_MAX);
  return (
    <main id="main" class={`wall${calm && !stale ? " calm" : ""}`} data-stale={stale ? "" : undefined} tabIndex={-1}>
      <div class="wall-head"><span>{of.site}</span><span>guarded {of.guarded}</span><time>{stale ? "" : clock(nowMs.value)}</time></div>
      <div class="wall-says" aria-live="polite">
        <h1>{stale ? (state.kind === "stale" && state.sinceMs !== null ? `Stale since ${clock(state.sinceMs)}.` : "Stale.") : text}</h1>
        {stale ? <p>{state.kind === "stale" ? sentence(state.because) : "Connecting."} What stands here is what was.</p> : more === null ? null : <p>{more}</p>}
      </div>
      <ul class={`wall-tiles${tiles.length > MANY ? " many" : tiles.length <= FEW ? " few" : ""}`} aria-label="Groups">
        {shown.map((tile) => (
          <li key={tile.group} class={`wall-tile ${tile.condition}`}>
            <b>{tile.group}</b>
            <Verdict of={tile.condition}>{tile.condition === "up" ? "well" : tile.who}</Verdict>
            <span class="wall-count">{tile.well.toLocaleString("en")} of {tile.hosts.toLocaleString("en")}</span>
          </li>
        ))}
      </ul>
      {tiles.length > TILES_MAX ? <p class="soft">and {tiles.length - TILES_MAX} more groups, none of them worse</p> : null}
    </main>
  );
}

/** A screen that goes dark tells nobody anything. Where a browser does not do that, its owner has to. */
function keepAwake(): () => void {
  let lock: WakeLockSentinel | null = null;
  let gone = false;
  const hold = (): void => {
    if (document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
    navigator.wakeLock.request("screen").then((held) => {
      lock = held;
      if (gone) void held.release();
    }, () => undefined);
  };
  hold();
  document.addEventListener("visibilitychange", hold);
  return () => {
    gone = true;
    document.removeEventListener("visibilitychange", hold);
    void lock?.release();
  };
}
