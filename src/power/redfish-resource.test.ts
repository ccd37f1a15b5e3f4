import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fieldOf, messageOf, metersOf, pathOn, systemOf, taskStateOf, wattsOf } from "./redfish-resource.ts";

const SERVICE = { host: "bmc.lan", port: 8443 };
const SYSTEM = {
  "@odata.type": "#ComputerSystem.v1_5_0.ComputerSystem", PowerState: "On",
  Actions: { "#ComputerSystem.Reset": { target: "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", "ResetType@Redfish.AllowableValues": ["On", "ForceOff", 7] } },
};

test("a link leads to a path on the same service, or nowhere", () => {
  assert.equal(pathOn(SERVICE, "/redfish/v1/Systems/1?x=1"), "/redfish/v1/Systems/1?x=1");
  assert.equal(pathOn(SERVICE, "https://bmc.lan:8443/a"), "/a");
  assert.equal(pathOn({ host: "fd77::9", port: 443 }, "https://[fd77::9]/a"), "/a");
  for (const link of ["https://bmc.lan/a", "http://bmc.lan:8443/a", "//elsewhere/a", "https://u@bmc.lan:8443/a", "https://[", 7, null, undefined, "x".repeat(600)]) assert.equal(pathOn(SERVICE, link), null, String(link));
});

test("a system says its state, where it is reset, and how", () => {
  assert.deepEqual(systemOf(JSON.stringify(SYSTEM), SERVICE, 'W/"7"'), { state: "on", target: "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", allowed: ["On", "ForceOff"], actionInfo: null, etag: 'W/"7"', chassis: null });
  const links = (...chassis: unknown[]): string | null | undefined => systemOf(JSON.stringify({ ...SYSTEM, Links: { Chassis: chassis } }), SERVICE, null)?.chassis;
  assert.equal(links({ "@odata.id": "/redfish/v1/Chassis/1" }), "/redfish/v1/Chassis/1");
  assert.equal(links({ "@odata.id": "/redfish/v1/Chassis/1" }, { "@odata.id": "/redfish/v1/Chassis/2" }), null, "whose draw is it?");
  assert.equal(links({ "@odata.id": "https://elsewhere/redfish/v1/Chassis/1" }), null);
  assert.equal(systemOf(JSON.stringify({ ...SYSTEM, PowerState: null }), SERVICE, null)?.state, "unknown");
  assert.equal(systemOf(JSON.stringify({ PowerState: "Off" }), SERVICE, "no etag")?.etag, null);
  for (const body of ["", "null", "7", "[]", "{}", '{"@odata.type":"#Chassis.v1.Chassis","PowerState":"On"}', '"PowerState"']) assert.equal(systemOf(body, SERVICE, null), null, body);
});

test("a draw is a number of an enabled sensor, or of the only control", () => {
  const watts = (body: unknown): number | null => wattsOf(JSON.stringify(body));
  assert.equal(watts({ PowerWatts: { Reading: 7.5 } }), 7.5);
  assert.equal(watts({ PowerControl: [{ PowerConsumedWatts: 0, Status: { State: "Enabled" } }] }), 0);
  assert.equal(watts({ PowerControl: [{ PowerConsumedWatts: 0 }, { PowerConsumedWatts: 90 }] }), null, "one of several is a part");
  for (const body of [{}, { PowerWatts: { Reading: "0" } }, { PowerWatts: 0 }, { PowerWatts: { Reading: 0, Status: { State: "Absent" } } }, { PowerControl: {} }, { PowerControl: [7] }, [], null, 0]) assert.equal(watts(body), null, JSON.stringify(body));
  assert.deepEqual(metersOf('{"Power":{"@odata.id":"/redfish/v1/Chassis/1/Power"},"EnvironmentMetrics":{"@odata.id":"//elsewhere/x"}}', SERVICE), ["/redfish/v1/Chassis/1/Power"]);
});

test("errors and tasks are read where they are, and no text makes anything throw", () => {
  assert.equal(messageOf('{"error":{"message":"a","@Message.ExtendedInfo":[{"Message":"b"}]}}'), "b");
  assert.equal(messageOf('{"error":{"message":"a"}}'), "a");
  assert.equal(taskStateOf('{"TaskState":"Running"}'), "Running");
  assert.equal(fieldOf("{}", "constructor"), undefined);
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    messageOf(text);
    taskStateOf(text);
    wattsOf(text);
    metersOf(text, SERVICE);
    const target = systemOf(text, SERVICE, text)?.target ?? "/";
    assert.ok(target.startsWith("/"));
  }), { numRuns: 300 });
});
