// Whether the site has power, as far as this watcher knows, and the hosts that have shut themselves down for want of it: when each
// returns, and the word of a person that it may.

import type { HostReport, StatusReport } from "../../api/contract.ts";
import { returnOf } from "../actions.ts";
import { hosts as live } from "../live/store.ts";
import { may } from "../session.ts";
import { powerInWords } from "../views/power.ts";
import { sentence } from "../words.ts";
import { Act } from "./act.tsx";
import { Verdict } from "./signs.tsx";
import { Ago, At, HostName } from "./text.tsx";

export function Planned({ power, hosts }: { readonly power: StatusReport["power"]; readonly hosts: readonly HostReport[] }) {
  const planned = hosts.filter((host) => host.careful !== null);
  // A site without a signal, where nothing was shut down, has nothing to say of it.
  if (planned.length === 0 && power.state === "unknown" && power.goodSince === null) return null;
  const sign = power.state === "good" ? "up" : power.state === "lost" ? "down" : "unknown";
  return (
    <section aria-labelledby="power-itself">
      <h2 id="power-itself">Mains and cooling</h2>
      <p><Verdict of={sign}>{powerInWords(power)}</Verdict>{power.goodSince === null ? null : <span class="soft"> for <Ago at={power.goodSince} /></span>}</p>
      {planned.length === 0 ? null : (
        <ul class="card findings">
          {planned.map((host) => (
            <li key={host.host}>
              {live.value.has(host.host) ? <HostName host={host.host} /> : <b>{host.host}</b>}
              <div>{sentence(host.careful?.says ?? "")}
                <div class="soft">announced <At at={host.careful?.since ?? ""} />, event {host.careful?.event}{(host.careful?.lastSign ?? null) === null ? null : <>; last sign of life <At at={host.careful?.lastSign ?? ""} seconds /></>}</div>
                {host.careful?.state === "off" && may("operator") ? <div class="asks"><Act action={returnOf(host)} /></div> : null}
              </div>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
