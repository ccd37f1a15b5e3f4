// What a kernel's own lines say about its host: a table of facts, a row a text as some version of Linux prints it, and what that is
// called here. It names; it decides nothing (last-words.ts). A row is bound to the beginning of a line, after the name of a
// subsystem at the most: a program's line that quotes a panic is no panic.
//
// Sources: kernel/panic.c, kernel/hung_task.c, kernel/watchdog.c, kernel/rcu/tree_stall.h, mm/oom_kill.c, arch/x86/mm/fault.c,
// arch/x86/kernel/cpu/mce/core.c, arch/arm64/mm/fault.c, block/blk-core.c, fs/ext4/super.c, fs/xfs/xfs_fsops.c, kernel/reboot.c,
// of 3.10 to 6.18; the older wordings stand beside the newer ones.

export type KernelSign =
  | "panic" | "oops" | "lockup" | "stall" | "hung-task" | "out-of-memory" | "machine-check" | "io-error" | "read-only" | "watchdog"
  | "rebooting" | "halted" | "kdump";

export const KERNEL_SIGNS: readonly KernelSign[] = ["panic", "oops", "lockup", "stall", "hung-task", "out-of-memory", "machine-check", "io-error", "read-only", "watchdog", "rebooting", "halted", "kdump"];

/** What was recognised in one line. */
export type KernelWord = {
  readonly sign: KernelSign;
  /** The kernel's own words for it, at most REASON_CHARS. */
  readonly reason: string;
  /** After a panic, when it says that it boots anew: in how many milliseconds. Null: it does not say so. */
  readonly rebootsInMs: number | null;
};

export const REASON_CHARS = 200;

type Fact = { readonly sign: KernelSign; readonly text: RegExp; /** Also where a program says so: a crash kernel's own tools do the dumping. */ readonly byPrograms?: true };

