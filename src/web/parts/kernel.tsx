// What a host's kernel said (netconsole), at an incident and at a host that is in one; what was recognised stands out.

import type { LastWords as Words } from "../../api/contract.ts";
import { kernelLine } from "../timeline.ts";
import { closed, plural, sentence } from "../words.ts";
import { At } from "./text.tsx";

/** Where a sentence that speaks of it leads. */
export const LAST_WORDS = "last-words";

/** `name`: the incident or the host that `upkeep kernel` takes. */
export function LastWords({ of, name, seconds }: { readonly of: Words; readonly name: string; readonly seconds: boolean }) {
  return (
    <>
      <h2 id={LAST_WORDS}>Its kernel's last words</h2>
      {of.said === null || of.at === null ? null : <p class="lead"><At at={of.at} seconds={seconds} />: {closed(of.said)}</p>}
      <pre class="kernel" tabIndex={0} aria-label="Lines of its kernel">{of.lines.map((line) => <span key={line.id} class={line.sign === null ? "" : "recognised"}>{kernelLine(line)}{"\n"}</span>)}</pre>
      <p class="soft">{of.more > 0 ? <>{plural(of.more, "more line")}: <code>upkeep kernel {name}</code>. </> : null}They came by netconsole. Only the address on a datagram says who sent it, so nothing is ever switched off because of them.</p>
    </>
  );
}

/** The word that weighs most, as a link to the lines; null: nothing was recognised. */
export function KernelSaid({ of }: { readonly of: Words | null | undefined }) {
  return of === null || of === undefined || of.said === null ? null : <> <a href={`#${LAST_WORDS}`}>{sentence(of.said)}</a></>;
}
