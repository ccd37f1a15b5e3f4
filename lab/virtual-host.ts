// What a virtual host is to whoever plugs it into a virtual outlet, wedges it or asks what truly happened to it: a machine
// in namespaces (machine.ts, root) or a process on loopback (process-host.ts). Both are real processes that serve a real
// SSH banner and real DNS. Power functions never fail on a host in a bad state and may be called twice: an outlet that is
// switched on twice is on. Powering takes no longer than the cut; booting goes on behind it, and `serving` waits for it.

/**
 * frozen: the whole machine stands still, its kernel goes on (ping and TCP accepted, no banner, no DNS).
 * sshd-stopped: the SSH server stands still: the kernel accepts, no banner; DNS is well.
 * banner-silent: the SSH server accepts a connection and never says anything; DNS is well.
 * link-down: the cable is out. dns-servfail: SERVFAIL for the name that it serves; SSH is well.
 */
export type Wedge = "frozen" | "sshd-stopped" | "banner-silent" | "link-down" | "dns-servfail";

/** A physical transition of the host's power, for tests that judge by what truly happened. */
export type PowerEdge = { readonly to: "on" | "off"; readonly atMs: number };

export type VirtualHost = {
  readonly name: string;
  readonly address: string;
  readonly address6: string | null;
  readonly sshPort: number;
  readonly dnsPort: number;
  /** The name that its DNS server answers for, with `address`: NAME.lab.test. */
  readonly dnsName: string;
  /** What it can be made to suffer. */
  readonly wedges: readonly Wedge[];
  readonly powered: boolean;
  /** Since it was made; the first power-on is the first entry. `atMs` is `performance.now()`. */
  readonly edges: readonly PowerEdge[];
  /** The wedge in force, or null. A power cycle ends every wedge. */
  readonly wedged: Wedge | null;
  powerOn(): Promise<void>;
  powerOff(): Promise<void>;
  /** Resolves when SSH and DNS are open since the last power-on; rejects when it is off or cannot boot. */
  serving(timeoutMs?: number): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Replaces any wedge in force. Rejects when the host is off or does not know this wedge. */
  wedge(kind: Wedge): Promise<void>;
  heal(): Promise<void>;
  /** Off, and nothing left of it. */
  stop(): Promise<void>;
};

/** Far beyond what it takes: a limit for the worst of machines. */
export const SERVING_WITHIN_MS = 30_000;

/** The name that the DNS server of a virtual host answers for. */
export function dnsNameOf(name: string): string {
  return `${name}.lab.test`;
}

/** Rejects with `because` unless `promise` settles within `limitMs`. */
export async function within<T>(limitMs: number, promise: Promise<T>, because: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(because())), limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs one act at a time, in the order asked for; a failed one does not stop the next. */
export function inOrder(): <T>(act: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (act) => {
    const next = last.then(act, act);
    last = next.catch(() => undefined);
    return next;
  };
}
