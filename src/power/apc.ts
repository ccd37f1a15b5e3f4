// The driver for APC's switched rack PDUs over telnet, as they were sold from 2003 on: two generations of menus and two of
// command shells, told apart by what the device says after the log-in. These devices serve one session at a time.
//
// It never sends a reboot (an outlet that is off stays off after one), a delayed command or one for all outlets. What it
// switches it has read in the same session, and a menu's question is answered only when the screens before it name the
// outlet. The consoles are in apc-menu.ts and apc-shell.ts, what they say in apc-dialects.ts.

import { assert, UpkeepError } from "../core/errors.ts";
import { BUSY, contradicts, ENDS, findOutlet, KEYS, LOGIN_REFUSED } from "./apc-dialects.ts";
import type { DialectName, Listed } from "./apc-dialects.ts";
import type { Console } from "./apc-console.ts";
import { aborted, Dialogue } from "./apc-dialogue.ts";
import type { Heard } from "./apc-dialogue.ts";
import { isMainMenu, MenuConsole } from "./apc-menu.ts";
import { ShellConsole } from "./apc-shell.ts";
import { passGate } from "./gate.ts";
import type { Fire, PowerDevice, PowerDriver, PowerSession, Reading, SetOutcome, Tap } from "./power.ts";

export type ApcOptions = {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly dialect: "auto" | DialectName;
  /** The limit of one step of the dialogue. */
  readonly stepMs: number;
  /** A command that the network has not taken by then is thrown away. */
  readonly maxActMs: number;
};

/** How long a log-out may take before the connection is cut. */
const LOGOUT_MS = 1_000;

/** APC switched rack PDUs over telnet. */
export const apc: PowerDriver<ApcOptions> = {
  name: "apc",
  testedOn: [
    "the virtual PDU of this repository in all dialects (accepted by fence_apc 4.12.1 and powerman 2.3.27)",
    "no device yet",
  ],
  create: (options) => new ApcDevice(options),
};

class ApcDevice implements PowerDevice {
  readonly #options: ApcOptions;

  constructor(options: ApcOptions) {
    this.#options = options;
  }

  async open(signal: AbortSignal, tap?: Tap): Promise<PowerSession> {
    const options = this.#options;
    // ` -c` behind the password asks for the shell, and is no secret; the password without it is.
    const secrets = [options.username, options.password, options.password.replace(/ -c$/, "")];
    const dialogue = await Dialogue.open({ ...options, secrets, tap }, signal);
    return await dialogue.while(signal, async () => {
      try {
        const login = await logIn(dialogue, options);
        const console = isShell(login) ? new ShellConsole(dialogue) : await MenuConsole.open(dialogue, login);
        const session = new ApcSession(dialogue, console);
        if (options.dialect === "auto" || options.dialect === console.name) return session;
        await session.close();
        const hint = options.dialect === "shell" ? '; firmware v3.7 gives its shell to a password followed by " -c"' : "";
        throw new UpkeepError("POWER_NONSENSE", `${options.host}:${options.port}: configured as ${options.dialect}, but it speaks ${console.name}${hint}`);
      } catch (error) {
        dialogue.destroy();
        throw error;
      }
    });
  }
}

/** A menu may have a name in its prompt, too. */
function isShell(login: Heard): boolean {
  return login.end === "shell" && !isMainMenu(login.text);
}

async function logIn(dialogue: Dialogue, options: ApcOptions): Promise<Heard> {
  const { host, port } = options;
  const refused = (why: string): UpkeepError => new UpkeepError("POWER_LOGIN", `${host}:${port}: ${why}`);
  const busy = (): UpkeepError => new UpkeepError("POWER_BUSY", `${host}:${port}: the device serves another session; it said: ${dialogue.evidence() || "nothing"}`);
  const step = async (ends: readonly (keyof typeof ENDS)[]): Promise<Heard> => {
    const heard = await dialogue.until(ends, () => true, { unfinished: "POWER_NONSENSE" });
    if (BUSY.test(heard.text)) throw busy();
    return heard;
  };
  try {
    await step(["userName"]);
    dialogue.send(options.username + KEYS.enter, "user name");
    await step(["password"]);
  } catch (error) {
    // A device that serves somebody else accepts the connection and hangs up.
    throw error instanceof UpkeepError && error.code === "POWER_UNREACHABLE" ? busy() : error;
  }
  dialogue.send(options.password + KEYS.enter, "password");
  let heard: Heard;
  try {
    heard = await step(["menu", "shell", "userName", "password"]);
  } catch (error) {
    if (!(error instanceof UpkeepError) || error.code !== "POWER_UNREACHABLE") throw error;
    throw refused(`it hung up after the password; it said: ${dialogue.evidence()}`);
  }
  if (heard.end === "userName" || heard.end === "password") {
    throw refused(LOGIN_REFUSED.test(heard.text) ? `it refused the user name or password; it said: ${dialogue.evidence()}` : "it asked for the user name again");
  }
  return heard;
}

