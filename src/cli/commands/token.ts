// `upkeep token …`: what programs show. The token itself goes to standard output alone, so that it can be sent into a file.

import type { Scope, TokenReport } from "../../api/contract.ts";
import { PATHS, SCOPES } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { complain, dateAndClock, print, printable, printJson, table } from "../terminal.ts";

/** Runs `upkeep token add`. */
export async function runTokenAdd(name: string, options: Options): Promise<number> {
  const scopes = options.scope ?? [];
  if (scopes.length === 0) throw new CliError(EXIT.usage, `what may it? --scope is one of ${SCOPES.join(", ")}`);
  for (const scope of scopes) if (!(SCOPES as readonly string[]).includes(scope)) throw new CliError(EXIT.usage, `there is no scope ${printable(scope)}; scopes: ${SCOPES.join(", ")}`);
  const client = await connect(options);
  const made = await client.post<TokenReport>(PATHS.tokens, { name, scopes: scopes satisfies readonly Scope[], forMs: options.for ?? null, ...(options.user === undefined ? {} : { user: options.user }) });
  if (options.json === true) printJson(made);
  else {
    complain(`token ${made.id} of ${printable(made.user)}, ${made.scopes.join(" and ")}, ${made.expires === null ? "without an end" : `until ${dateAndClock(made.expires)}`}; it is shown this once`);
    print(made.secret ?? "");
  }
  return EXIT.yes;
}

/** Runs `upkeep token list`. Exit 1 when there is none. */
export async function runTokenList(options: Options): Promise<number> {
  const tokens = await (await connect(options)).get<readonly TokenReport[]>(PATHS.tokens);
  if (options.json === true) printJson(tokens);
  else if (tokens.length === 0) print("There is no token.");
  else {
    const rows = tokens.map((token) => [
      { text: token.id }, { text: printable(token.name) }, { text: printable(token.user) }, { text: token.scopes.join(", ") },
      { text: token.expires === null ? "never" : dateAndClock(token.expires) }, { text: token.lastSeen === null ? "never" : dateAndClock(token.lastSeen) },
    ]);
    for (const line of table(["ID", "NAME", "USER", "MAY", "ENDS", "LAST SEEN"], rows)) print(line);
  }
  return tokens.length > 0 ? EXIT.yes : EXIT.no;
}

/** Runs `upkeep token remove`. */
export async function runTokenRemove(id: string, options: Options): Promise<number> {
  const client = await connect(options);
  const gone = await client.remove<TokenReport>(`${PATHS.tokens}/${encodeURIComponent(id)}`);
  if (options.json === true) printJson(gone);
  else print(`${printable(gone.name)} of ${printable(gone.user)} is good for nothing any more`);
  return EXIT.yes;
}
