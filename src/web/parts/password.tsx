// A new password, typed twice. What is asked of it is its length; the watcher has the last word.

import { useId, useState } from "preact/hooks";

export const PASSWORD_MIN = 10;

/** Gives the password when it is long enough and the same twice, else null. */
export function NewPassword({ onChange, word = "Password" }: { readonly onChange: (password: string | null) => void; readonly word?: string }) {
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const id = useId();
  const said = first === "" ? `At least ${PASSWORD_MIN} characters; a few words are good.` : first.length < PASSWORD_MIN ? `${PASSWORD_MIN - first.length} more characters.` : second === "" ? "Once more, please." : first === second ? "Both are the same." : "The two are not the same.";
  const changed = (one: string, other: string): void => {
    setFirst(one);
    setSecond(other);
    onChange(one.length >= PASSWORD_MIN && one === other ? one : null);
  };
  return (
    <>
      <label class="field"><span>{word}</span><input type="password" name="new-password" autocomplete="new-password" required minLength={PASSWORD_MIN} aria-describedby={id} value={first} onInput={(event) => changed(event.currentTarget.value, second)} /></label>
      <label class="field"><span>The same again</span><input type="password" name="new-password-again" autocomplete="new-password" required aria-describedby={id} value={second} onInput={(event) => changed(first, event.currentTarget.value)} /></label>
      <p class="soft hint" id={id} role="status">{said}</p>
    </>
  );
}
