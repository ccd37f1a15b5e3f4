// What is shown once: a token, recovery codes. It can be copied, and it says that it will not come again.

import { useState } from "preact/hooks";

export function Secret({ text, what }: { readonly text: string; readonly what: string }) {
  const [said, setSaid] = useState("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied.");
    } catch {
      setSaid("The browser does not let this page copy: mark it and copy by hand.");
    }
  };
  return (
    <div class="done secret">
      <p><b>{what}</b> It is shown this once.</p>
      <pre tabIndex={0}>{text}</pre>
      <div class="asks"><button type="button" onClick={() => void copy()}>Copy</button><span class="soft" role="status">{said}</span></div>
    </div>
  );
}
