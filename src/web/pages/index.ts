// Every page, one row each: where it is, what it is called, who may see it, and how its code comes. A page is a file of its own
// and is fetched when somebody goes there; only the shell and the fleet come with the first load.
//
// To add one: a file that exports a component of PageProps, and a row here. `nav` puts it into the header, `key` makes `g` and
// that letter go there.

import type { ComponentType } from "preact";
import type { Role } from "../../api/contract.ts";

export type PageProps = { readonly params: Readonly<Record<string, string>>; readonly query: URLSearchParams };

export type Page = {
  readonly path: string;
  readonly title: string;
  /** In the header, in this order. */
  readonly nav?: { readonly word: string; readonly key: string };
  /** The least role; `anyone`: also somebody who has not logged in. */
  readonly role: Role | "anyone";
  /** Without header: log-in, wall. */
  readonly bare?: true;
  /** It shows nothing of the live state and works without a stream. */
  readonly still?: true;
  readonly load: () => Promise<ComponentType<PageProps>>;
};

export const PAGES: readonly Page[] = [
  { path: "/", title: "Fleet", nav: { word: "Fleet", key: "f" }, role: "viewer", load: async () => (await import("./fleet.tsx")).Fleet },
  { path: "/hosts/:host", title: ":host", role: "viewer", load: async () => (await import("./host.tsx")).Host },
  { path: "/incidents", title: "Incidents", nav: { word: "Incidents", key: "i" }, role: "viewer", load: async () => (await import("./incidents.tsx")).Incidents },
  { path: "/incidents/:incident", title: ":incident", role: "viewer", load: async () => (await import("./incident.tsx")).Incident },
  { path: "/power", title: "Power", nav: { word: "Power", key: "p" }, role: "viewer", load: async () => (await import("./power.tsx")).Power },
  { path: "/watchers", title: "Watchers", nav: { word: "Watchers", key: "w" }, role: "viewer", load: async () => (await import("./watchers.tsx")).Watchers },
  { path: "/maintenance", title: "Maintenance", nav: { word: "Maintenance", key: "m" }, role: "viewer", load: async () => (await import("./maintenance.tsx")).Maintenance },
  { path: "/availability", title: "Availability", nav: { word: "Availability", key: "a" }, role: "viewer", load: async () => (await import("./availability.tsx")).Availability },
  { path: "/wall", title: "Wall", role: "viewer", bare: true, load: async () => (await import("./wall.tsx")).Wall },
  { path: "/notices", title: "Notices for the public", role: "viewer", still: true, load: async () => (await import("./notices.tsx")).Notices },
  { path: "/docs", title: "The interface", role: "viewer", still: true, load: async () => (await import("./interface.tsx")).Interface },
  { path: "/account", title: "Your account", role: "viewer", still: true, load: async () => (await import("./account.tsx")).Account },
  { path: "/users", title: "Users", role: "admin", still: true, load: async () => (await import("./users.tsx")).Users },
  { path: "/audit", title: "Who asked for what", role: "admin", still: true, load: async () => (await import("./audit.tsx")).Audit },
  { path: "/log-in", title: "Log in", role: "anyone", bare: true, still: true, load: async () => (await import("./log-in.tsx")).LogIn },
  { path: "/set-up", title: "Set up", role: "anyone", bare: true, still: true, load: async () => (await import("./set-up.tsx")).SetUp },
];
