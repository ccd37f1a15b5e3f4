// `upkeep user …`: who may ask over TCP. Passwords and codes are typed, or read from a file; what is shown once is shown once.

import type { Role, Session, SetUpLink, UserChanged, UserReport } from "../../api/contract.ts";
import { PATHS, ROLES } from "../../api/contract.ts";
import type { Client } from "../client.ts";
import { connect } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { askSecret, newPassword } from "../password.ts";
import { complain, dateAndClock, print, printable, printJson, table, zone } from "../terminal.ts";

/** Runs `upkeep user set-up`. */
export async function runSetUp(options: Options): Promise<number> {
  const client = await connect(options);
  const made = await client.post<SetUpLink>(PATHS.setUpLink, {});
  if (options.json === true) printJson(made);
  else if (made.link === null) {
    complain("the watcher listens nowhere (api.listen): a user would have no door to use. `upkeep user add` makes one all the same");
    return EXIT.no;
  } else {
    print(made.link);
    complain(`good once, until ${dateAndClock(made.expires)} ${zone(made.expires)}; links before it are void`);
    if (made.fingerprint !== null) complain(`the SHA-256 of the certificate that your browser will ask about: ${made.fingerprint}`);
  }
  return EXIT.yes;
}

/** Runs `upkeep user add`. */
export async function runUserAdd(user: string, options: Options): Promise<number> {
  const client = await connect(options);
  const password = await newPassword(options.passwordFile, user);
  const made = await client.post<UserReport>(PATHS.users, { user, role: options.role, password });
  return told(made, `${made.user} may log in now, as ${made.role}`, options);
}

/** Runs `upkeep user list`. Exit 1 when there is none. */
export async function runUserList(options: Options): Promise<number> {
  const users = await (await connect(options)).get<readonly UserReport[]>(PATHS.users);
  if (options.json === true) printJson(users);
  else if (users.length === 0) print("There is no user: over TCP it can only be looked, and only from this machine.");
  else {
    const rows = users.map((user) => [
      { text: printable(user.user) }, { text: user.role }, { text: user.totp ? "password and code" : "password" },
      { text: dateAndClock(user.created) }, { text: user.lastSeen === null ? "never" : dateAndClock(user.lastSeen) },
    ]);
    for (const line of table(["USER", "ROLE", "SHOWS", "SINCE", "LAST SEEN"], rows)) print(line);
  }
  return users.length > 0 ? EXIT.yes : EXIT.no;
}

/** Runs `upkeep user role`. */
export async function runUserRole(user: string, role: string, options: Options): Promise<number> {
  if (!(ROLES as readonly string[]).includes(role)) throw new CliError(EXIT.usage, `a role is one of ${ROLES.join(", ")}`);
  const client = await connect(options);
  const changed = await client.patch<UserChanged>(pathOf(user), { role: role as Role });
  return told(changed, `${changed.user} is ${changed.role} now`, options);
}

/** Runs `upkeep user password`. */
export async function runUserPassword(user: string, options: Options): Promise<number> {
  const client = await connect(options);
  const now = await presentPassword(client, user, options);
  const password = await newPassword(options.passwordFile, user);
  const changed = await client.patch<UserChanged>(pathOf(user), { password, ...now });
  return told(changed, `${changed.user} has another password now, and no session`, options);
}

/** Runs `upkeep user totp`. */
export async function runUserTotp(user: string, options: Options): Promise<number> {
  const client = await connect(options);
  const now = await presentPassword(client, user, options);
  if (options.off === true) {
    const changed = await client.patch<UserChanged>(pathOf(user), { totp: "off", ...now });
    return told(changed, `for ${changed.user} the password alone is enough now`, options);
  }
  const begun = await client.patch<UserChanged>(pathOf(user), { totp: "enrol", ...now });
  if (begun.enrolment === undefined) throw new CliError(EXIT.unavailable, "the watcher gave no secret");
  if (options.json === true) printJson(begun.enrolment);
  else {
    print(`Secret for the phone: ${begun.enrolment.secret.replace(/(.{4})(?=.)/g, "$1 ")}`);
    print(`Or as a link:         ${begun.enrolment.uri}`);
  }
  const code = await askSecret("Six digits that the phone shows: ");
  const changed = await client.patch<UserChanged>(pathOf(user), { code });
  if (options.json !== true) {
    print(`From now on ${changed.user} needs a code. When the phone is lost, each of these opens the door once:`);
    for (const each of changed.recovery ?? []) print(`  ${each}`);
  } else printJson(changed);
  return EXIT.yes;
}

/** Runs `upkeep user remove`. */
export async function runUserRemove(user: string, options: Options): Promise<number> {
  const client = await connect(options);
  return told(await client.remove<UserReport>(pathOf(user)), `${printable(user)} is gone, with all sessions and tokens`, options);
}

/** Over TCP whoever changes himself says his present password. */
async function presentPassword(client: Client, user: string, options: Options): Promise<{ readonly now?: string }> {
  if (options.url === undefined) return {};
  const session = await client.get<Session>(PATHS.session);
  return session.user === user ? { now: await askSecret("Your present password: ") } : {};
}

function told(report: UserReport, sentence: string, options: Options): number {
  if (options.json === true) printJson(report);
  else print(sentence);
  return EXIT.yes;
}

function pathOf(user: string): string {
  return `${PATHS.users}/${encodeURIComponent(user)}`;
}
