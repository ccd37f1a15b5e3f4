// Asking for something that changes the world: what it is, what will happen, a reason, and only then a button that says what it
// does. If the watcher wants a name typed first, it says why in its own words and the name is asked for; what it answers is
// shown as a sentence, a refusal with the brake that refused.

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { Answer, Command } from "../../api/contract.ts";
import { REASON_MAX } from "../../api/contract.ts";
import { command } from "../api.ts";
import { incidentPath } from "../router.ts";
import { closed, EXITS, sentence } from "../words.ts";
import { Dialog, TypedName } from "./dialog.tsx";

export type Given = { readonly reason: string; readonly forMs: number | null; readonly confirm: string | null; readonly again: boolean };

export type Action = {
  /** On the button that opens it, and on the one that does it. */
  readonly verb: string;
  readonly title: string;
  /** What will happen, a sentence each. */
  readonly plan: readonly string[];
  readonly danger?: boolean;
  readonly reason: "required" | "optional" | "none";
  /** How long; null: until it is ended. The first is what is offered. */
  readonly durations?: readonly (readonly [word: string, forMs: number | null])[];
  readonly command: (given: Given) => Command;
};

type State =
  | { readonly kind: "asking" }
  | { readonly kind: "sent" }
  | { readonly kind: "confirm"; readonly text: string; readonly word: string }
  | { readonly kind: "answered"; readonly answer: Answer }
  | { readonly kind: "failed"; readonly error: string };

type Open = { readonly action: Action; readonly onDone: (() => void) | undefined };

/** The one that is open. It belongs to no row: what it is about may change, or go, by what it asks for. */
const open = signal<Open | null>(null);

/** A button, and the dialogue behind it. */
export function Act({ action, onDone, first = false }: { readonly action: Action; readonly onDone?: () => void; readonly first?: boolean }) {
  return <button type="button" class={`${action.danger === true ? "danger" : ""} ${first ? "first" : ""}`} onClick={() => (open.value = { action, onDone })}>{action.verb}…</button>;
}

/** Stands in the shell. */
export function OpenAction() {
  const now = open.value;
  if (now === null) return null;
  const close = (): void => {
    open.value = null;
    now.onDone?.();
  };
  return <ActDialog action={now.action} onClose={close} />;
}

function ActDialog({ action, onClose }: { readonly action: Action; readonly onClose: () => void }) {
  const [reason, setReason] = useState("");
  const [duration, setDuration] = useState(0);
  const [typed, setTyped] = useState("");
  const [state, setState] = useState<State>({ kind: "asking" });
  const send = async (confirm: string | null, again: boolean): Promise<void> => {
    setState({ kind: "sent" });
    const asked = await command(action.command({ reason: reason.trim(), forMs: action.durations?.[duration]?.[1] ?? null, confirm, again }));
    if (!asked.ok) setState({ kind: "failed", error: asked.error });
    else if (asked.body.confirm !== null && asked.body.confirm !== confirm) setState({ kind: "confirm", text: asked.body.text, word: asked.body.confirm });
    else setState({ kind: "answered", answer: asked.body });
  };
  const word = state.kind === "confirm" ? state.word : null;
  const submit = (event: Event): void => {
    event.preventDefault();
    if (word === null) void send(null, false);
    else if (typed === word) void send(word, false);
  };
  if (state.kind === "answered") return <Answered action={action} answer={state.answer} onAgain={() => void send(typed === "" ? null : typed, true)} onClose={onClose} />;
  return (
    <Dialog title={action.title} onClose={onClose}>
      <form onSubmit={submit}>
        {word === null ? <ul class="plan">{action.plan.map((line) => <li key={line}>{line}</li>)}</ul> : <p class="warning">{closed(state.kind === "confirm" ? state.text : "")}</p>}
        {word !== null ? <TypedName key="name" word={word} value={typed} onInput={setTyped} /> : (
          <>
            {action.durations === undefined ? null : (
              <label class="field"><span>For how long</span>
                <select value={duration} onChange={(event) => setDuration(Number(event.currentTarget.value))}>{action.durations.map(([name], index) => <option key={name} value={index}>{name}</option>)}</select>
              </label>
            )}
            {action.reason === "none" ? null : (
              <label class="field"><span>Why{action.reason === "optional" ? " (if you like)" : ""}: it stands in the journal and in the messages</span>
                <input type="text" value={reason} maxLength={REASON_MAX} required={action.reason === "required"} autocomplete="off" data-first onInput={(event) => setReason(event.currentTarget.value)} />
              </label>
            )}
          </>
        )}
        {state.kind === "failed" ? <div class="problem" role="alert"><p>{sentence(state.error)}</p></div> : null}
        <div class="asks">
          <button type="submit" class={action.danger === true ? "danger first" : "first"} disabled={state.kind === "sent" || (word !== null && typed !== word) || (word === null && action.reason === "required" && reason.trim() === "")}>{state.kind === "sent" ? "Asking…" : action.verb}</button>
          <button type="button" onClick={onClose}>Cancel</button>
        </div>
      </form>
    </Dialog>
  );
}

function Answered({ action, answer, onAgain, onClose }: { readonly action: Action; readonly answer: Answer; readonly onAgain: () => void; readonly onClose: () => void }) {
  const again = answer.text.includes("--again");
  const text = answer.text.replace(/; --again to repeat it/, "").replace(/^refused: /, "");
  return (
    <Dialog title={action.title} onClose={onClose}>
      <div class={answer.exit === 0 || answer.exit === 1 ? "done" : "problem"} role="status"><p><b>{EXITS[answer.exit]}.</b> {closed(text)}</p></div>
      <div class="asks">
        {answer.incident === null ? null : <a class="button" href={incidentPath(answer.incident)} onClick={onClose}>Incident {answer.incident}</a>}
        {again ? <button type="button" onClick={onAgain}>Do it again all the same</button> : null}
        <button type="button" class="first" data-first onClick={onClose}>Close</button>
      </div>
    </Dialog>
  );
}
