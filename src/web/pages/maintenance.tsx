// Maintenance: what holds automatic cuts back now, putting it on and taking it off, and what was held back before. All of it
// ends by itself, and none of it keeps power off that is owed.

import { useEffect, useState } from "preact/hooks";
import type { BrakeReport, EventLine } from "../../api/contract.ts";
import { inWords } from "../../api/contract.ts";
import { events } from "../api.ts";
import { nowMs } from "../live/connection.ts";
import { hosts, lines, revision, site } from "../live/store.ts";
import type { Action } from "../parts/act.tsx";
import { Act } from "../parts/act.tsx";
import { Reboots } from "../parts/reboots.tsx";
import { At, Empty, HostName, Problem, Waiting } from "../parts/text.tsx";
import { hostPath } from "../router.ts";
import { may } from "../session.ts";
import { EVERYTHING, KINDS, maintenanceHeadline, MEANS, scopeInWords } from "../views/maintenance.ts";
import { sentence } from "../words.ts";

const HOUR_MS = 3_600_000;
const LENGTHS = [["1 hour", HOUR_MS], ["10 minutes", 600_000], ["30 minutes", 1_800_000], ["2 hours", 2 * HOUR_MS], ["4 hours", 4 * HOUR_MS], ["8 hours", 8 * HOUR_MS], ["1 day", 24 * HOUR_MS], ["1 week", 168 * HOUR_MS]] as const;
const SHORT = [["10 minutes", 600_000], ["5 minutes", 300_000], ["30 minutes", 1_800_000], ["1 hour", HOUR_MS]] as const;
const LINES = 50;

export function Maintenance() {
  const of = site.value;
  void revision.value;
  if (of === null) return null;
  const brakes = [...of.brakes].sort((one, other) => (one.scope === EVERYTHING ? -1 : other.scope === EVERYTHING ? 1 : one.scope.localeCompare(other.scope, "en", { numeric: true })));
  return (
    <>
      <h1>{maintenanceHeadline(brakes, of.armed)}</h1>
      <p class="lead">{of.armed ? "What is held back is watched and told all the same. It ends by itself, and power that we owe is restored whatever is held back." : "The configuration says armed: false. Upkeep decides and tells, and cuts nothing until that is changed and read again (upkeep reload)."}</p>
      {brakes.length === 0 ? null : (
        <div class="card table-frame" tabIndex={0} role="group" aria-label="What is held back now">
          <table class="stacks">
            <thead><tr><th scope="col">Who</th><th scope="col">What</th><th scope="col">For another</th><th scope="col">By, and why</th><th><span class="visually-hidden">End it</span></th></tr></thead>
            <tbody>{brakes.map((brake) => <Brake key={`${brake.brake} ${brake.scope}`} brake={brake} />)}</tbody>
          </table>
        </div>
      )}
      {of.reboots === null || of.reboots === undefined || of.reboots.state === "ended" ? null : <Reboots of={of.reboots} />}
      {may("operator") ? <Begin /> : null}
      {of.reboots?.state === "ended" ? <Reboots of={of.reboots} /> : null}
      <Before />
    </>
  );
}

function Brake({ brake }: { readonly brake: BrakeReport }) {
  const leftMs = brake.until === null ? null : Date.parse(brake.until) - nowMs.value;
  return (
    <tr>
      <th scope="row">{brake.scope === EVERYTHING ? "the whole fleet" : <HostName host={brake.scope} />}</th>
      <td>{KINDS[brake.brake]}<div class="soft">{MEANS[brake.brake]}</div></td>
      <td>{leftMs === null ? "until it is ended" : leftMs <= 0 ? "ending" : inWords(leftMs)}{brake.until === null ? null : <div class="soft">until <At at={brake.until} /></div>}</td>
      <td class="wraps">{brake.by}, since <At at={brake.since} />{brake.reason === "" ? null : <div class="soft">{brake.reason}</div>}</td>
      <td>{may("operator") ? <Act action={ending(brake)} /> : null}</td>
    </tr>
  );
}

function ending(brake: BrakeReport): Action {
  const who = scopeInWords(brake.scope);
  const arm = brake.brake === "disarmed";
  return {
    verb: arm ? "Arm" : "End", title: arm ? `Arm ${who}` : `End ${KINDS[brake.brake]} of ${who}`, reason: "none",
    plan: [`From then on ${who} can be cut again.`, "It is counted from zero: a host that is down now has its whole threshold before it."],
    command: () => ({ kind: "unbrake", brake: brake.brake, scope: brake.scope }),
  };
}

