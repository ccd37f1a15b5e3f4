// Notices: what people tell the public on the status page, beside what the watcher says there by itself. It goes out at once,
// so the form says where, and what is written is shown as it was typed.

import { useEffect, useState } from "preact/hooks";
import type { NoticeReport, NoticeRequest, NoticeUpdateRequest } from "../../api/contract.ts";
import { NOTICE_SEVERITIES, NOTICE_TEXT_MAX, NOTICE_TITLE_MAX, PATHS } from "../../api/contract.ts";
import type { Asked } from "../api.ts";
import { ask } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { At, Empty, Problem, Waiting } from "../parts/text.tsx";
import { may } from "../session.ts";
import { plural, sentence } from "../words.ts";

const MEANS: Readonly<Record<NoticeReport["severity"], string>> = { info: "for their information", maintenance: "maintenance", disturbance: "a disturbance", outage: "an outage" };

export function Notices() {
  const [notices, setNotices] = useState<readonly NoticeReport[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [writing, setWriting] = useState(false);
  const look = async (): Promise<void> => {
    const asked = await ask<readonly NoticeReport[]>(PATHS.notices);
    setError(asked.ok ? null : asked.error);
    if (asked.ok) setNotices(asked.body);
  };
  useEffect(() => void look(), []);
  if (notices === null) return error === null ? <Waiting what="Asking for the notices" /> : <Problem error={sentence(error)} onRetry={() => void look()} />;
  const open = notices.filter(({ ended }) => ended === null).reverse();
  const past = notices.filter(({ ended }) => ended !== null).reverse();
  return (
    <>
      <h1>{open.length === 0 ? "The public is told nothing in particular." : `The public is told ${plural(open.length, "thing")}.`}</h1>
      <p class="lead">What stands here is on the <a href="/status" data-leaves="">public status page</a> at once, without the writer's name. Which groups are shown there is in the configuration (statusPage).</p>
      {error === null ? null : <Problem error={sentence(error)} />}
      {may("operator") ? <p><button type="button" class="first" onClick={() => setWriting(true)}>Tell them something…</button></p> : null}
      {writing ? <Write title="Tell the public something" onClose={() => setWriting(false)} onSent={look} send={({ title, text, severity, components }) => ask(PATHS.notices, { method: "POST", body: { title, text, severity, components } satisfies NoticeRequest })} /> : null}
      {open.map((notice) => <Notice key={notice.id} notice={notice} onChange={look} />)}
      {past.length === 0 ? (open.length === 0 ? <Empty>No notice was ever written.</Empty> : null) : <h2>What they were told before</h2>}
      {past.map((notice) => <Notice key={notice.id} notice={notice} onChange={look} />)}
    </>
  );
}

function Notice({ notice, onChange }: { readonly notice: NoticeReport; readonly onChange: () => Promise<void> }) {
  const [doing, setDoing] = useState<"update" | "end" | "remove" | null>(null);
  const path = `${PATHS.notices}/${notice.id}`;
  const change = (body: NoticeUpdateRequest) => ask(path, { method: "PATCH", body });
  const close = () => setDoing(null);
  return (
    <article class={`card padded notice ${notice.severity}`} aria-labelledby={`notice-${notice.id}`}>
      <h3 id={`notice-${notice.id}`}>{notice.title}</h3>
      <p class="soft">{MEANS[notice.severity]}{notice.components.length === 0 ? "" : `: ${notice.components.join(", ")}`}, <At at={notice.began} />{notice.ended === null ? "" : <> – <At at={notice.ended} /></>}</p>
      {[...notice.updates].reverse().map((update, index) => <div key={index} class="notice-update"><p class="soft"><At at={update.at} /> by {update.by}</p><p class="as-typed">{update.text}</p></div>)}
      {may("operator") ? (
        <div class="asks">
          {notice.ended === null ? <><button type="button" onClick={() => setDoing("update")}>Update…</button><button type="button" onClick={() => setDoing("end")}>End…</button></> : null}
          <button type="button" class="danger" onClick={() => setDoing("remove")}>Take away…</button>
        </div>
      ) : null}
      {doing === "update" ? <Write title={`What is new: ${notice.title}`} update severity={notice.severity} onClose={close} onSent={onChange} send={({ text, severity }) => change({ text, severity })} /> : null}
      {doing === "end" ? <Write title={`It is over: ${notice.title}`} update textOptional severity={notice.severity} onClose={close} onSent={onChange} send={({ text, severity }) => change({ ...(text === "" ? {} : { text }), severity, end: true })} /> : null}
      {doing === "remove" ? <Sure title={`Take away: ${notice.title}`} onClose={close} onSent={onChange} send={() => ask(path, { method: "DELETE" })} /> : null}
    </article>
  );
}

type Draft = { readonly title: string; readonly text: string; readonly severity: NoticeReport["severity"]; readonly components: readonly string[] };
type WriteProps = { readonly title: string; readonly update?: true; readonly textOptional?: true; readonly severity?: NoticeReport["severity"]; readonly send: (draft: Draft) => Promise<Asked<unknown>>; readonly onSent: () => Promise<void>; readonly onClose: () => void };

function Write({ title, update, textOptional, severity: before = "info", send, onSent, onClose }: WriteProps) {
  const [draft, setDraft] = useState<Draft>({ title: "", text: "", severity: before, components: [] });
  const [state, setState] = useState<"writing" | "sent" | { readonly error: string }>("writing");
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setState("sent");
    const asked = await send(draft);
    if (!asked.ok) return setState({ error: asked.error });
    await onSent();
    onClose();
  };
  return (
    <Dialog title={title} onClose={onClose} wide>
      <form onSubmit={(event) => void submit(event)}>
        {update === true ? null : (
          <>
            <label class="field"><span>In a few words</span><input type="text" required maxLength={NOTICE_TITLE_MAX} value={draft.title} autocomplete="off" data-first onInput={(event) => setDraft({ ...draft, title: event.currentTarget.value })} /></label>
            <label class="field"><span>What it is about: names from the status page, with commas between them (if you like)</span><input type="text" value={draft.components.join(",")} autocomplete="off" onChange={(event) => setDraft({ ...draft, components: event.currentTarget.value.split(",").map((name) => name.trim()).filter((name) => name !== "") })} /></label>
          </>
        )}
        <label class="field"><span>It is</span><select value={draft.severity} onChange={(event) => setDraft({ ...draft, severity: NOTICE_SEVERITIES.find((each) => each === event.currentTarget.value) ?? draft.severity })}>{NOTICE_SEVERITIES.map((each) => <option key={each} value={each}>{MEANS[each]}</option>)}</select></label>
        <label class="field"><span>What there is to say{textOptional === true ? " (if you like)" : ""}: paragraphs, lists, **bold**, *emphasis*, [links](https://…)</span><textarea rows={6} required={textOptional !== true} maxLength={NOTICE_TEXT_MAX} value={draft.text} {...(update === true ? { "data-first": true } : {})} onInput={(event) => setDraft({ ...draft, text: event.currentTarget.value })} /></label>
        {typeof state === "object" ? <div class="problem" role="alert"><p>{sentence(state.error)}</p></div> : null}
        <div class="asks"><button type="submit" class="first" disabled={state === "sent"}>Tell them</button><button type="button" onClick={onClose}>Cancel</button></div>
      </form>
    </Dialog>
  );
}

function Sure({ title, send, onSent, onClose }: { readonly title: string; readonly send: () => Promise<Asked<unknown>>; readonly onSent: () => Promise<void>; readonly onClose: () => void }) {
  const [error, setError] = useState<string | null>(null);
  const act = async (): Promise<void> => {
    const asked = await send();
    if (!asked.ok) return setError(asked.error);
    onClose();
    await onSent();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <p>It goes as if it had never been written, also from the days that have passed. To say that something is over, end it instead.</p>
      {error === null ? null : <div class="problem" role="alert"><p>{sentence(error)}</p></div>}
      <div class="asks"><button type="button" class="danger first" onClick={() => void act()}>Take it away</button><button type="button" data-first onClick={onClose}>Cancel</button></div>
    </Dialog>
  );
}
