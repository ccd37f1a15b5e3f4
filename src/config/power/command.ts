// The settings of `command`. What identifies a device that is a program: where it points, else what it runs.

import { z } from "zod";
import { argv, text } from "../fields.ts";
import { defineDriver } from "./device-schema.ts";

export const command = defineDriver({
  about: "Any program that switches power.",
  settings: z.strictObject({
    address: text("What `{address}` stands for in the programs' arguments.", { max: 256 }).optional(),
    on: argv("What switches an outlet on. `{outlet}` is replaced by the outlet, `{address}` by the address, `{host}` by the host's name: then there is one device a host."),
    off: argv("What switches an outlet off."),
    status: argv("What reads an outlet: exit status 0 is on, 2 is off, anything else unknown. Without it no cut can be confirmed, so the hosts on this device are not guarded.").optional(),
  }),
  outputs: ({ off }) => ({ outlet: "may", ...(off.some((word) => word.includes("{outlet}")) ? {} : { single: "whose off takes no {outlet}," }) }),
  resolve(settings, asked) {
    const address = settings.address === undefined ? undefined : asked.fill(settings.address);
    const fill = (words: readonly string[]): readonly string[] => words.map((word) => asked.fill(word).replaceAll("{address}", () => address ?? ""));
    const options = { on: fill(settings.on), off: fill(settings.off), status: fill(settings.status ?? []) };
    return { options, address: address ?? options.off.join(" ") };
  },
  lint: ({ status }, name) => (status !== undefined ? [] : [{
    at: [], code: "OFF_UNCONFIRMABLE", message: `${name} has no status: no cut can be confirmed, and its hosts are not guarded`, hint: "status: [program, …] that exits 0 for on and 2 for off",
  }]),
  programs: (settings) => (["on", "off", "status"] as const).map((key) => ({ at: [key, 0], program: settings[key]?.[0] ?? "" })),
});
