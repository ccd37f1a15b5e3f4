// Who is looking, and what he may. The watcher decides it again at every request; here it only decides what is offered.

import { computed, signal } from "@preact/signals";
import type { Role, Session } from "../api/contract.ts";
import { ROLES } from "../api/contract.ts";

/** Null: nobody, or it is not known yet (`asked`). */
export const session = signal<Session | null>(null);
export const asked = signal(false);

export const role = computed<Role | null>(() => session.value?.role ?? null);

/** He may what this role may. */
export function may(least: Role): boolean {
  return role.value !== null && ROLES.indexOf(role.value) >= ROLES.indexOf(least);
}

/** The session has ended, or there was none. */
export function shutOut(): void {
  session.value = null;
  asked.value = true;
}
