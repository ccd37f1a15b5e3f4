import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { deliveryLimits, limitDelivery } from "./socket-options.ts";

test("the kernel holds what was asked for", async () => {
  // Closing with SO_LINGER 0 resets the connection: the other side sees an error.
  const server = createServer((accepted) => accepted.on("error", () => {})).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => {});
  try {
    await once(socket, "connect");
    assert.deepEqual(await deliveryLimits(socket), { lingerOn: false, lingerSeconds: 0, userTimeoutMs: 0 });
    assert.equal(await limitDelivery(socket, 30_000), null);
    assert.deepEqual(await deliveryLimits(socket), { lingerOn: true, lingerSeconds: 0, userTimeoutMs: 30_000 });
  } finally {
    socket.destroy();
    server.close();
  }
});

test("a socket without a descriptor gives a warning, not an error", async () => {
  const socket = connect(1, "127.0.0.1");
  socket.on("error", () => {});
  socket.destroy();
  assert.match((await limitDelivery(socket, 1000)) ?? "", /no descriptor/);
});

function missing(): string | false {
  if (process.getuid?.() !== 0) return "needs root: network namespaces and nft";
  for (const program of ["ip", "nft"]) {
    try {
      execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    } catch {
      return `needs ${program}`;
    }
  }
  return false;
}

/** Connects, sets the options if told to, says so, writes one byte for each line on its input. */
const CLIENT = `
import { connect } from "node:net";
import { limitDelivery } from ${JSON.stringify(new URL("./socket-options.ts", import.meta.url).href)};
const [limited, host, port] = process.argv.slice(1);
const socket = connect(Number(port), host);
socket.on("error", () => {});
await new Promise((done) => socket.once("connect", done));
if (limited === "limited") {
  const warning = await limitDelivery(socket, 30000);
  if (warning !== null) throw new Error(warning);
}
socket.write(limited + " hello\\n");
let lines = 0;
process.stdin.on("data", () => {
  if (lines++ === 0) socket.write(limited + " off\\n");
  else socket.destroy();
  process.stdout.write("done\\n");
});
`;
const SERVER = `
import { createServer } from "node:net";
const server = createServer((socket) => { socket.on("error", () => {}); socket.pipe(process.stdout, { end: false }); });
server.listen(0, "0.0.0.0", () => process.stdout.write("port " + server.address().port + "\\n"));
`;

test("an `off` in a cut cable is thrown away with its socket, also when the writer is killed", { skip: missing() }, async (t) => {
  const here = `upkeep-so-a-${process.pid}`;
  const there = `upkeep-so-b-${process.pid}`;
  const started: ChildProcess[] = [];
  const sh = (...args: string[]): void => void execFileSync(args[0] as string, args.slice(1), { stdio: "pipe" });
  const node = (namespace: string, code: string, ...args: string[]): ChildProcess & { heard: string } => {
    const child = spawn("ip", ["netns", "exec", namespace, process.execPath, "--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", code, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const listening = Object.assign(child, { heard: "" });
    child.stdout?.on("data", (data) => (listening.heard += String(data)));
    started.push(child);
    return listening;
  };
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    for (const end = Date.now() + 20_000; !holds(); await new Promise((done) => setTimeout(done, 20))) {
      assert.ok(Date.now() < end, `never happened: ${what}`);
    }
  };
  t.after(() => {
    for (const child of started) child.kill("SIGKILL");
    for (const namespace of [here, there]) execFileSync("sh", ["-c", `ip netns del ${namespace} 2>/dev/null || true`]);
  });

  sh("ip", "netns", "add", here);
  sh("ip", "netns", "add", there);
  sh("ip", "link", "add", "cable", "netns", here, "type", "veth", "peer", "name", "cable", "netns", there);
  for (const [namespace, address] of [[here, "10.201.0.1/24"], [there, "10.201.0.2/24"]] as const) {
    sh("ip", "-n", namespace, "addr", "add", address, "dev", "cable");
    sh("ip", "-n", namespace, "link", "set", "cable", "up");
  }
  const server = node(there, SERVER);
  await until("the server listens", () => /port \d+\n/.test(server.heard));
  const port = /port (\d+)/.exec(server.heard)?.[1] as string;

  const clients = { plain: node(here, CLIENT, "plain", "10.201.0.2", port), limited: node(here, CLIENT, "limited", "10.201.0.2", port), destroyed: node(here, CLIENT, "limited", "10.201.0.2", port) };
  await until("all have connected", () => server.heard.includes("plain hello") && server.heard.split("limited hello").length === 3);

  sh("ip", "netns", "exec", there, "nft", "add table inet cut; add chain inet cut in { type filter hook prerouting priority raw; policy drop; }");
  for (const client of Object.values(clients)) client.stdin?.write("off\n");
  await until("all have written", () => Object.values(clients).every((client) => client.heard === "done\n"));
  clients.destroyed.stdin?.write("destroy\n");
  await until("one has destroyed its socket", () => clients.destroyed.heard === "done\ndone\n");
  for (const client of [clients.plain, clients.limited]) {
    client.kill("SIGKILL");
    await once(client, "exit");
  }
  sh("ip", "netns", "exec", there, "nft", "delete table inet cut");

  // The plain one shows that the test can fail: its `off` is delivered by the kernel of a process that is no more.
  await until("the plain off is delivered", () => server.heard.includes("plain off"));
  await new Promise((done) => setTimeout(done, 1000));
  assert.doesNotMatch(server.heard, /limited off/);
});
