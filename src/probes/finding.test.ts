import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { EVIDENCE_CHARACTERS_MAX, excerpt, networkFinding, printable, redacted } from "./finding.ts";

const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

test("plain text is left as it is, everything else is escaped", () => {
  assert.equal(printable("SSH-2.0-OpenSSH_9.2p1"), "SSH-2.0-OpenSSH_9.2p1");
  assert.equal(printable("größe 5 €"), "größe 5 €");
  assert.equal(printable("a\r\n\t\0\x1b[2J\x7f\x9b"), "a\\r\\n\\t\\x00\\x1b[2J\\x7f\\x9b");
  assert.equal(printable("\u202eevil\u2028\u200b\ufeff"), "\\u{202e}evil\\u{2028}\\u{200b}\\u{feff}");
  assert.equal(printable("\ud800"), "\\u{d800}");
  assert.equal(excerpt(Buffer.from([0x41, 0xff, 0x00, 0xc3])), "A\\xff\\x00\\xc3");
});

test("whatever it is given, the result is printable and within its length", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 400 }), fc.integer({ min: 2, max: 250 }), (text, max) => {
      const shown = printable(text, max);
      assert.ok(shown.length <= max);
      assert.doesNotMatch(shown, UNPRINTABLE);
    }),
    { numRuns: 1_000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      assert.match(excerpt(bytes), /^[\x20-\x7e]{0,79}[\x20-\x7e…]?$/);
    }),
  );
  assert.equal(printable("x".repeat(1_000)).length, EVIDENCE_CHARACTERS_MAX);
  assert.ok(printable("x".repeat(1_000)).endsWith("…"));
});

test("secrets are taken out, too short ones would only spoil the text", () => {
  assert.equal(redacted("a hunter2 b hunter2", ["hunter2", "a"]), "a [redacted] b [redacted]");
});

test("only the other side's word and silence speak against a host", () => {
  const judged = (code: string): string => {
    const { outcome, sign } = networkFinding(Object.assign(new Error(code), { code }));
    return `${outcome} ${sign}`;
  };
  assert.equal(judged("ECONNREFUSED"), "bad refused");
  assert.equal(judged("ECONNRESET"), "bad refused");
  assert.equal(judged("ETIMEDOUT"), "bad silent");
  assert.equal(judged("EHOSTUNREACH"), "bad unreachable");
  for (const code of ["ENETUNREACH", "ENETDOWN", "EACCES", "EPERM"]) assert.equal(judged(code), "unknown unreachable", code);
  for (const code of ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL", "EADDRINUSE", "EINVAL", "EAFNOSUPPORT", "EAGAIN", "EWHATEVER"]) {
    assert.equal(judged(code), "unknown not-run", code);
  }
  assert.deepEqual(networkFinding("no error at all").outcome, "unknown");
});

test("a process without a descriptor left has not looked: every probe says unknown, none throws", () => {
  const module = `
    import { openSync } from "node:fs";
    import net from "node:net";
    import { openIcmp } from ${JSON.stringify(new URL("./ping.ts", import.meta.url).href)};
    import { loadProbes } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
    const server = net.createServer().listen(0, "127.0.0.1", async () => {
      const { port } = server.address();
      const icmp = openIcmp();
      icmp.refusal(6); // koffi is loaded while there are descriptors
      const target = { host: "patient", address: "127.0.0.1", family: 4 };
      const probes = await loadProbes(["tcp", "ssh", "http", "dns", "ping"]);
      // Files of the modules are closed later, in threads of their own: until nothing is given back any more.
      const fill = () => { let taken = 0; try { for (;; taken += 1) openSync("/dev/null"); } catch { return taken; } };
      for (let quiet = 0; quiet < 10; quiet = fill() === 0 ? quiet + 1 : 0) await new Promise((resolve) => setTimeout(resolve, 50));
      const look = (name, options) => (fill(), probes.get(name).run(target, options, { icmp }, AbortSignal.timeout(10_000)));
      const found = [];
      found.push(await look("tcp", { port }), await look("ssh", { port }), await look("http", { url: "http://127.0.0.1:" + port, status: 200 }));
      found.push(await look("dns", { port, type: "A", rcode: "NOERROR", tcp: false }), await look("ping", { count: 1 }));
      console.log(JSON.stringify(found.map(({ outcome, sign }) => outcome + " " + sign)));
      process.exit(0);
    });`;
  const script = `ulimit -n 64; exec "$0" --disable-warning=ExperimentalWarning --input-type=module -e "$1"`;
  const out = execFileSync("sh", ["-c", script, process.execPath, module], { encoding: "utf8", timeout: 60_000 });
  assert.deepEqual(JSON.parse(out), Array(5).fill("unknown not-run"));
});
