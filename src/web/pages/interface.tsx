// The reader of the interface's description: what may be asked, with examples to copy, from the document that this watcher
// serves, so that it is never another version's.

import { useState } from "preact/hooks";
import { PATHS } from "../../api/contract.ts";
import { ask as askFor } from "../api.ts";
import { useAsked } from "../asked.ts";
import { useKeys } from "../keyboard.ts";
import type { Asked, Field, JsonObject, Reading, Shape } from "../openapi.ts";
import { found, readingOf } from "../openapi.ts";
import { Empty, Problem, Waiting } from "../parts/text.tsx";
import { ask } from "../router.ts";
import { sentence } from "../words.ts";
import type { PageProps } from "./index.ts";

export function Interface({ query }: PageProps) {
  const { body, error, again } = useAsked<JsonObject>((signal) => askFor(PATHS.openapi, { signal }), []);
  useKeys([{ key: "/", does: "search the interface", act: () => document.getElementById("interface-search")?.focus() }]);
  if (body === null) return error === null ? <Waiting what="Reading the description" /> : <Problem error={sentence(error)} onRetry={again} />;
  const words = query.get("q") ?? "";
  const reading = found(readingOf(body), words);
  return (
    <div class="interface">
      <h1>The interface</h1>
      <p class="lead"><Words of={reading.description} /> The same as <a href={PATHS.openapi} target="_blank" rel="noopener">OpenAPI 3.1</a>.</p>
      <p class="interface-search">
        <label for="interface-search">Search</label>
        <input id="interface-search" type="search" value={words} onInput={(event) => ask("q", event.currentTarget.value === "" ? null : event.currentTarget.value)} />
      </p>
      {reading.asked.length + reading.shapes.length === 0 ? <Empty>Nothing in the interface says “{words}”.</Empty> : null}
      {reading.tags.map((tag) => <Group key={tag.name} name={tag.name} description={tag.description} reading={reading} />)}
      {reading.shapes.length === 0 ? null : <section aria-labelledby="shapes"><h2 id="shapes">Schemas</h2>{reading.shapes.map((shape) => <ShapeCard key={shape.name} shape={shape} />)}</section>}
    </div>
  );
}

function Group({ name, description, reading }: { readonly name: string; readonly description: string; readonly reading: Reading }) {
  return (
    <section aria-labelledby={`tag-${name}`}>
      <h2 id={`tag-${name}`}>{name}</h2>
      <p class="soft">{description}</p>
      {reading.asked.filter((each) => each.tag === name).map((each) => <AskedCard key={each.id} asked={each} />)}
    </section>
  );
}

function AskedCard({ asked }: { readonly asked: Asked }) {
  return (
    <article class="card padded asked" id={asked.id} aria-labelledby={`${asked.id}-title`}>
      <h3 id={`${asked.id}-title`}><span class="tag">{asked.method}</span> <code>{asked.path}</code></h3>
      <p>{asked.summary}. <Words of={asked.description} /> <span class="soft">{asked.least === "anyone" ? "Nobody has to log in." : `Role: ${asked.least}.`}</span></p>
      {asked.parameters.length === 0 ? null : <Fields name="Parameter" fields={asked.parameters} optional={false} />}
      {asked.body === null ? null : <p>Body: <Type of={asked.body} /></p>}
      <ul class="plain-list">{asked.answers.map(({ status, type, media, description }) => <li key={status}><span class="tag">{status}</span> <Type of={type} /> <span class="soft">{media}. <Words of={description} /></span></li>)}</ul>
      <Example text={asked.example} />
    </article>
  );
}

function ShapeCard({ shape }: { readonly shape: Shape }) {
  return (
    <article class="card padded asked" id={`shape-${shape.name}`} aria-labelledby={`shape-${shape.name}-title`}>
      <h3 id={`shape-${shape.name}-title`}>{shape.name}</h3>
      <p><Words of={shape.description} /></p>
      {shape.fields.length === 0 ? shape.type.split(/ \| (?=\{)/).map((each) => <p key={each}><Type of={each} /></p>) : <Fields name="Field" fields={shape.fields} optional />}
    </article>
  );
}

function Fields({ name, fields, optional }: { readonly name: string; readonly fields: readonly Field[]; readonly optional: boolean }) {
  return (
    <div class="table-frame">
      <table>
        <thead><tr><th scope="col">{name}</th><th scope="col">Type</th><th scope="col">What</th></tr></thead>
        <tbody>
          {fields.map((field) => <tr key={field.name}><td><code>{field.name}</code>{optional && !field.required ? <span class="soft"> optional</span> : null}</td><td><Type of={field.type} /></td><td><Words of={field.description} /></td></tr>)}
        </tbody>
      </table>
    </div>
  );
}

/** Words with `code` in them. */
function Words({ of }: { readonly of: string }) {
  return <>{of.split(/(`[^`]+`)/).map((piece, index) => (piece.startsWith("`") ? <code key={index}>{piece.slice(1, -1)}</code> : piece))}</>;
}

/** A type, with the names of shapes as links. */
function Type({ of }: { readonly of: string }) {
  return <code>{of.split(/("[^"]*"|\b[A-Z][A-Za-z]+\b)/).map((piece, index) => (/^[A-Z][A-Za-z]+$/.test(piece) ? <a key={index} href={`#shape-${piece}`}>{piece}</a> : piece))}</code>;
}

function Example({ text }: { readonly text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true), () => setCopied(false));
  return <div class="example"><pre tabIndex={0}>{text}</pre><button type="button" class="plain" onClick={copy}>{copied ? "Copied" : "Copy"}</button></div>;
}
