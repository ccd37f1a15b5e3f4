// The page begins: who is looking is asked first, because nothing else is answered to somebody who has to log in.

import { render } from "preact";
import { setUpNeeded, whoAmI } from "./api.ts";
import { startPreferences } from "./preferences.ts";
import { go, place, startRouter } from "./router.ts";
import { asked, session } from "./session.ts";
import { Shell } from "./shell.tsx";

startPreferences();
startRouter();

async function begin(): Promise<void> {
  const who = await whoAmI();
  if (who.ok) session.value = who.body;
  else if (who.status === 401 && place.value.path !== "/set-up") {
    const first = await setUpNeeded();
    if (first.ok && first.body.needed) go("/set-up", { replace: true });
  }
  asked.value = true;
}

const root = document.getElementById("root");
if (root === null) throw new Error("assertion failed: the page has no #root");
render(<Shell />, root);
void begin();