function Begin() {
  const [host, setHost] = useState("");
  const names = [...hosts.value.keys()];
  const known = host === "" || hosts.value.has(host);
  const scope = host === "" ? EVERYTHING : host;
  const who = scopeInWords(scope);
  const maintenance: Action = {
    verb: "Begin maintenance", title: `Maintenance of ${who}`, reason: "required", durations: LENGTHS,
    plan: [scope === EVERYTHING ? "No host is cut by itself while it lasts; looking and telling go on." : `${who} is not cut by itself while it lasts; looking and telling go on.`, "It ends by itself. A host that is not healthy then is held until it was seen healthy, or released."],
    command: ({ reason, forMs }) => ({ kind: "brake", brake: scope === EVERYTHING ? "inhibit" : "maintenance", scope, forMs, reason }),
  };
  const disarm: Action = {
    verb: "Disarm", title: `Disarm ${who}`, reason: "required", durations: [["1 day", 24 * HOUR_MS], ...LENGTHS.filter(([word]) => word !== "1 day")],
    plan: ["Upkeep decides and tells what it would do, and cuts nothing.", "It ends by itself, and reminds somebody of it until then."],
    command: ({ reason, forMs }) => ({ kind: "brake", brake: "disarmed", scope, forMs, reason }),
  };
  const reboot: Action = {
    verb: "Announce a reboot", title: `Announce a reboot of ${who}`, reason: "optional", durations: SHORT,
    plan: ["Its silence is no reason to cut it for a while, and no longer than a boot takes once it is gone."],
    command: ({ reason, forMs }) => ({ kind: "brake", brake: "going-down", scope, forMs, reason }),
  };
  return (
    <section aria-labelledby="begin">
      <h2 id="begin">Hold something back</h2>
      <div class="card padded begin">
        <label class="field"><span>Host; empty for the whole fleet</span>
          <input type="text" list="maintenance-hosts" value={host} placeholder="the whole fleet" autocomplete="off" autocapitalize="none" spellcheck={false} aria-invalid={!known} onInput={(event) => setHost(event.currentTarget.value.trim())} />
          <datalist id="maintenance-hosts">{names.slice(0, 1_000).map((name) => <option key={name} value={name} />)}</datalist>
        </label>
        {known ? <div class="asks"><Act action={maintenance} first /><Act action={disarm} />{scope === EVERYTHING ? null : <Act action={reboot} />}</div> : <p class="soft" role="status">No host is named {host}.</p>}
      </div>
    </section>
  );
}

/** The sentence, its host a link. */
function linked({ host, because }: EventLine) {
  if (host === null) return because;
  const link = <a class="name" href={hostPath(host)}>{host}</a>;
  const at = because.split(" ").indexOf(host);
  if (at < 0) return <>{link} {because}</>;
  const words = because.split(" ");
  return <>{words.slice(0, at).join(" ")} {link} {words.slice(at + 1).join(" ")}</>;
}

const ABOUT: ReadonlySet<string> = new Set(["brake", "brake-ended"]);

/** What was put on and taken off: asked once, and then as it comes. */
function Before() {
  const [told, setTold] = useState<readonly EventLine[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  const ask = async (signal?: AbortSignal): Promise<void> => {
    setError(null);
    const asked = await events({ kind: [...ABOUT].join(","), limit: LINES }, signal);
    if (signal?.aborted === true) return;
    if (asked.ok) setTold(asked.body);
    else setError(asked.error);
  };
  useEffect(() => {
    const gone = new AbortController();
    void ask(gone.signal);
    return () => gone.abort();
  }, []);
  const lastSeq = told?.at(-1)?.seq ?? -1;
  const shown = [...(told ?? []), ...lines.value.filter((line) => ABOUT.has(line.kind) && line.seq > lastSeq)].slice(-LINES).reverse();
  return (
    <section aria-labelledby="before">
      <h2 id="before">What was held back before</h2>
      {error !== null ? <Problem error={sentence(error)} onRetry={() => void ask()} /> : told === null ? <Waiting what="Asking for it" /> : shown.length === 0 ? <Empty>Nothing is on record.</Empty> : (
        <ol class="card past">{shown.map((line) => <li key={line.seq}><At at={line.at} /><span>{linked(line)}</span></li>)}</ol>
      )}
    </section>
  );
}
