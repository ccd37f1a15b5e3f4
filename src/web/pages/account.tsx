// What is one's own: password, the codes of a phone, tokens for programs. Whoever changes how he is known says his present
// password first, so that an open browser alone gives nothing away.

import { useState } from "preact/hooks";
import type { Scope, TokenReport, TokenRequest, UserChange, UserChanged } from "../../api/contract.ts";
import { PATHS, SCOPES } from "../../api/contract.ts";
import { ask } from "../api.ts";
import { useAsked, useSending } from "../asked.ts";
import { NewPassword } from "../parts/password.tsx";
import { QrCode } from "../parts/qr.tsx";
import { Secret } from "../parts/secret.tsx";
import { At, Empty, Problem, Waiting } from "../parts/text.tsx";
import { may, session } from "../session.ts";
import { ROLE_MEANS, SCOPE_MEANS, sentence } from "../words.ts";
import type { PageProps } from "./index.ts";

export function Account(_props: PageProps) {
  const who = session.value;
  if (who === null || who.user === null) return <><h1>Nobody has to log in here.</h1><p class="lead">There is no user yet, so everybody on this machine may look. <a href="/set-up">Make the first user</a></p></>;
  return (
    <>
      <h1>{who.user}</h1>
      <p class="lead">Your role is {who.role}: {ROLE_MEANS[who.role]}.</p>
      <div class="two">
        <section aria-labelledby="password"><h2 id="password">Password</h2><ChangePassword user={who.user} /></section>
        <section aria-labelledby="codes"><h2 id="codes">Codes of a phone</h2><Codes user={who.user} on={who.totp} /></section>
      </div>
      <section aria-labelledby="tokens"><h2 id="tokens">Tokens</h2><Tokens user={who.user} /></section>
    </>
  );
}

const change = (user: string, body: UserChange) => ask<UserChanged>(`${PATHS.users}/${encodeURIComponent(user)}`, { method: "PATCH", body });

function Present({ value, onInput }: { readonly value: string; readonly onInput: (value: string) => void }) {
  return <label class="field"><span>Your present password</span><input type="password" autocomplete="current-password" required value={value} onInput={(event) => onInput(event.currentTarget.value)} /></label>;
}

function ChangePassword({ user }: { readonly user: string }) {
  const [now, setNow] = useState("");
  const [password, setPassword] = useState<string | null>(null);
  const [done, setDone] = useState(0);
  const { busy, error, send } = useSending();
  const submit = (event: Event): void => {
    event.preventDefault();
    if (password !== null) void send(() => change(user, { password, now }), () => {
      setNow("");
      setPassword(null);
      setDone((at) => at + 1);
    });
  };
  return (
    <form onSubmit={submit} key={done}>
      {done > 0 ? <p class="done" role="status">The password is changed; every other session of yours has ended.</p> : null}
      <Present value={now} onInput={setNow} />
      <NewPassword word="The new one" onChange={setPassword} />
      {error === null ? null : <Problem error={sentence(error)} />}
      <button type="submit" disabled={busy || password === null || now === ""}>Change it</button>
    </form>
  );
}

function Codes({ user, on }: { readonly user: string; readonly on: boolean }) {
  const [now, setNow] = useState("");
  const [code, setCode] = useState("");
  const [enrolment, setEnrolment] = useState<UserChanged["enrolment"] | null>(null);
  const [recovery, setRecovery] = useState<readonly string[] | null>(null);
  const { busy, error, send } = useSending();
  const known = (totp: boolean): void => {
    if (session.value !== null) session.value = { ...session.value, totp };
    setNow("");
    setCode("");
    setEnrolment(null);
  };
  const problem = error === null ? null : <Problem error={sentence(error)} />;
  if (recovery !== null) return <><Secret what="Codes for the day when the phone is lost, each good once. Write them down." text={recovery.join("\n")} /><button type="button" class="first" onClick={() => setRecovery(null)}>I have kept them</button></>;
  if (on) return (
    <form onSubmit={(event) => { event.preventDefault(); void send(() => change(user, { totp: "off", now }), () => known(false)); }}>
      <p>A code is asked for whenever you log in.</p>
      <Present value={now} onInput={setNow} />
      {problem}
      <button type="submit" class="danger" disabled={busy || now === ""}>Do without codes</button>
    </form>
  );
  if (enrolment === null || enrolment === undefined) return (
    <form onSubmit={(event) => { event.preventDefault(); void send(() => change(user, { totp: "enrol", now }), (body) => setEnrolment(body.enrolment ?? null)); }}>
      <p>With an application for one-time codes a stolen password is not enough.</p>
      <Present value={now} onInput={setNow} />
      {problem}
      <button type="submit" disabled={busy || now === ""}>Set up codes</button>
    </form>
  );
  return (
    <form onSubmit={(event) => { event.preventDefault(); void send(() => change(user, { code: code.replace(/\s/g, "") }), (body) => { known(true); setRecovery(body.recovery ?? null); }); }}>
      <p>Show this to the application, or type the secret into it; then type the code that it shows.</p>
      <QrCode text={enrolment.uri} label="Code for a phone's camera; the secret below is the same" />
      <p>Secret: <code class="secret-text">{enrolment.secret}</code></p>
      <label class="field"><span>The code that it shows</span><input type="text" inputMode="numeric" autocomplete="one-time-code" required value={code} onInput={(event) => setCode(event.currentTarget.value)} /></label>
      {problem}
      <div class="asks"><button type="submit" class="first" disabled={busy || code.trim() === ""}>Begin with codes</button><button type="button" onClick={() => setEnrolment(null)}>Cancel</button></div>
    </form>
  );
}

