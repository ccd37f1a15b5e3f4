// Watchers: who sees what, who is in charge, and where they are not of one mind.

import type { HostReport, WatcherReport } from "../../api/contract.ts";
import { useTurn } from "../asked.ts";
import { hosts, revision, site } from "../live/store.ts";
import { nowMs } from "../live/connection.ts";
import { Act } from "../parts/act.tsx";
import { Agents } from "../parts/agents.tsx";
import { Ago, At, HostName, Sentence } from "../parts/text.tsx";
import { may } from "../session.ts";
import type { Agreement } from "../views/watchers.ts";
import { agreementOn, disputed, PRESENCE, presenceOf, watchersHeadline, watchersSayings } from "../views/watchers.ts";
import { listed, plural } from "../words.ts";

const DISPUTED_MAX = 50;
/** Agents are asked for again so often. */
const AGENTS_EVERY_MS = 15_000;

export function Watchers() {
  const of = site.value;
  void revision.value;
  const turn = useTurn(AGENTS_EVERY_MS);
  if (of === null) return null;
  const reports = [...hosts.value.values()].map((host) => host.report.value);
  const said = watchersSayings(of.watchers, reports, of.store);
  const open = disputed(reports);
  return (
    <>
      <h1>{watchersHeadline(of.watchers)}</h1>
      {said.length === 0 ? <p class="lead">They agree on {plural(reports.length, "host")}.</p> : <ul class="sayings">{said.map((saying, index) => <li key={index}><Sentence of={saying} /></li>)}</ul>}
      <div class="card table-frame" tabIndex={0} role="group" aria-label="Watchers">
        <table class="stacks">
          <thead><tr><th scope="col">Watcher</th><th scope="col">Is</th><th scope="col" class="number">In charge of</th><th scope="col" class="number">Looks at</th><th scope="col">Does not reach</th><th scope="col">Since</th><th scope="col">Version</th><th><span class="visually-hidden">What can be done</span></th></tr></thead>
          <tbody>{of.watchers.map((watcher) => <Row key={watcher.watcher} watcher={watcher} />)}</tbody>
        </table>
      </div>
      {of.store === null ? null : <Store store={of.store} />}
      <Agents turn={turn} />
      {of.watchers.length === 1 ? null : (
        <section aria-labelledby="agreement">
          <h2 id="agreement">Agreement</h2>
          {open.length === 0 ? <p class="soft">On every host a majority of its observers says the same.</p> : <Votes reports={open.slice(0, DISPUTED_MAX)} />}
          {open.length > DISPUTED_MAX ? <p class="soft">And {plural(open.length - DISPUTED_MAX, "more host")}.</p> : null}
        </section>
      )}
    </>
  );
}

function Row({ watcher }: { readonly watcher: WatcherReport }) {
  const presence = presenceOf(watcher);
  return (
    <tr>
      <th scope="row" class="outlet-name">{watcher.watcher}{watcher.self ? <span class="tag">this one</span> : null}</th>
      <td data-label="is"><span class={`presence ${presence}`}><svg viewBox="0 0 12 12" aria-hidden="true">{presence === "gone" ? <path d="M1 1h10v10H1Z" class="fill" /> : presence === "there" ? <circle cx="6" cy="6" r="4.6" class="fill" /> : <circle cx="6" cy="6" r="4.4" class="dashed" />}</svg>{PRESENCE[presence]}</span></td>
      <td data-label="in charge of" class="number"><span>{plural(watcher.inCharge, "host")}</span></td>
      <td data-label="looks at" class="number"><span>{plural(watcher.observes, "host")}</span></td>
      <td data-label="does not reach"><span>{watcher.cannot.length === 0 ? "–" : listed(watcher.cannot)}</span></td>
      <td data-label="since">{watcher.started === null ? <span>–</span> : <Ago at={watcher.started} />}</td>
      <td data-label="version"><span class="soft">{watcher.version ?? "–"}</span></td>
      <td>{presence === "gone" && may("operator") ? <Act action={{ verb: "Forget it", title: `Forget ${watcher.watcher}`, danger: true, reason: "none", plan: [`${watcher.watcher} no longer counts: the others decide without it.`, "It is refused while it is there; if it comes back, it joins anew.", "Do this if it is gone for good, not while the network between you may be cut."], command: () => ({ kind: "forget-watcher", watcher: watcher.watcher }) }} /> : null}</td>
    </tr>
  );
}

function Store({ store }: { readonly store: { readonly ok: boolean; readonly why: string | null; readonly heldUntil: string | null; readonly unreadable: readonly { readonly key: string; readonly why: string }[] } }) {
  const heldMs = store.heldUntil === null ? null : Date.parse(store.heldUntil) - nowMs.value;
  return (
    <section aria-labelledby="store">
      <h2 id="store">The store that they share</h2>
      <dl class="facts card padded">
        <dt>It</dt><dd>{store.ok ? "answers" : `does not answer: ${store.why ?? "no reason is given"}`}</dd>
        <dt>This watcher's session</dt><dd>{heldMs === null ? "there is none" : heldMs > 0 ? <>held; it would end at <At at={store.heldUntil ?? ""} seconds /> if nothing more came</> : "has ended"}</dd>
        {store.unreadable.length === 0 ? null : <><dt>Records that cannot be read</dt><dd>{store.unreadable.map(({ key, why }) => <div key={key}><code>{key}</code>: {why}</div>)}</dd></>}
      </dl>
    </section>
  );
}

const AGREEMENT: Readonly<Record<Agreement, string>> = { agreed: "agreed", split: "they disagree", short: "too few say anything" };
const SAYS = { up: "up", down: "down", abstain: "does not say", nothing: "has said nothing" } as const;

function Votes({ reports }: { readonly reports: readonly HostReport[] }) {
  return (
    <div class="card table-frame" tabIndex={0} role="group" aria-label="Hosts without agreement">
      <table class="stacks">
        <thead><tr><th scope="col">Host</th><th scope="col">Agreement</th><th scope="col">What each says</th></tr></thead>
        <tbody>{reports.map((host) => (
          <tr key={host.host}>
            <th scope="row"><HostName host={host.host} /></th>
            <td>{AGREEMENT[agreementOn(host)]}<div class="soft">{host.need} of {host.observers.length} are needed</div></td>
            <td>{host.observers.map((vote) => <div key={vote.watcher}><b>{vote.watcher}</b> {SAYS[vote.says ?? "nothing"]}<span class="soft">: {vote.because}</span></div>)}</td>
          </tr>
        ))}</tbody>
      </table>
    </div>
  );
}
