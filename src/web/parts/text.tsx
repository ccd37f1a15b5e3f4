// Sentences with names that lead somewhere, and times that go on.

import type { ComponentChildren } from "preact";
import { nowMs } from "../live/connection.ts";
import { hostPath, incidentPath } from "../router.ts";
import type { Saying } from "../sentences.ts";
import { age, clock, moment, whole } from "../words.ts";

export function Sentence({ of }: { readonly of: Saying }) {
  return (
    <>
      {of.map((piece, index) => {
        if (typeof piece === "string") return piece;
        if ("host" in piece) return <a key={index} class="name" href={hostPath(piece.host)}>{piece.host}</a>;
        if ("incident" in piece) return <a key={index} href={incidentPath(piece.incident)}>{piece.incident}</a>;
        return <a key={index} href={piece.to}>{piece.text}</a>;
      })}
    </>
  );
}

export function HostName({ host }: { readonly host: string }) {
  return <a class="name" href={hostPath(host)}>{host}</a>;
}

/** `41 d` and counting; the whole time on hovering. */
export function Ago({ at }: { readonly at: string }) {
  return <time dateTime={at} title={whole(Date.parse(at))}>{age(at, nowMs.value)}</time>;
}

/** `14:00`, with the day where it is another one. */
export function At({ at, seconds = false }: { readonly at: string; readonly seconds?: boolean }) {
  const atMs = Date.parse(at);
  return <time dateTime={at} title={whole(atMs)}>{seconds ? clock(atMs) : moment(atMs, nowMs.value)}</time>;
}

/** There is nothing, and that is said, with what would make it otherwise. */
export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** Something could not be had. */
export function Problem({ error, onRetry }: { readonly error: string; readonly onRetry?: (() => void) | undefined }) {
  return (
    <div class="problem" role="alert">
      <p>{error}</p>
      {onRetry === undefined ? null : <button type="button" onClick={onRetry}>Try again</button>}
    </div>
  );
}

export function Waiting({ what }: { readonly what: string }) {
  return <p class="waiting" role="status">{what}…</p>;
}
