// The log-in of all firmware: `User Name :`, `Password  :` (with a CR before each and nothing between: powerman expects
// exactly that), and the same again after a wrong one, without a word. Too many wrong ones end the connection, and may lock
// everybody out for a while (the CLI guide says three, and two minutes).

import type { Console } from "./apc-console.ts";

export type Credentials = { readonly user: string; readonly password: string };
/** shell: the password was followed by ` -c`, which menu firmware takes as a wish for its command line. */
export type LoginResult = "welcome" | "shell" | "refused";

export class LoginConsole implements Console {
  readonly #print: (text: string) => void;
  readonly #check: (user: string, password: string) => LoginResult;
  readonly #done: (result: LoginResult) => void;
  readonly #triesMax: number;
  #user: string | null = null;
  #tries = 0;

  constructor(options: { print: (text: string) => void; check: (user: string, password: string) => LoginResult; triesMax: number; done: (result: LoginResult) => void }) {
    this.#print = options.print;
    this.#check = options.check;
    this.#triesMax = options.triesMax;
    this.#done = options.done;
  }

  /** True while a password is typed: stars are echoed and nothing of it is logged. */
  get secret(): boolean {
    return this.#user !== null;
  }

  open(): void {
    this.#user = null;
    this.#print("\r\n\rUser Name : ");
  }

  line(text: string): void {
    if (this.#user === null) {
      if (text === "") return this.open();
      this.#user = text;
      return this.#print("\r\n\rPassword  : ");
    }
    const result = this.#check(this.#user, text);
    if (result !== "refused") return this.#done(result);
    this.#tries += 1;
    if (this.#tries >= this.#triesMax) return this.#done("refused");
    this.open();
  }

  escape(): void {
    this.open();
  }

  interrupt(): void {
    this.open();
  }
}

/** Compares a log-in with the device's account. */
export function checked(account: Credentials, user: string, password: string): LoginResult {
  if (user !== account.user) return "refused";
  if (password === account.password) return "welcome";
  return password === `${account.password} -c` ? "shell" : "refused";
}
