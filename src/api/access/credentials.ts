// What shows who somebody is, as bytes: how sessions and tokens are kept, compared and found in a request, and how much a token
// may. All of it is pure; what is kept of it is in access-file.ts.

import { createHash, timingSafeEqual } from "node:crypto";
import type { Role } from "../contract.ts";
import type { Standing } from "../route.ts";
import { STANDINGS, reaches } from "../route.ts";
import type { Token } from "./access-file.ts";

/** The lesser of what a token's scopes and its owner's role allow. */
export function standingOf(token: Pick<Token, "scopes">, role: Role): Standing {
  const meaning: Readonly<Record<Token["scopes"][number], Standing>> = { metrics: "metrics", read: "viewer", command: "operator", admin: "admin" };
  const most = token.scopes.map((scope) => meaning[scope]).reduce<Standing>((one, other) => (reaches(one, other) ? one : other), "anyone");
  return STANDINGS[Math.min(STANDINGS.indexOf(most), STANDINGS.indexOf(role))] ?? "anyone";
}

export function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** Made from the session's secret, so that nothing more is kept; it says nothing of the secret. */
export function csrfOf(secret: string): string {
  return createHash("sha256").update(`csrf ${secret}`).digest("base64url");
}

export function sameText(one: string, other: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

export function cookieIn(header: string | undefined, name: string): string | null {
  for (const each of (header ?? "").split(";")) {
    const [, key, value = ""] = /^\s*([^=\s]+)=([A-Za-z0-9_-]{43})\s*$/.exec(each) ?? [];
    if (key === name) return value;
  }
  return null;
}
