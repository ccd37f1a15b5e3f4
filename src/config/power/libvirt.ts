// The settings of `libvirt`. The device is the libvirt daemon that its URI names.

import { z } from "zod";
import { text } from "../fields.ts";
import { defineDriver } from "./device-schema.ts";

/** A scheme and what libvirt makes of the rest; what could be read as an option or hold a password is refused. */
const URI = /^[a-z][a-z0-9.+]*:\/\/(?![^/]*:[^/]*@)[^\s]*$/;

export const libvirt = defineDriver({
  about: "Virtual hosts under libvirt, through `virsh`; a domain is an outlet.",
  settings: z.strictObject({
    uri: text("Where libvirt is: `qemu:///system` here, `qemu+ssh://root@hypervisor/system` elsewhere. `{host}` stands for the host's name: then there is one device a host.", { default: "qemu:///system" }).default("qemu:///system"),
  }),
  // Through ssh, and with a guest that is slow to die, one step takes its time.
  times: { timeout: "20s", deadline: "60s" },
  outputs: () => ({ outlet: "must" }),
  resolve(settings, asked) {
    const uri = asked.fill(settings.uri);
    if (!URI.test(uri)) return asked.refuse("VALUE_INVALID", "not a URI of libvirt, or one with a password in it", ["uri"], "qemu:///system, or qemu+ssh://USER@HOST/system");
    return { options: { uri }, address: uri };
  },
});
