// The command shells: the one that v3.7 gives behind a password followed by ` -c`, and that of v5 and later. A command names
// its outlet by number, so nothing is sent before the gate has opened; the number is the one that the list of this session
// has for the name.

import { assert, UpkeepError } from "../core/errors.ts";
import { KEYS, readShellAnswer, readShellList, SHELL_FLAVOURS, SHELL_QUIT } from "./apc-dialects.ts";
import type { Action, Answer, Listed, ShellFlavour } from "./apc-dialects.ts";
import type { Approach, Console } from "./apc-console.ts";
import type { Dialogue } from "./apc-dialogue.ts";

export class ShellConsole implements Console {
  readonly name = "shell";
  readonly #dialogue: Dialogue;
  #flavour: ShellFlavour | null = null;

  constructor(dialogue: Dialogue) {
    this.#dialogue = dialogue;
  }

  async list(): Promise<readonly Listed[]> {
    this.#dialogue.mark();
    for (const flavour of this.#flavour === null ? SHELL_FLAVOURS : [this.#flavour]) {
      this.#dialogue.send(flavour.list + KEYS.enter);
      const uncoded = (text: string): boolean => !flavour.coded && readShellList(text).length > 0;
      const heard = await this.#dialogue.until(["shell"], (said) => readShellAnswer(said.text).kind !== "none" || uncoded(said.text));
      const answer = readShellAnswer(heard.text);
      if (answer.kind === "unknown-command" && this.#flavour === null) continue;
      const outlets = readShellList(heard.text);
      if ((answer.kind !== "accepted" && !(answer.kind === "none" && uncoded(heard.text))) || outlets.length === 0) break;
      this.#flavour = flavour;
      return outlets;
    }
    throw new UpkeepError("POWER_NONSENSE", `the shell does not list its outlets; last heard: ${this.#dialogue.evidence()}`);
  }

  approach(listed: Listed, _all: readonly Listed[], action: Action): Promise<Approach> {
    assert(this.#flavour !== null, "an outlet comes from a list");
    this.#dialogue.mark();
    return Promise.resolve({
      state: listed.state,
      label: listed.label,
      command: `${this.#flavour.switch[action]} ${listed.number}${KEYS.enter}`,
      cancel: () => Promise.resolve(),
    });
  }

  async answer(): Promise<Answer> {
    const heard = await this.#dialogue.until(["shell"], (said) => readShellAnswer(said.text).kind !== "none");
    return readShellAnswer(heard.text);
  }

  resume(): Promise<void> {
    return Promise.resolve();
  }

  logOut(): Promise<void> {
    this.#dialogue.send(SHELL_QUIT + KEYS.enter);
    return Promise.resolve();
  }
}
