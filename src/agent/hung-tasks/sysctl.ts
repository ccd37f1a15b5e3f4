// Kernel settings as files have them (sysctl.d(5)). Pure: which file has the last word on a setting when the machine boots.

export type SettingFile = { readonly path: string; readonly text: string };

/** Folders in which a file of one name hides that of the same name further on, in this order. */
export const SYSCTL_FOLDERS = ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];
/** Read after all of them (sysctl(8) --system), and by systemd as `99-sysctl.conf`. */
export const SYSCTL_CONF = "/etc/sysctl.conf";

/** The order in which they are applied: by name; of one name only the first. `files` in the order of the folders. */
export function applied(files: readonly SettingFile[]): readonly SettingFile[] {
  const byName = new Map<string, SettingFile>();
  for (const file of files) if (file.path !== SYSCTL_CONF && !byName.has(nameOf(file))) byName.set(nameOf(file), file);
  const last = files.find(({ path }) => path === SYSCTL_CONF);
  return [...[...byName.values()].toSorted((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1)), ...(last === undefined ? [] : [last])];
}

function nameOf({ path }: SettingFile): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** What a file sets `key` to, or null; the last line counts. A key is written with dots or slashes, and may be a pattern. */
export function settingIn(text: string, key: string): string | null {
  let found: string | null = null;
  for (const raw of text.split("\n")) {
    const line = /^\s*-?\s*([\w./*?[\]-]+)\s*=\s*(.*?)\s*$/.exec(raw);
    if (line === null) continue;
    const [, written = "", value = ""] = line;
    const pattern = written.replaceAll("/", ".").replace(/[.+^${}()|\\]/g, "\\$&").replaceAll("*", "[^.]*").replaceAll("?", "[^.]");
    if (matches(pattern, key)) found = value;
  }
  return found;
}

function matches(pattern: string, key: string): boolean {
  try {
    return new RegExp(`^${pattern}$`).test(key);
  } catch {
    return false;
  }
}

/** The file that sets `key` to something else after `own` has been applied, or null. */
export function overriddenBy(files: readonly SettingFile[], own: string, key: string, wanted: string): string | null {
  const order = applied(files);
  const at = order.findIndex(({ path }) => path === own);
  const last = order.slice(at + 1).filter(({ text }) => settingIn(text, key) !== null).at(-1);
  return last !== undefined && settingIn(last.text, key) !== wanted ? last.path : null;
}
