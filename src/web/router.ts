// Where the reader is: the path and the query of the address, nothing else, so that every view is a link that can be sent to
// somebody. Paths and not hashes: the watcher answers each of them with the same file.

import { signal } from "@preact/signals";

export type Place = { readonly path: string; readonly query: URLSearchParams };

export const place = signal<Place>(here());

function here(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

/** Goes there. `replace`: the step before is not kept, as while somebody types into a filter. */
export function go(to: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  if (to === location.pathname + location.search) return;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  const moved = place.value.path !== location.pathname;
  place.value = here();
  if (moved && !replace) scrollTo(0, 0);
}

/** Changes one word of the query; null or empty takes it away. */
export function ask(key: string, value: string | null): void {
  const query = new URLSearchParams(location.search);
  if (value === null || value === "") query.delete(key);
  else query.set(key, value);
  const text = query.toString();
  go(location.pathname + (text === "" ? "" : `?${text}`), { replace: true });
}

/** Follows the browser's own steps, and takes clicks on links of ours. */
export function startRouter(): void {
  addEventListener("popstate", () => (place.value = here()));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link === null || link.origin !== location.origin || link.target !== "" || link.hasAttribute("download") || link.dataset["leaves"] !== undefined) return;
    if (link.getAttribute("href")?.startsWith("#") === true) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}

/** `/hosts/:host` and `/hosts/db1` → `{ host: "db1" }`; null when it is another path, or is not well encoded. */
export function match(pattern: string, path: string): Readonly<Record<string, string>> | null {
  const wanted = pattern.split("/");
  const given = path.replace(/(.)\/$/, "$1").split("/");
  if (wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const word = given[index] ?? "";
    if (!part.startsWith(":")) {
      if (part !== word) return null;
      continue;
    }
    try {
      params[part.slice(1)] = decodeURIComponent(word);
    } catch {
      return null;
    }
    if (word === "") return null;
  }
  return params;
}

export const hostPath = (host: string) => `/hosts/${encodeURIComponent(host)}`;
export const incidentPath = (incident: string) => `/incidents/${encodeURIComponent(incident)}`;
