// Completions: the shells' scripts are a few lines each, and ask `upkeep __complete` what could come next. Names of hosts
// and watchers come from the running watcher; without one there are only the words of the command line itself.

import type { Command } from "commander";
import type { StatusReport } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { print } from "../terminal.ts";

/** Shell → its script. */
export const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_upkeep() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(upkeep __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _upkeep upkeep`,
  zsh: `#compdef upkeep
_upkeep() {
  local -a candidates
  candidates=("\${(@f)$(upkeep __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if (( \${#candidates[1]} )); then compadd -a candidates; else _files; fi
}
if [ "$funcstack[1]" = "_upkeep" ]; then _upkeep "$@"; else compdef _upkeep upkeep; fi`,
  fish: `function __upkeep_complete
  set -l words (commandline -opc) (commandline -ct)
  upkeep __complete -- $words[2..-1] 2>/dev/null
end
complete -c upkeep -a '(__upkeep_complete)'`,
};

/** Runs `upkeep completion`. */
export async function runCompletion(shell: string): Promise<number> {
  const script = SCRIPTS[shell];
  if (script === undefined) throw new CliError(EXIT.usage, `there is no ${shell}: bash, zsh or fish`);
  print(script);
  return EXIT.yes;
}

/** What could stand where the last of these words stands, one a line. */
export async function runComplete(program: Command, words: readonly string[]): Promise<number> {
  const given = words.slice(0, -1);
  const started = words.at(-1) ?? "";
  const { command, args, pending, config } = follow(program, given);
  let candidates: readonly string[];
  if (pending !== null) candidates = pending;
  else if (started.startsWith("-")) candidates = command.options.filter((option) => !option.hidden).flatMap((option) => option.long ?? []);
  else {
    const argument = command.registeredArguments[args];
    const under = args === 0 ? command.createHelp().visibleCommands(command).map((each) => each.name()) : [];
    const values = argument === undefined ? [] : argument.argChoices ?? (/host/.test(argument.name()) ? await names(config, ({ hosts }) => hosts.map((host) => host.host)) : argument.name() === "watcher" ? await names(config, ({ watchers }) => watchers.map((watcher) => watcher.watcher)) : argument.name() === "shell" ? Object.keys(SCRIPTS) : []);
    candidates = [...under, ...values];
  }
  for (const candidate of candidates) if (candidate.startsWith(started)) print(candidate);
  return EXIT.yes;
}

type Place = { readonly command: Command; /** Arguments that stand already. */ readonly args: number; /** The choices of an option that waits for its value. */ readonly pending: readonly string[] | null; readonly config: string | undefined };

function follow(program: Command, words: readonly string[]): Place {
  let command = program;
  let args = 0;
  let config: string | undefined;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    const option = command.options.find((each) => each.short === word || each.long === word.split("=")[0]);
    if (option !== undefined && (option.required || option.optional) && !word.includes("=")) {
      at += 1;
      if (at >= words.length) return { command, args, pending: option.argChoices ?? [], config };
      if (option.long === "--config") config = words[at];
    } else if (option === undefined && !word.startsWith("-")) {
      const next = args > 0 ? undefined : command.commands.find((each) => each.name() === word);
      if (next === undefined) args += 1;
      else {
        command = next;
        args = 0;
      }
    }
  }
  return { command, args, pending: null, config };
}

async function names(config: string | undefined, of: (status: StatusReport) => readonly string[]): Promise<readonly string[]> {
  try {
    const client = await connect(config === undefined ? {} : { config });
    return of(await client.get<StatusReport>(PATHS.status));
  } catch {
    return [];
  }
}
