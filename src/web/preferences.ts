// What a reader has chosen and this browser keeps: light or dark, and whether single keys do something.

import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const THEME = "upkeep-theme";
const KEYS = "upkeep-keys";

export const theme = signal<Theme>(themeOf(kept(THEME)));
/** Off for who speaks to the machine: dictated words are single keys too (WCAG 2.1.4). */
export const keys = signal(kept(KEYS) !== "off");

function themeOf(text: string | null): Theme {
  return text === "light" || text === "dark" ? text : "system";
}

function kept(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function keep(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing shows what was chosen until it is closed.
  }
}

export function startPreferences(): void {
  effect(() => {
    if (theme.value === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme.value;
    keep(THEME, theme.value === "system" ? null : theme.value);
  });
  effect(() => keep(KEYS, keys.value ? null : "off"));
}