class ApcSession implements PowerSession {
  readonly #dialogue: Dialogue;
  readonly #console: Console;
  #busy = false;
  #closing: Promise<void> | null = null;

  constructor(dialogue: Dialogue, console: Console) {
    this.#dialogue = dialogue;
    this.#console = console;
  }

  read(outlets: readonly string[], signal: AbortSignal): Promise<readonly Reading[]> {
    return this.#alone(signal, async () => {
      const listed = await this.#list();
      return outlets.map((outlet) => {
        const found = this.#find(listed, outlet);
        return { outlet, state: found.state, label: found.label };
      });
    });
  }

  set(outlet: string, action: "on" | "off", fire: Fire, signal: AbortSignal): Promise<SetOutcome> {
    return this.#alone(signal, async () => {
      const all = await this.#list();
      const approach = await this.#console.approach(this.#find(all, outlet), all, action);
      if (signal.aborted) throw aborted(signal);
      const passage = await passGate(fire, { outlet, state: approach.state, label: approach.label }, () => this.#write(approach.command), signal);
      if (passage.kind === "shut") {
        // A device that does not let us back out is left by hanging up: a question that nobody answers switches nothing.
        if (!this.#dialogue.ended) await approach.cancel().catch(() => this.#dialogue.destroy());
        return passage.outcome;
      }
      return await this.#outcome();
    });
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  #write(command: string): void {
    if (this.#dialogue.ended) throw new Error("the connection was gone");
    // A question that was left waiting too long is withdrawn, and what is typed then is typed somewhere else.
    if (!this.#dialogue.quiet) throw new Error("the device went on before the command could be sent");
    this.#dialogue.send(command);
  }

  async #outcome(): Promise<SetOutcome> {
    const { warning } = this.#dialogue;
    const evidence = (): string => (warning === null ? this.#dialogue.evidence() : `${this.#dialogue.evidence()}; ${warning}`);
    try {
      const answer = await this.#console.answer();
      const said = evidence();
      if (answer.kind === "none") {
        this.#dialogue.destroy();
        return { kind: "unknown", evidence: `neither yes nor no: ${said}` };
      }
      // The answer stands, whatever becomes of the session.
      await this.#console.resume().catch(() => this.#dialogue.destroy());
      return answer.kind === "accepted" ? { kind: "accepted", evidence: said } : { kind: "refused", by: "device", evidence: said };
    } catch (error) {
      // The connection is given up, so that a command still on its way is thrown away.
      this.#dialogue.destroy();
      return { kind: "unknown", evidence: `${error instanceof UpkeepError ? error.code : "failed"}: ${evidence()}` };
    }
  }

  async #list(): Promise<readonly Listed[]> {
    const listed = await this.#console.list();
    if (contradicts(listed)) throw new UpkeepError("POWER_NONSENSE", `the list of outlets contradicts itself: ${this.#dialogue.evidence()}`);
    return listed;
  }

  #find(listed: readonly Listed[], outlet: string): Listed {
    const found = findOutlet(listed, outlet);
    if (typeof found === "string") throw new UpkeepError("POWER_OUTLET", `outlet "${outlet.slice(0, 64)}": ${found}`);
    return found;
  }

  async #alone<Result>(signal: AbortSignal, call: () => Promise<Result>): Promise<Result> {
    assert(!this.#busy && this.#closing === null, "calls on a power session never overlap, and none follows its close");
    this.#busy = true;
    try {
      return await this.#dialogue.while(signal, call);
    } finally {
      this.#busy = false;
    }
  }

  async #close(): Promise<void> {
    const deadline = performance.now() + LOGOUT_MS;
    try {
      if (!this.#dialogue.ended && !this.#busy) {
        await this.#console.logOut(LOGOUT_MS / 2);
        await this.#dialogue.gone(deadline - performance.now());
      }
    } catch {
      // Hanging up ends the session too, only less politely.
    }
    this.#dialogue.destroy();
    await this.#dialogue.gone(LOGOUT_MS / 4);
  }
}
