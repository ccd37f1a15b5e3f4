// Small signs that stand for a state: each is a shape and a word, so that neither colour nor shape alone carries it.

import type { ComponentChildren, JSX } from "preact";
import type { HostReport, OutletReport } from "../../api/contract.ts";
import type { Strip as StripText } from "../../api/live.ts";
import { STRIP_CELLS } from "../../api/live.ts";
import { stripInWords } from "../live/strips.ts";
import type { Condition } from "../words.ts";
import { CONDITIONS } from "../words.ts";

const SHAPES: Readonly<Record<Condition, JSX.Element>> = {
  up: <circle cx="6" cy="6" r="4.6" class="fill" />,
  suspect: <path d="M6 .6 11.4 6 6 11.4.6 6Z" class="fill" />,
  down: <path d="M1 1h10v10H1Z" class="fill" />,
  unknown: <circle cx="6" cy="6" r="4.4" class="dashed" />,
  held: <path d="M1.6 1.6h8.8v8.8H1.6Z M4 4v4 M8 4v4" class="outline" />,
  off: <path d="M6 1v5 M3.4 2.6a4.4 4.4 0 1 0 5.2 0" class="outline" />,
  working: <path d="M10.4 6A4.4 4.4 0 1 1 8.6 2.4 M8.7 .4v2.4H6.3" class="outline" />,
};

/** A shape and words; without children the condition's own word. */
export function Verdict({ of, children }: { readonly of: Condition; readonly children?: ComponentChildren }) {
  return (
    <span class={`verdict ${of}`}>
      <svg viewBox="0 0 12 12" aria-hidden="true">{SHAPES[of]}</svg>
      <span>{children ?? CONDITIONS[of]}</span>
    </span>
  );
}

/** Heights as well as colours: good is low and calm, bad fills the strip, unknown is a dotted line, no round is nothing. */
const CELLS = [
  { cell: ".", name: "good", top: 9, height: 11 },
  { cell: "s", name: "slow", top: 5, height: 15 },
  { cell: "b", name: "bad", top: 0, height: 20 },
  { cell: "u", name: "none", top: 15, height: 5 },
] as const;

/** The last minutes of one probe, the newest at the right. */
export function Strip({ probe, strip, counts = true }: { readonly probe: string; readonly strip: StripText; readonly counts?: boolean }) {
  return (
    <svg class={counts ? "strip" : "strip evidence"} viewBox={`0 0 ${STRIP_CELLS} 20`} preserveAspectRatio="none" role="img" aria-label={`${probe}, last 5 minutes: ${stripInWords(strip)}`}>
      <path class="base" d={`M0 19.6h${STRIP_CELLS}v.4h-${STRIP_CELLS}z`} />
      {CELLS.map(({ cell, name, top, height }) => {
        const path = barsOf(strip, cell, top, height);
        return path === "" ? null : <path key={name} class={name} d={path} />;
      })}
    </svg>
  );
}

function barsOf(strip: StripText, cell: string, top: number, height: number): string {
  let path = "";
  for (let at = 0; at < strip.length; at += 1) if (strip[at] === cell) path += `M${at + 0.1} ${top}h.8v${height}h-.8z`;
  return path;
}

const PIPS_MAX = 10;

/** The counter against the threshold. */
export function Pips({ counter, threshold }: { readonly counter: number; readonly threshold: number }) {
  const label = `counter ${counter} of ${threshold}`;
  if (threshold > PIPS_MAX) return <span class="pips-text">{counter} of {threshold}</span>;
  return <span class="pips" role="img" aria-label={label} title={label}>{Array.from({ length: threshold }, (_, index) => <i key={index} class={index < counter ? "on" : ""} />)}</span>;
}

/** An outlet and what it reads. */
export function Outlet({ outlet }: { readonly outlet: OutletReport }) {
  return (
    <span class={`outlet ${outlet.state}`} title={outlet.proved ? "a past good cycle has proved that it feeds this host" : "that it feeds this host is what the configuration says; no good cycle has proved it yet"}>
      {outlet.outlet} <b>{outlet.state === "unknown" ? "not read" : outlet.state}</b>
    </span>
  );
}

export function Outlets({ host }: { readonly host: HostReport }) {
  if (host.power.length === 0) return <span class="soft">no power</span>;
  return <span class="outlets">{host.power.map((outlet) => <Outlet key={outlet.outlet} outlet={outlet} />)}</span>;
}
