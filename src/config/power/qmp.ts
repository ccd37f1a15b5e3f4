// The settings of `qmp`. A socket is one virtual machine, so it stands alone in a host's power, and `{host}` in its path makes
// one device a host of it.

import { z } from "zod";
import { argv, text } from "../fields.ts";
import { defineDriver } from "./device-schema.ts";

/** sun_path of unix(7), without its end. */
const SOCKET_BYTES_MAX = 107;

export const qmp = defineDriver({
  about: "A bare QEMU on this machine, by QMP.",
  settings: z.strictObject({
    socket: text("The socket of `-qmp unix:PATH,server=on,wait=off`. `{host}` stands for the host's name: then there is one device a host.", { max: 256 }),
    on: argv("What starts the machine, and returns: `[systemctl, start, \"qemu@{host}\"]`."),
  }),
  capabilities: { exclusiveSession: true, followsHost: true },
  outputs: () => ({ outlet: "never" }),
  resolve(settings, asked) {
    const socket = asked.fill(settings.socket);
    if (!/^\/[^\s]*[^/\s]$/.test(socket) || Buffer.byteLength(socket) > SOCKET_BYTES_MAX) return asked.refuse("VALUE_INVALID", "not the path of a socket", ["socket"], `absolute, without spaces, and at most ${SOCKET_BYTES_MAX} bytes, as QEMU was told it`);
    return { options: { socket, on: settings.on.map((word) => asked.fill(word)) }, address: socket };
  },
  programs: (settings) => [{ at: ["on", 0], program: settings.on[0] ?? "" }],
});
