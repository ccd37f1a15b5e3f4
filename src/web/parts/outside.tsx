// What somebody sees who has not logged in: a card and a title, and nothing of the fleet.

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Mark } from "./mark.tsx";

export function Outside({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Upkeep`;
  }, [title]);
  return (
    <main class="outside" id="main">
      <p class="brand"><Mark />Upkeep</p>
      <div class="card padded">
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}
