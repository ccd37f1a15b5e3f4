// A real Apprise, with a local receiver behind it.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startHookReceiver } from "../../lab/hook-receiver.ts";
import { lacking, programPath, thirdParty } from "../../lab/third-party.ts";
import { appriseChannel } from "./apprise.ts";
import { message, NASTY, NEVER, SENDER } from "./message.fixture.ts";

test("Apprise passes a message on, whatever stands in it, and says when it cannot", { skip: lacking("apprise"), timeout: 300_000 }, async () => {
  thirdParty("Apprise", [programPath("apprise") ?? "apprise", "--version"]);
  const receiver = await startHookReceiver();
  const folder = mkdtempSync(join(tmpdir(), "upkeep-apprise-"));
  try {
    const config = join(folder, "apprise.conf");
    const { host } = new URL(receiver.url);
    writeFileSync(config, `night=json://${host}/apprise/s3cretpath\nday=json://${host}/day\n`, { mode: 0o600 });
    const channel = appriseChannel("any", { program: "apprise", config, tags: ["night"] }, SENDER);
    const said = { ...message({ happened: NASTY }), subject: `--body=x ${message().subject}` };
    assert.deepEqual(await channel.deliver(said, null, NEVER), { kind: "delivered", note: null, left: [] });
    assert.deepEqual(receiver.received.map(({ path }) => path), ["/apprise/s3cretpath"], "only the tag that was asked for");
    const body = receiver.received[0]?.body as { title: string; message: string; type: string };
    assert.deepEqual([body.title, body.type], [said.subject, "failure"]);
    assert.equal(body.message.trim(), said.body.trim());
    assert.equal((await channel.deliver(message({}, "over"), null, NEVER)).kind, "delivered");
    assert.equal((receiver.received[1]?.body as { type: string }).type, "success");
    receiver.mood = { status: 500 };
    const failed = await channel.deliver(message(), null, NEVER);
    assert.ok(failed.kind === "failed" && failed.evidence.startsWith("apprise: exit 1"), JSON.stringify(failed));
    assert.doesNotMatch(failed.evidence, /s3cret/);
  } finally {
    rmSync(folder, { recursive: true });
    await receiver.close();
  }
});
