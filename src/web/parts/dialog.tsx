// Dialogues are the browser's own `<dialog>`: it keeps the focus inside, closes on Escape and tells a screen reader that the
// rest is out of reach.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

type Props = { readonly title: string; readonly onClose: () => void; readonly children: ComponentChildren; readonly wide?: boolean };

export function Dialog({ title, onClose, children, wide = false }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    (dialog?.querySelector<HTMLElement>("[data-first]") ?? dialog?.querySelector<HTMLElement>("input, textarea, select"))?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog ref={element} class={wide ? "wide" : ""} aria-labelledby={id}
      onCancel={(event) => { event.preventDefault(); onClose(); }}
      onClick={(event) => event.target === element.current && onClose()}>
      <div class="dialog-body">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

type TypedProps = { readonly word: string; readonly value: string; readonly onInput: (value: string) => void };

/** A name that has to be typed before something is done that cannot be taken back. */
export function TypedName({ word, value, onInput }: TypedProps) {
  return (
    <label class="field">
      <span>Type <b>{word}</b> to go on</span>
      <input type="text" autocomplete="off" autocapitalize="none" spellcheck={false} value={value} data-first onInput={(event) => onInput(event.currentTarget.value)} />
    </label>
  );
}
