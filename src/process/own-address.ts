// Which addresses are this machine's own: an answer from there is our own kernel's, and shows no way to anywhere.

import { networkInterfaces } from "node:os";

/** 127/8, ::1 and the addresses on this machine's interfaces: there our own kernel answers, whoever else is dead. */
export function isOwnAddress(address: string): boolean {
  if (address.startsWith("127.") || address === "::1") return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some((each) => each.address === address) === true);
}
