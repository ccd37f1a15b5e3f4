// A real mail server for tests: Debian's exim4 in the foreground, with a configuration, spool and log of its own in a
// temporary folder and nothing of the system's touched. It never runs as root: a set-user-ID exim that is given a foreign
// configuration gives up root anyway (exim specification, §5.2), so it is started as nobody, without new privileges.
// Every recipient is accepted and delivered to one maildir, except `refused@…` (550) and `busy@…` (451).

import { spawn } from "node:child_process";
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { labEnv, whenWeEnd, whichProgram } from "./child.ts";
import { thirdParty, versionOf } from "./third-party.ts";

export type SmtpServer = {
  readonly name: "Exim";
  /** What the program says of itself. */
  readonly version: string;
  readonly address: string;
  readonly port: number;
  /** Its spool, log and mail; gone after the stop. */
  readonly folder: string;
  /** What has been delivered so far, whole and as it is on disk (headers, blank line, body), in the order of delivery. */
  mails(): Promise<string[]>;
  /** The same, when there are at least `count`; rejects with the server's log when they do not come. */
  waitForMails(count: number, timeoutMs?: number): Promise<string[]>;
  stop(): Promise<void>;
};

export type SmtpOptions = {
  /** Where it listens; loopback by default. */
  readonly address?: string;
  /** How to start it elsewhere: a lab node's `spawn`. */
  readonly spawn?: (argv: readonly string[], options: SpawnOptions) => ChildProcess;
};

const NOBODY = 65_534;
const PORT_TRIES = 5;
const STARTS_WITHIN_MS = 10_000;
const POLL_MS = 15;

/** Why there can be no mail server on this machine, in words, or null. */
export function smtpRefusal(): string | null {
  const missing = ["exim4", "setpriv"].filter((program) => whichProgram(program) === null);
  return missing.length === 0 ? null : `not installed: ${missing.join(", ")}`;
}

/** Starts a mail server that listens on a free port. */
export async function startSmtp(options: SmtpOptions = {}): Promise<SmtpServer> {
  const exim = whichProgram("exim4") ?? "exim4";
  thirdParty("Exim", [exim, "-bV"]);
  const address = options.address ?? "127.0.0.1";
  // A port that was free a moment ago may be taken when exim comes to it: exim cannot be asked for any port.
  for (let tries = 1; ; tries += 1) {
    const started = await tryPort(exim, address, await freePort(), options.spawn ?? spawnHere);
    if ("server" in started) return started.server;
    if (tries === PORT_TRIES) throw new Error(`exim does not start: ${started.complaint}`);
  }
}

type Attempt = { readonly server: SmtpServer } | { readonly complaint: string };

async function tryPort(exim: string, address: string, port: number, start: NonNullable<SmtpOptions["spawn"]>): Promise<Attempt> {
  const folder = await mkdtemp(join(tmpdir(), "upkeep-smtp-"));
  const asRoot = process.getuid?.() === 0;
  const owner = { uid: asRoot ? NOBODY : process.getuid?.() ?? NOBODY, gid: asRoot ? NOBODY : process.getgid?.() ?? NOBODY };
  const configuration = join(folder, "exim.conf");
  await writeFile(configuration, configure(folder, address, owner), { mode: 0o644 });
  for (const made of [folder, join(folder, "spool"), join(folder, "mail")]) {
    await mkdir(made, { recursive: true });
    await chown(made, owner.uid, owner.gid);
  }
  const asNobody = asRoot ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"] : [];
  // A set-user-ID program loses its parent-death signal at exec (prctl(2)), unless it may gain no privileges by it.
  const child = start(
    ["setpriv", "--no-new-privs", "--pdeathsig=KILL", ...asNobody, "--", exim, "-C", configuration, "-bdf", "-oX", `<; [${address}]:${port}`],
    { stdio: ["ignore", "ignore", "pipe"], cwd: "/", env: labEnv() },
  );
  let complaint = "";
  child.stderr?.on("data", (bytes: Buffer) => { complaint = (complaint + bytes.toString()).slice(-2_000); });
  let ended = false;
  const end = new Promise<void>((resolve) => {
    const noteEnd = (): void => {
      ended = true;
      resolve();
    };
    child.once("close", noteEnd);
    child.once("error", (error) => {
      complaint += String(error);
      noteEnd();
    });
  });
  const forgetEnding = whenWeEnd(() => child.kill("SIGKILL"));
  const readLog = (): Promise<string> => readFile(join(folder, "mainlog"), "utf8").catch(() => "");
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    const impatience = setTimeout(() => child.kill("SIGKILL"), 2_000);
    await end;
    clearTimeout(impatience);
    forgetEnding();
    // A delivery that is under way ends by itself within a moment.
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  };

  const deadlineMs = performance.now() + STARTS_WITHIN_MS;
  while (!(await readLog()).includes("listening for SMTP")) {
    if (ended || performance.now() > deadlineMs) {
      const said = `${complaint} ${await readLog()}`.trim();
      await stop();
      return { complaint: said };
    }
    await sleep(POLL_MS);
  }
  const mails = (): Promise<string[]> => readMaildir(join(folder, "mail", "new"));
  const server: SmtpServer = {
    name: "Exim", version: versionOf([exim, "-bV"]), address, port, folder, mails, stop,
    async waitForMails(count, timeoutMs = 5_000) {
      const limitMs = performance.now() + timeoutMs;
      for (;;) {
        const found = await mails();
        if (found.length >= count) return found;
        if (performance.now() > limitMs) throw new Error(`${found.length} of ${count} mails in ${timeoutMs} ms; log:\n${await readLog()}`);
        await sleep(POLL_MS);
      }
    },
  };
  return { server };
}

function configure(folder: string, address: string, owner: { readonly uid: number; readonly gid: number }): string {
  return `
exim_user = ${owner.uid}
exim_group = ${owner.gid}
deliver_drop_privilege
spool_directory = ${folder}/spool
log_file_path = ${folder}/%slog
pid_file_path = ${folder}/pid
primary_hostname = mail.lab.test
qualify_domain = lab.test
local_interfaces = <; ${address}
daemon_startup_retries = 0
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
keep_environment =
timezone = UTC
message_size_limit = 1M
acl_smtp_rcpt = recipient

begin acl
recipient:
  deny local_parts = refused
       message = no such mailbox
  defer local_parts = busy
       message = try again later
  accept

begin routers
everybody:
  driver = accept
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = ${folder}/mail
  maildir_format
  envelope_to_add
  return_path_add
`;
}

/** Messages in the order of delivery: exim names them SECONDS.MmicrosecondsPpid.host. */
async function readMaildir(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const when = (name: string): number => {
    const [, seconds = "0", micros = "0"] = /^(\d+)\.[A-Z]?(\d+)/.exec(name) ?? [];
    return Number(seconds) * 1e6 + Number(micros);
  };
  return Promise.all(names.sort((one, other) => when(one) - when(other)).map((name) => readFile(join(folder, name), "utf8")));
}

function spawnHere(argv: readonly string[], options: SpawnOptions): ChildProcess {
  const [file = "", ...args] = argv;
  return spawn(file, args, options);
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", resolve);
  });
  const bound = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (bound === null || typeof bound === "string") throw new Error("no port");
  return bound.port;
}