const FACTS: readonly Fact[] = [
  { sign: "panic", text: /^Kernel panic - not syncing: ?(?<reason>.*)/ },
  { sign: "panic", text: /^Kernel panic: (?<reason>.*)/ },
  { sign: "rebooting", text: /^Rebooting in (?<seconds>\d{1,6}) seconds\.\./ },
  { sign: "rebooting", text: /^(?:reboot: )?(?<reason>Restarting system.*|machine restart)/ },
  { sign: "rebooting", text: /^(?:sysrq: )?(?:SysRq : )?(?<reason>Resetting)$/ },
  { sign: "rebooting", text: /^(?:kexec_core: )?(?<reason>Starting new kernel)/ },
  { sign: "halted", text: /^(?:reboot: )?(?<reason>Power down|Power off not available: System halted instead|System halted)\.?$/ },
  { sign: "halted", text: /^---\[ end (?<reason>Kernel panic - not syncing: .*?)(?: \]---)?$/ },
  { sign: "kdump", text: /^(?<reason>Starting crashdump kernel)/ },
  // The command line of the kernel that writes the dump: where the dead one's memory is.
  { sign: "kdump", text: /^(?:Kernel c|C)ommand line: .*?\b(?<reason>elfcorehdr=\S+)/ },
  { sign: "kdump", text: /^kdump(?:-tools)?(?:\[\d+\])?: (?<reason>(?:saving|running makedumpfile|Starting kdump|Starting makedumpfile).*)/i, byPrograms: true },
  { sign: "lockup", text: /^(?:(?:NMI )?watchdog: )?BUG: (?<reason>(?:soft|workqueue) lockup.*)/ },
  { sign: "lockup", text: /^(?:(?:NMI )?watchdog: )?(?<reason>(?:Watchdog|CPU \d+)(?: \S+)? detected hard LOCKUP on .*)/i },
  { sign: "stall", text: /^(?:rcu: )?INFO: (?<reason>rcu_\S+ (?:self-detected|detected)(?: expedited)? stalls?.*)/ },
  { sign: "hung-task", text: /^(?:INFO: )?(?<reason>task \S.{0,60}?:\d+ (?:\S+ )?blocked for more than \d+ seconds.*)/ },
  { sign: "out-of-memory", text: /^(?<reason>(?:Memory cgroup o|O)ut of memory: Kill(?:ed)? process .*)/ },
  { sign: "out-of-memory", text: /^(?<reason>.{1,60} invoked oom-killer: .*)/ },
  { sign: "machine-check", text: /^(?:mce: )?\[Hardware Error\]: (?<reason>CPU \d+: Machine Check(?: Exception)?: .*)/ },
  { sign: "machine-check", text: /^(?:mce: )?\[Hardware Error\]: (?<reason>Machine check(?: events logged|:.*))/i },
  { sign: "machine-check", text: /^EDAC \S+: (?<reason>\d+ (?:CE|UE) .*)/ },
  { sign: "oops", text: /^BUG: (?<reason>(?:unable to handle |kernel NULL pointer dereference|Bad page |scheduling while atomic|KASAN: ).*)/ },
  { sign: "oops", text: /^(?<reason>Unable to handle kernel .*)/ },
  { sign: "oops", text: /^(?<reason>kernel BUG at \S+:\d+!)/ },
  { sign: "oops", text: /^(?<reason>general protection fault(?:, probably for|: [0-9a-f]{4} \[#).*)/i },
  { sign: "oops", text: /^(?<reason>(?:invalid opcode|divide error|stack segment|double fault|int3|Internal error: .{1,60}|Oops(?:: .{1,60})?): [0-9a-f]{1,16} \[#\d+\].*)/ },
  { sign: "oops", text: /^(?<reason>Oops: .{0,80}\[#\d+\].*)/ },
  { sign: "io-error", text: /^(?:blk_update_request: |print_req_error: )?(?<reason>(?:I\/O|critical (?:medium|target|space allocation)) error, dev .*)/ },
  { sign: "io-error", text: /^(?:end_request: )(?<reason>I\/O error, dev .*)/ },
  { sign: "io-error", text: /^(?<reason>(?:Buffer I\/O error on|lost page write due to I\/O error on) dev.*)/ },
  { sign: "io-error", text: /^nvme (?<reason>nvme\d+: (?:I\/O .{0,60}timeout|controller is down).*)/ },
  { sign: "io-error", text: /^EXT4-fs error (?<reason>\(device .*)/ },
  { sign: "read-only", text: /^(?:EXT[234]-fs(?: error)?) (?<reason>\(\S+\): Remounting filesystem read-only.*)/ },
  { sign: "read-only", text: /^XFS (?<reason>\(\S+\): .*Shutting down filesystem.*)/i },
  { sign: "read-only", text: /^BTRFS\b.{0,20} (?<reason>\(device \S+\).*forced readonly.*)/ },
  { sign: "watchdog", text: /^(?:watchdog: )?(?<reason>watchdog\d+: (?:watchdog did not stop!|pretimeout event).*)/ },
  { sign: "watchdog", text: /^(?:softdog: )?(?<reason>Initiating (?:system reboot|panic).*)/ },
];

/** What a kernel's line says, or null. `byKernel` false: a program wrote it, null: nobody can tell. */
export function recognise(text: string, byKernel: boolean | null): KernelWord | null {
  const line = text.slice(0, 1_000).trim();
  for (const { sign, text: pattern, byPrograms } of FACTS) {
    if (byKernel === false && byPrograms !== true) continue;
    const match = pattern.exec(line);
    if (match === null) continue;
    const { reason, seconds } = match.groups ?? {};
    return { sign, reason: (reason === undefined || reason === "" ? line : reason).trim().slice(0, REASON_CHARS), rebootsInMs: seconds === undefined ? null : Number(seconds) * 1_000 };
  }
  return null;
}

/** Of all that a dying kernel says, what names its death best comes first. */
const WEIGHT: readonly KernelSign[] = ["panic", "machine-check", "oops", "lockup", "hung-task", "read-only", "io-error", "out-of-memory", "stall", "watchdog", "kdump", "rebooting", "halted"];

export function weightiest<Said extends Pick<KernelWord, "sign">>(words: readonly Said[]): Said | null {
  for (const sign of WEIGHT) {
    const found = words.find((word) => word.sign === sign);
    if (found !== undefined) return found;
  }
  return null;
}

/** In words, after the host's name: "its kernel …". */
export function inKernelWords({ sign, reason, rebootsInMs }: KernelWord): string {
  switch (sign) {
    case "panic":
      return `its kernel panicked: ${reason}`;
    case "oops":
      return `its kernel oopsed: ${reason}`;
    case "lockup":
      return `a processor of it is locked up: ${reason}`;
    case "stall":
      return `its kernel sees a processor stand still: ${reason}`;
    case "hung-task":
      return `a task of it hangs in its kernel: ${reason}`;
    case "out-of-memory":
      return `it ran out of memory: ${reason}`;
    case "machine-check":
      return `its hardware reports an error: ${reason}`;
    case "io-error":
      return `a disk of it fails: ${reason}`;
    case "read-only":
      return `a file system of it takes no more writes: ${reason}`;
    case "watchdog":
      return `its watchdog: ${reason}`;
    case "rebooting":
      return rebootsInMs === null ? `its kernel boots anew: ${reason}` : `its kernel boots anew in ${rebootsInMs / 1_000} s`;
    case "halted":
      return `its kernel has halted: ${reason}`;
    case "kdump":
      return `it writes a crash dump: ${reason}`;
  }
}
