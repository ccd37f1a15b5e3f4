// Wake-on-LAN's packet (AMD publication 20213): six bytes of ones, then the hardware address sixteen times. A card looks for it
// anywhere in a frame, so it may travel as UDP to any port.

const REPEATS = 16;

/** `mac` as `aa:bb:cc:dd:ee:ff`. */
export function magicPacket(mac: string): Uint8Array {
  const address = mac.split(":").map((pair) => Number.parseInt(pair, 16));
  return Uint8Array.from([...Array.from({ length: 6 }, () => 0xff), ...Array.from({ length: REPEATS }, () => address).flat()]);
}
