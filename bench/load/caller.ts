// Asks a blackbox exporter for one look after another over connections that stay open, as Prometheus does; on the core of
// those that are looked at, so that only the exporter's own time counts. A line on standard input begins a batch; its end is
// a line on standard output: how many looks were successful.
//
// `caller.ts MODULE LOOKS AT-ONCE HOSTS`

import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import { addressOf } from "./addresses.ts";
import { PORTS } from "./servers.ts";

const [module = "", looks = "", atOnce = "", hosts = ""] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: Number(atOnce) });

function target(host: number): string {
  const address = addressOf(host % Number(hosts));
  return module === "ping" ? address : module === "http" ? `http://${address}/` : `${address}:${PORTS[module as keyof typeof PORTS]}`;
}

function look(host: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const path = `/probe?module=${module}&target=${encodeURIComponent(target(host))}`;
    const asked = request({ host: "127.0.0.1", port: 9115, path, agent }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
      response.on("end", () => resolve(/^probe_success 1$/m.test(text)));
    });
    asked.on("error", reject);
    asked.end();
  });
}

createInterface({ input: process.stdin }).on("line", () => {
  let left = Number(looks);
  let good = 0;
  const lookAgainAndAgain = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      if (await look(left)) good += 1;
    }
  };
  void Promise.all(Array.from({ length: Number(atOnce) }, lookAgainAndAgain)).then(() => process.stdout.write(`${good}\n`));
});
