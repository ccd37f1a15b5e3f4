// Keys: one letter, or `g` and a letter to go somewhere. What a page can do with a key is registered while the page is shown,
// and the help (`?`) is made of the same rows. Nothing is done while somebody types, in a dialog, or with a modifier.

import { useEffect } from "preact/hooks";
import { signal } from "@preact/signals";
import { keys } from "./preferences.ts";

export type Key = { readonly key: string; readonly does: string; readonly act: () => void };

/** `g f`, `j`, `?`; the newest registration of a key wins. */
export const bound = signal<readonly Key[]>([]);

const CHORD_MS = 1_500;
let goingUntilMs = 0;

/** While the caller is shown. */
export function useKeys(rows: readonly Key[], deps: readonly unknown[] = []): void {
  useEffect(() => {
    bound.value = [...bound.value, ...rows];
    return () => {
      bound.value = bound.value.filter((row) => !rows.includes(row));
    };
  }, [...deps]);
}

export function startKeyboard(): void {
  addEventListener("keydown", (event) => {
    if (!keys.value || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return;
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest("input, textarea, select, dialog, [contenteditable]") !== null && target !== null) return;
    if (event.key === "Enter" && target?.closest("a, button, summary") !== null && target !== null) return;
    const nowMs = performance.now();
    const name = nowMs < goingUntilMs ? `g ${event.key}` : event.key;
    goingUntilMs = 0;
    const row = bound.value.findLast((each) => each.key === name);
    if (row !== undefined) {
      event.preventDefault();
      row.act();
    } else if (event.key === "g") goingUntilMs = nowMs + CHORD_MS;
  });
}
