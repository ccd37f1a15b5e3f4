// Who is looked at: addresses of loopback, all of which exist on Linux without being configured.

/** The address of a host by its number, 0 to 65,533. */
export function addressOf(host: number): string {
  const at = host + 1;
  return `127.1.${at >> 8}.${at & 255}`;
}

/** Its name in configurations. */
export function nameOf(host: number): string {
  return `h${String(host).padStart(5, "0")}`;
}
