// The first user: whoever holds the link that the watcher printed becomes its admin. The code comes with the link, behind `#`,
// which a browser sends to nobody, or is typed.

import { useState } from "preact/hooks";
import { setUp } from "../api.ts";
import { Outside } from "../parts/outside.tsx";
import { NewPassword } from "../parts/password.tsx";
import { go } from "../router.ts";
import { session } from "../session.ts";
import { sentence } from "../words.ts";
import type { PageProps } from "./index.ts";

export function SetUp({ query }: PageProps) {
  const [code, setCode] = useState(() => decodeURIComponent(location.hash.slice(1)).replace(/^code=/, "") || query.get("code") || "");
  const [user, setUser] = useState("");
  const [password, setPassword] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (password === null) return;
    setBusy(true);
    setError(null);
    const asked = await setUp({ code: code.trim(), user, password });
    setBusy(false);
    if (!asked.ok) return setError(asked.error);
    session.value = asked.body;
    go("/", { replace: true });
  };
  return (
    <Outside title="The first user">
      <p class="soft">This watcher has no user yet. You become its admin: you give commands, and you add the others.</p>
      <form onSubmit={(event) => void submit(event)}>
        <label class="field"><span>Code of the link that the watcher printed</span><input type="text" autocomplete="off" spellcheck={false} required value={code} onInput={(event) => setCode(event.currentTarget.value)} /></label>
        <label class="field"><span>Your name here</span><input type="text" name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required value={user} onInput={(event) => setUser(event.currentTarget.value)} /></label>
        <NewPassword onChange={setPassword} />
        {error === null ? null : <div class="problem" role="alert"><p>{sentence(error)}</p></div>}
        <div class="asks"><button type="submit" class="first" disabled={busy || password === null}>{busy ? "Asking…" : "Begin"}</button></div>
      </form>
    </Outside>
  );
}
