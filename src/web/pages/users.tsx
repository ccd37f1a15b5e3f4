// Who may, for admins: users are added, given another role, a new password, helped when a phone is lost, and removed.

import { useState } from "preact/hooks";
import type { Role, UserChange, UserReport, UserRequest } from "../../api/contract.ts";
import { PATHS, ROLES } from "../../api/contract.ts";
import { ask } from "../api.ts";
import { useAsked, useSending } from "../asked.ts";
import { Dialog } from "../parts/dialog.tsx";
import { NewPassword } from "../parts/password.tsx";
import { At, Problem, Waiting } from "../parts/text.tsx";
import { session } from "../session.ts";
import { plural, ROLE_MEANS, sentence } from "../words.ts";
import type { PageProps } from "./index.ts";

export function Users(_props: PageProps) {
  const { body, error, again } = useAsked<readonly UserReport[]>((signal) => ask(PATHS.users, { signal }), []);
  const [changing, setChanging] = useState<UserReport | null>(null);
  if (body === null) return error === null ? <Waiting what="Reading the users" /> : <Problem error={sentence(error)} onRetry={again} />;
  const admins = body.filter((user) => user.role === "admin").length;
  return (
    <>
      <h1>{plural(body.length, "user")}, {plural(admins, "admin")}.</h1>
      {error === null ? null : <Problem error={sentence(error)} onRetry={again} />}
      <p class="lead">Each watcher has its own users: a shared store holds what watchers must agree on before power moves, and no password is needed for that.</p>
      <div class="card table-frame">
        <table>
          <thead><tr><th scope="col">User</th><th scope="col">Role</th><th scope="col">Codes</th><th scope="col" class="hide-phone">Made</th><th scope="col" class="hide-phone">Last seen</th><th scope="col"><span class="visually-hidden">Change</span></th></tr></thead>
          <tbody>{body.map((user) => (
            <tr key={user.user}>
              <td><b>{user.user}</b>{user.user === session.value?.user ? <span class="soft"> you</span> : null}</td><td>{user.role}</td><td>{user.totp ? "yes" : "no"}</td><td class="hide-phone"><At at={user.created} /></td><td class="hide-phone">{user.lastSeen === null ? "never" : <At at={user.lastSeen} />}</td>
              <td><button type="button" aria-label={`Change ${user.user}`} onClick={() => setChanging(user)}>Change…</button></td>
            </tr>
          ))}</tbody>
        </table>
      </div>
      <NewUser onMade={again} />
      {changing === null ? null : <Change user={changing} onClose={() => { setChanging(null); again(); }} />}
    </>
  );
}

function RoleChoice({ value, onChange }: { readonly value: Role; readonly onChange: (role: Role) => void }) {
  return (
    <fieldset>
      <legend>Role</legend>
      {ROLES.map((role) => <label key={role} class="check"><input type="radio" name="role" checked={value === role} onChange={() => onChange(role)} />{role}: {ROLE_MEANS[role]}</label>)}
    </fieldset>
  );
}

function NewUser({ onMade }: { readonly onMade: () => void }) {
  const [turn, setTurn] = useState(0);
  const [user, setUser] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [password, setPassword] = useState<string | null>(null);
  const { busy, error, send } = useSending();
  const submit = (event: Event): void => {
    event.preventDefault();
    if (password === null) return;
    const request: UserRequest = { user: user.trim(), role, password };
    void send(() => ask<UserReport>(PATHS.users, { method: "POST", body: request }), () => {
      setUser("");
      setPassword(null);
      setTurn((at) => at + 1);
      onMade();
    });
  };
  return (
    <form class="card padded narrow" onSubmit={submit} key={turn}>
      <h2>Another user</h2>
      <label class="field"><span>Name: small letters, digits, and . _ - @ inside</span><input type="text" required autocomplete="off" autocapitalize="none" spellcheck={false} value={user} onInput={(event) => setUser(event.currentTarget.value)} /></label>
      <RoleChoice value={role} onChange={setRole} />
      <NewPassword word="A password to begin with; it can be changed by its owner" onChange={setPassword} />
      {error === null ? null : <Problem error={sentence(error)} />}
      <button type="submit" disabled={busy || password === null || user.trim() === ""}>Add</button>
    </form>
  );
}

function Change({ user, onClose }: { readonly user: UserReport; readonly onClose: () => void }) {
  const [role, setRole] = useState(user.role);
  const [password, setPassword] = useState<string | null>(null);
  const [sure, setSure] = useState(false);
  const { busy, error, send } = useSending();
  const path = `${PATHS.users}/${encodeURIComponent(user.user)}`;
  const change = (body: UserChange): void => void send(() => ask<UserReport>(path, { method: "PATCH", body }), onClose);
  const self = user.user === session.value?.user;
  return (
    <Dialog title={`Change ${user.user}`} onClose={onClose}>
      <form onSubmit={(event) => { event.preventDefault(); change({ role }); }}>
        <RoleChoice value={role} onChange={setRole} />
        <button type="submit" disabled={busy || role === user.role}>Give this role</button>
      </form>
      {self ? <p class="soft">Your own password and codes are on <a href="/account" onClick={onClose}>your account</a>.</p> : (
        <>
          <h3>A new password</h3>
          <form onSubmit={(event) => { event.preventDefault(); if (password !== null) change({ password }); }}>
            <NewPassword word="It ends all sessions of this user" onChange={setPassword} />
            <button type="submit" disabled={busy || password === null}>Set it</button>
          </form>
          {user.totp ? <><h3>A lost phone</h3><p class="soft">Without codes the password alone is asked for, until {user.user} sets codes up again.</p><button type="button" disabled={busy} onClick={() => change({ totp: "off" })}>Do without codes</button></> : null}
          <h3>Remove</h3>
          <label class="check"><input type="checkbox" checked={sure} onChange={(event) => setSure(event.currentTarget.checked)} />{user.user} is to be removed, with all sessions and tokens</label>
          <button type="button" class="danger" disabled={busy || !sure} onClick={() => void send(() => ask(path, { method: "DELETE" }), onClose)}>Remove</button>
        </>
      )}
      {error === null ? null : <Problem error={sentence(error)} />}
      <div class="asks"><button type="button" onClick={onClose}>Close</button></div>
    </Dialog>
  );
}
