// Logging in: a name and a password, and a code of six digits where the user has one. What went wrong is said in the watcher's
// words, which never tell whether the name or the password was the wrong one.

import { useState } from "preact/hooks";
import { logIn, setUpNeeded } from "../api.ts";
import { useAsked } from "../asked.ts";
import { Outside } from "../parts/outside.tsx";
import { go } from "../router.ts";
import { session } from "../session.ts";
import { sentence } from "../words.ts";
import type { PageProps } from "./index.ts";

export function LogIn({ query }: PageProps) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [wantsCode, setWantsCode] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const first = useAsked(() => setUpNeeded(), []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    const asked = await logIn({ user, password, ...(code.trim() === "" ? {} : { code: code.replace(/\s/g, "") }) });
    setBusy(false);
    if (asked.ok) {
      session.value = asked.body;
      return go(ours(query.get("to")), { replace: true });
    }
    // The password was right, and a code is asked for.
    if (asked.needs === "code") {
      if (!wantsCode) {
        setWantsCode(true);
        return;
      }
      setCode("");
    }
    setError(asked.error);
  };
  if (session.value !== null && session.value.user === null) return <Outside title="Nobody has to log in here."><p><a href="/">To the fleet</a></p></Outside>;
  return (
    <Outside title="Log in">
      <form onSubmit={(event) => void submit(event)}>
        <label class="field"><span>User</span><input type="text" name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required autofocus value={user} onInput={(event) => setUser(event.currentTarget.value)} /></label>
        <label class="field"><span>Password</span><input type="password" name="password" autocomplete="current-password" required value={password} onInput={(event) => setPassword(event.currentTarget.value)} /></label>
        {wantsCode ? <label class="field"><span>Code of your phone, or a recovery code</span><input type="text" name="code" autocomplete="one-time-code" required ref={(element) => void (element !== null && code === "" && element.focus())} value={code} onInput={(event) => setCode(event.currentTarget.value)} /></label> : null}
        {error === null ? null : <div class="problem" role="alert"><p>{sentence(error)}</p></div>}
        <div class="asks"><button type="submit" class="first" disabled={busy}>{busy ? "Asking…" : "Log in"}</button></div>
      </form>
      {first.body?.needed === true ? <p class="soft after">There is no user yet: the watcher has printed a link for the first one when it started, and <code>upkeep user set-up</code> on its machine prints a new one.</p> : null}
    </Outside>
  );
}

/** Back to where he wanted to go, if that is an address of ours: `//elsewhere` is not. */
function ours(to: string | null): string {
  return to !== null && /^\/(?![/\\])/.test(to) && !to.startsWith("/log-in") ? to : "/";
}
