import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { agentFaults, agentOption, parseAgentMetadata, plugOption } from "./agent-metadata.ts";
import type { AgentMetadata } from "./agent-metadata.ts";

const HEAD = '<?xml version="1.0" ?>\n<resource-agent name="fence_x" shortdesc="X &amp; Y">\n<longdesc>It fences &lt;things&gt;.</longdesc>\n';
const ACTIONS = '<actions><action name="on" automatic="0"/><action name="off" /><action name="status" /><action name="metadata" /></actions>';

function read(parameters: string, actions = ACTIONS): AgentMetadata {
  const metadata = parseAgentMetadata(`${HEAD}<parameters>${parameters}</parameters>${actions}</resource-agent>\n`);
  assert.ok(!("wrong" in metadata), JSON.stringify(metadata));
  return metadata;
}

const IP = '<parameter name="ip" required="1" obsoletes="ipaddr"><getopt mixed="-a, --ip=[ip]" /><content type="string" /></parameter><parameter name="ipaddr" required="1" deprecated="1"><content type="string" /></parameter>';
const PLUG = '<parameter name="plug" required="1" obsoletes="port"><content type="string"/></parameter><parameter name="port" required="1" deprecated="1"/>';

test("options have old and new names, dashes or underscores, and what is required may have a default", () => {
  const metadata = read(`${IP}<parameter name="power_timeout" required="1"><content type="second" default="20" /></parameter><parameter name="ssl-insecure" required="0"/>`);
  assert.deepEqual(metadata.options.get("ip"), { name: "ip", required: true, deprecated: false, default: null, alias: "ipaddr" });
  assert.deepEqual([agentOption(metadata, "ipaddr")?.alias, agentOption(metadata, "power-timeout")?.default, agentOption(metadata, "ssl_insecure")?.name, agentOption(metadata, "sslinsecure")], ["ip", "20", "ssl-insecure", undefined]);
  assert.deepEqual(agentFaults(metadata, []), [{ message: "fence_x needs ip (or ipaddr)", option: null }]);
  assert.deepEqual(agentFaults(metadata, ["ipaddr", "ssl-insecure"]), []);
  assert.deepEqual(agentFaults(metadata, ["ip", "ipaddr", "ipport"]), [{ message: "ipaddr and ip are one option of fence_x", option: "ipaddr" }, { message: "fence_x has no option ipport", option: "ipport" }]);
});

test("the plug is where the outlet stands; with port_as_ip an optional one is an address", () => {
  const asIp = '<parameter name="port_as_ip" required="0"/>';
  assert.deepEqual([plugOption(read(PLUG)), plugOption(read(PLUG + asIp)), plugOption(read(PLUG.replaceAll('"1"', '"0"') + asIp)), plugOption(read(PLUG.replaceAll('required="1"', 'required="0"'))), plugOption(read(IP)), plugOption(read('<parameter name="port" required="1"/>'))], ["plug", "plug", null, "plug", null, "port"]);
});

test("what cannot switch power and tell its state, or cuts something else, is not for us", () => {
  assert.match(agentFaults(read("", '<actions><action name="off"/></actions>'), [])[0]?.message ?? "", /cannot on, status/);
  for (const on of ['automatic="1"', 'on_target="1" automatic="0"']) assert.match(agentFaults(read("", ACTIONS.replace('automatic="0"', on)), [])[0]?.message ?? "", /not power/);
});

test("agents that only say that a host is off are known by name", () => {
  const metadata = read("");
  for (const name of ["fence_crosslink", "fence_sbd", "fence_compute"]) assert.match(agentFaults({ ...metadata, name, fabric: name === "fence_compute" }, []).map(({ message }) => message).join(), /^fence_\w+ (calls|leaves|tells)[^,]*, [^,]*: that is not power$/);
  assert.deepEqual(agentFaults({ ...metadata, name: "fence_apc" }, []), []);
});

test("what is not metadata is said to be none", () => {
  const whole = `${HEAD}<parameters>${IP}</parameters>${ACTIONS}</resource-agent>`;
  for (const [text, wrong] of [["", /no metadata/], ["usage: x", /no metadata/], ["<resource-agent/>", /not the metadata/], ["<a/>", /no metadata/], [whole.slice(0, 200), /./], [whole.replace("</parameters>", ""), /./], [whole.replace('name="ip"', 'name="a b"'), /without a name/], [whole.replace("&amp;", "&"), /./], ["x".repeat(300_000), /longer/], [`<resource-agent name="x">${'<action name="a"/>'.repeat(10)}${Array.from({ length: 600 }, (_, at) => `<parameter name="p${at}"/>`).join("")}</resource-agent>`, /larger/]] as const) {
    const found = parseAgentMetadata(text);
    assert.ok("wrong" in found, text.slice(0, 60));
    assert.match(found.wrong, wrong);
  }
  assert.ok(!("wrong" in parseAgentMetadata(`WARNING: a module is missing\n${whole}`)));
});

test("no text makes it throw, and options are named as options may be", () => {
  const piece = fc.oneof(fc.string(), fc.constantFrom(HEAD, IP, PLUG, ACTIONS, "<parameters>", "</parameters>", "</resource-agent>", '<parameter name="__proto__">', "<![CDATA[", "<!DOCTYPE a [<!ENTITY b \"c\">]>", "&b;", "\u0000", '<action name="on" on_target="1"/>'));
  fc.assert(fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
    const found = parseAgentMetadata(pieces.join(""));
    if ("wrong" in found) return;
    for (const name of found.options.keys()) assert.match(name, /^[A-Za-z0-9][A-Za-z0-9_.-]*$/);
    agentFaults(found, ["ip", "constructor"]);
  }), { numRuns: 500 });
});
