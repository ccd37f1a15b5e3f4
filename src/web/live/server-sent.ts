// The format of server-sent events, as far as `/v1/stream` uses it: fields `event` and `data`, a blank line at the end of
// each (HTML, "parsing an event stream"). Read from a fetch and not by EventSource, which hides why it was refused, hides
// when it last heard something, and comes back when it wants to.

import type { LiveEvent } from "../../api/live.ts";

/** The longest event: a snapshot of ten thousand hosts is a quarter of it. */
export const EVENT_CHARACTERS_MAX = 64 << 20;
const NAMES: ReadonlySet<string> = new Set(["snapshot", "delta", "cells", "lines", "tick"] satisfies readonly LiveEvent["event"][]);

/** Takes the text as it comes, gives whole events. Throws when an event is too long or is not what it says. */
export class EventReader {
  #pieces: string[] = [];
  #characters = 0;

  read(text: string): readonly LiveEvent[] {
    const events: LiveEvent[] = [];
    let rest = text;
    // A blank line may be cut in two by the network.
    if (rest.startsWith("\n") && this.#pieces.at(-1)?.endsWith("\n") === true) {
      this.#end(events);
      rest = rest.slice(1);
    }
    for (let at = rest.indexOf("\n\n"); at >= 0; at = rest.indexOf("\n\n")) {
      this.#pieces.push(rest.slice(0, at));
      this.#end(events);
      rest = rest.slice(at + 2);
    }
    if (rest !== "") {
      this.#pieces.push(rest);
      this.#characters += rest.length;
      if (this.#characters > EVENT_CHARACTERS_MAX) throw new Error("an event is longer than anything that the watcher has to say");
    }
    return events;
  }

  #end(events: LiveEvent[]): void {
    const block = this.#pieces.join("");
    this.#pieces = [];
    this.#characters = 0;
    let event = "message";
    const data: string[] = [];
    for (const line of block.split("\n")) {
      if (line.startsWith("event:")) event = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
    }
    if (data.length === 0 || !NAMES.has(event)) return;
    events.push({ event, data: JSON.parse(data.join("\n")) as unknown } as LiveEvent);
  }
}