// ---- tokens ----------------------------------------------------------------------------------------------------------------

const DAY_MS = 86_400_000;
const LIVES: readonly (readonly [string, number | null])[] = [["a month", 30 * DAY_MS], ["a week", 7 * DAY_MS], ["a year", 365 * DAY_MS], ["until it is removed", null]];

function Tokens({ user }: { readonly user: string }) {
  const { body, error, again } = useAsked<readonly TokenReport[]>((signal) => ask(PATHS.tokens, { signal }), [user]);
  const [made, setMade] = useState<TokenReport | null>(null);
  const { error: sendError, send } = useSending();
  const own = body?.filter((token) => token.user === user) ?? [];
  return (
    <>
      <p class="soft">A program says who it is with a token. It may what its scopes say, and never more than you.</p>
      {error === null && sendError === null ? null : <Problem error={sentence(error ?? sendError ?? "")} onRetry={again} />}
      {made?.secret === undefined ? null : <Secret what={`The token ${made.name}.`} text={made.secret} />}
      {body === null ? <Waiting what="Reading the tokens" /> : own.length === 0 ? <Empty>You have none.</Empty> : (
        <div class="card table-frame">
          <table>
            <thead><tr><th scope="col">Name</th><th scope="col">May</th><th scope="col">Made</th><th scope="col">Last used</th><th scope="col">Ends</th><th scope="col"><span class="visually-hidden">Remove</span></th></tr></thead>
            <tbody>{own.map((token) => (
              <tr key={token.id}>
                <td>{token.name}</td><td>{token.scopes.join(", ")}</td><td><At at={token.created} /></td><td>{token.lastSeen === null ? "never" : <At at={token.lastSeen} />}</td><td>{token.expires === null ? "when it is removed" : <At at={token.expires} />}</td>
                <td><button type="button" class="danger" aria-label={`Remove the token ${token.name}`} onClick={() => void send(() => ask(`${PATHS.tokens}/${encodeURIComponent(token.id)}`, { method: "DELETE" }), () => again())}>Remove</button></td>
              </tr>
            ))}</tbody>
          </table>
        </div>
      )}
      <NewToken onMade={(token) => { setMade(token); again(); }} />
    </>
  );
}

function NewToken({ onMade }: { readonly onMade: (token: TokenReport) => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>(["read"]);
  const [life, setLife] = useState(0);
  const { busy, error, send } = useSending();
  const submit = (event: Event): void => {
    event.preventDefault();
    const request: TokenRequest = { name: name.trim(), scopes, forMs: LIVES[life]?.[1] ?? null };
    void send(() => ask<TokenReport>(PATHS.tokens, { method: "POST", body: request }), (token) => { setName(""); onMade(token); });
  };
  return (
    <form class="card padded narrow" onSubmit={submit}>
      <h3>A new one</h3>
      <label class="field"><span>Its name, like the program's</span><input type="text" required maxLength={40} autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
      <fieldset>
        <legend>What it may</legend>
        {SCOPES.filter((scope) => scope === "metrics" || scope === "read" || may(scope === "command" ? "operator" : "admin")).map((scope) => (
          <label key={scope} class="check"><input type="checkbox" checked={scopes.includes(scope)} onChange={(event) => setScopes(event.currentTarget.checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))} />{scope}: {SCOPE_MEANS[scope]}</label>
        ))}
      </fieldset>
      <label class="field"><span>For how long</span><select value={life} onChange={(event) => setLife(Number(event.currentTarget.value))}>{LIVES.map(([word], index) => <option key={word} value={index}>{word}</option>)}</select></label>
      {error === null ? null : <Problem error={sentence(error)} />}
      <button type="submit" disabled={busy || name.trim() === "" || scopes.length === 0}>Make it</button>
    </form>
  );
}
