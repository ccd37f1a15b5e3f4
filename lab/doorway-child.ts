// Inside a namespace: whatever comes in at a unix socket goes to a TCP port there. The file of the socket is seen from outside,
// where the port is not. Run by doorway.ts only: `doorway-child.ts SOCKET PORT`.

import net from "node:net";

const [socketPath, port] = process.argv.slice(2);
if (socketPath === undefined || port === undefined) throw new Error("doorway-child.ts SOCKET PORT");

net
  .createServer((outside) => {
    const inside = net.connect(Number(port), "127.0.0.1");
    outside.pipe(inside).pipe(outside);
    outside.on("error", () => inside.destroy()).on("close", () => inside.destroy());
    inside.on("error", () => outside.destroy()).on("close", () => outside.destroy());
  })
  .listen(socketPath, () => process.stdout.write("open\n"));
