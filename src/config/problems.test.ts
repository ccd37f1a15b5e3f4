// Every mistake that a configuration can have, each where it must be told. `§` stands before the place; the problems must be
// these and no others of their severity.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatProblem, PROBLEM_CODES, ProblemList } from "./problems.ts";
import type { ProblemCode } from "./problems.ts";
import { codesOf, loadText, marked } from "./testing.ts";

type Case = readonly [what: string, yaml: string, codes: readonly ProblemCode[], hint?: RegExp];

const ONE = "hosts: { a: { address: 10.0.0.1 } }\n";
const SUCKER = "power: { sucker: { driver: apc, address: 10.0.0.9, password: { env: PW } } }\n";
const host = (rest: string): string => `hosts: { a: { address: 10.0.0.1, ${rest} } }\n`;

const ERRORS: readonly Case[] = [
  ["an empty file", "§", ["KEY_MISSING"]],
  ["a list instead of a mapping", "§- a\n- b\n", ["VALUE_INVALID"]],
  ["no hosts", "§site: x\n", ["KEY_MISSING"]],
  ["an unknown section", `${ONE}§grups: {}\n`, ["KEY_UNKNOWN"], /did you mean "groups"/],
  ["an unknown setting of a host", host("§treshold: 3"), ["KEY_UNKNOWN"], /did you mean "threshold"/],
  ["two unknown settings", host("§foo: 1, §probe: [ssh]"), ["KEY_UNKNOWN", "KEY_UNKNOWN"]],
  ["an unknown option of a probe", host("probes: [{ ssh: { §prt: 22 } }]"), ["KEY_UNKNOWN"], /"port"/],
  ["an unknown option of a device", `${ONE}power: { s: { driver: apc, address: h, password: { env: PW }, §colour: red } }\n`, ["KEY_UNKNOWN"]],
  ["a merge key", "x: 1\nhosts:\n  a:\n    §<<: { every: 5s }\n    address: h\n".replace("x: 1\n", ""), ["KEY_UNKNOWN"], /groups or defaults/],
  ["a host without an address", "hosts:\n  §a: { every: 5s }\n", ["KEY_MISSING"]],
  ["a host that is empty", "hosts:\n  §a:\n", ["VALUE_INVALID"]],
  ["a host that is an address", "hosts: { a: §10.0.0.1 }\n", ["VALUE_INVALID"]],
  ["hosts as a list", "hosts: §[a, b]\n", ["VALUE_INVALID"]],
  ["a bad name of a host", "hosts: { §\"a/b\": { address: h } }\n", ["NAME_INVALID"]],
  ["a bad range of hosts", "hosts: { §\"a[3-1]\": { address: h } }\n", ["NAME_INVALID"]],
  ["a bad name of a device", `${ONE}power: { §"a b": { driver: apc, address: h, password: { env: PW } } }\n`, ["NAME_INVALID"]],
  ["a bad name of a group", `${ONE}groups: { §"a b": { hosts: [a] } }\n`, ["NAME_INVALID"]],
  ["a bad address", "hosts: { a: { address: §10.0.0.256 } }\n", ["ADDRESS_INVALID"], /0 to 255/],
  ["a number as address", "hosts: { a: { address: §10.5 } }\n", ["ADDRESS_INVALID"]],
  ["port zero", "hosts: { a: { address: §h:0 } }\n", ["ADDRESS_INVALID"]],
  ["a bare number as duration", host("every: §5"), ["DURATION_INVALID"], /write 5s/],
  ["a duration with a space", host("every: §5 s"), ["DURATION_INVALID"], /write 5s/],
  ["nothing as duration", host("§every:"), ["VALUE_INVALID"]],
  ["a duration too short", host("every: §100ms"), ["DURATION_INVALID"], /200ms/],
  ["a duration too long", host("every: §2d"), ["DURATION_INVALID"], /1d/],
  ["a bad step of the retry ladder", host("retry: [5s, §10]"), ["DURATION_INVALID"]],
  ["yes for true", host("armed: §yes"), ["VALUE_INVALID"], /write true/],
  ["a text as threshold", host("threshold: §five"), ["VALUE_INVALID"]],
  ["a threshold of zero", host("threshold: §0"), ["VALUE_INVALID"]],
  ["a fraction as threshold", host("threshold: §2.5"), ["VALUE_INVALID"]],
  ["a share without its sign", `${ONE}brakes: { maxUnhealthy: §0.4 }\n`, ["PERCENT_INVALID"], /40%/],
  ["a share over all", `${ONE}brakes: { maxUnhealthy: §140% }\n`, ["PERCENT_INVALID"]],
  ["never cutting at all", `${ONE}brakes: { concurrent: §0 }\n`, ["VALUE_INVALID"]],
  ["a bad limit an hour", `${ONE}brakes: { perHour: §never }\n`, ["VALUE_INVALID"]],
  ["an unknown probe", host("probes: [ping, §shs]"), ["VALUE_INVALID"], /"ssh"/],
  ["an unknown probe, with options", host("probes: [{ §shs: { port: 389 } }]"), ["KEY_UNKNOWN"], /"ssh"/],
  ["two probes in one mapping", host("probes: [§{ ssh: {}, ping: {} }]"), ["PROBE_INCOMPLETE"], /one mapping a probe/],
  ["an empty mapping as probe", host("probes: [§{}]"), ["PROBE_INCOMPLETE"]],
  ["a probe with nothing after the colon", host("probes: [§{ ssh: }]"), ["VALUE_INVALID"], /write ssh alone/],
  ["no probes at all", host("probes: §[]"), ["VALUE_INVALID"]],
  ["tcp without a port", host("probes: [§tcp]"), ["PROBE_INCOMPLETE"]],
  ["http without a URL", host("probes: [§http]"), ["PROBE_INCOMPLETE"]],
  ["http with half a URL", host("probes: [{ http: { url: §10.0.0.1/health } }]"), ["VALUE_INVALID"]],
  ["http with a password in the URL", host("probes: [{ http: { url: §\"http://u:p@10.0.0.1/\" } }]"), ["VALUE_INVALID"], /headers/],
  ["a bad regular expression", host("probes: [{ tcp: { port: 1, expect: §/(/ } }]"), ["VALUE_INVALID"]],
  ["a probe without its secret is still counted", host("probes: [ssh, §{ redis: { password: { env: NOWHERE } } }], rounds: { good: 1 of 2 }"), ["SECRET_MISSING"]],
  ["postgres with a password and no query", host("probes: [§{ postgres: { password: { env: PW } } }]"), ["PROBE_INCOMPLETE"]],
  ["ldap with half of a bind", host("probes: [§{ ldap: { bind: cn=x } }]"), ["PROBE_INCOMPLETE"]],
  ["ldap with peers and no base", host("probes: [§{ ldap: { peers: [10.0.0.2] } }]"), ["PROBE_INCOMPLETE"]],
  ["ldap with a filter that is none", host("probes: [§{ ldap: { base: dc=x, filter: uid=x } }]"), ["PROBE_INCOMPLETE"]],
  ["ldap with a lag behind nobody", host("probes: [§{ ldap: { maxLag: 1m } }]"), ["PROBE_INCOMPLETE"]],
  ["redis with a user and no password", host("probes: [§{ redis: { username: x } }]"), ["PROBE_INCOMPLETE"]],
  ["rpc without a program", host("probes: [§rpc]"), ["PROBE_INCOMPLETE"], /one mapping a probe/],
  ["a version of NFS that is none", host("probes: [{ nfs: { version: §5 } }]"), ["VALUE_INVALID"]],
  ["a transport that is none", host("probes: [{ nfs: { transport: §sctp } }]"), ["VALUE_INVALID"]],
  ["a stratum that is not synchronised", host("probes: [{ ntp: { maxStratum: §16 } }]"), ["VALUE_INVALID"]],
  ["an offset that is no duration", host("probes: [{ ntp: { maxOffset: §5 } }]"), ["DURATION_INVALID"], /./],
  ["snmp without an object", host("probes: [§snmp]"), ["PROBE_INCOMPLETE"]],
  ["an object by its name", host("probes: [{ snmp: { oid: §sysUpTime.0 } }]"), ["VALUE_INVALID"]],
  ["snmp with bounds that exclude each other", host("probes: [§{ snmp: { oid: 1.3.6.1, min: 2, max: 1 } }]"), ["PROBE_INCOMPLETE"]],
  ["snmp with a value and a bound", host("probes: [§{ snmp: { oid: 1.3.6.1, min: 2, equals: 3 } }]"), ["PROBE_INCOMPLETE"]],
  ["a version of SNMP that is none", host("probes: [{ snmp: { oid: 1.3.6.1, version: §2 } }]"), ["VALUE_INVALID"]],
  ["snmp version 3 without a user", host("probes: [§{ snmp: { oid: 1.3.6.1, version: 3 } }]"), ["PROBE_INCOMPLETE"]],
  ["snmp version 3 with a community", host("probes: [§{ snmp: { oid: 1.3.6.1, version: 3, user: u, community: { env: PW } } }]"), ["PROBE_INCOMPLETE"]],
  ["a user where there are none", host("probes: [§{ snmp: { oid: 1.3.6.1, user: u } }]"), ["PROBE_INCOMPLETE"]],
  ["snmp that encrypts and does not sign", host("probes: [§{ snmp: { oid: 1.3.6.1, version: 3, user: u, privacyPassword: { env: PW } } }]"), ["PROBE_INCOMPLETE"]],
  ["a way to sign without a password", host("probes: [§{ snmp: { oid: 1.3.6.1, version: 3, user: u, authProtocol: md5 } }]"), ["PROBE_INCOMPLETE"]],
  ["snmp with a password that no agent takes", host("probes: [§{ snmp: { oid: 1.3.6.1, version: 3, user: u, authPassword: { env: PW } } }]"), ["SECRET_INVALID"], /8 characters/],
  ["plugin without a command", host("probes: [§plugin]"), ["PROBE_INCOMPLETE"]],
  ["a plugin as text", host("probes: [{ plugin: { command: §check_ssh -H x } }]"), ["VALUE_INVALID"], /no shell/],
  ["a variable that is none", host("probes: [{ plugin: { command: [x], env: { §a-b: { env: PW } } } }]"), ["NAME_INVALID"], /./],
  ["dhcp without an interface", host("probes: [§dhcp]"), ["PROBE_INCOMPLETE"]],
  ["an interface with a slash", host("probes: [{ dhcp: { interface: §../eth0 } }]"), ["VALUE_INVALID"]],
  ["a DHCP server by its name", host("probes: [{ dhcp: { interface: eth0, server: §dhcp.lan } }]"), ["VALUE_INVALID"]],
  ["dhcp at an address of IPv6", "hosts: { a: { address: fd77::1, probes: [§{ dhcp: { interface: eth0 } }] } }\n", ["PROBE_INCOMPLETE"], /server/],
  ["a time-out by default that the interval does not hold", host("every: 3s, probes: [§{ dhcp: { interface: eth0 } }]"), ["TIMEOUT_OVER_EVERY"]],
  ["a secret of a probe that is not there", host("probes: [§{ redis: { password: { env: NOWHERE } } }]"), ["SECRET_MISSING"]],
  ["an answer without a question", host("probes: [§{ dns: { answer: 10.0.0.1 } }]"), ["PROBE_INCOMPLETE"]],
  ["an unknown type of record", host("probes: [{ dns: { name: x, type: §AA } }]"), ["VALUE_INVALID"]],
  ["a time-out longer than the pace", host("every: 2s, timeout: §3s"), ["TIMEOUT_OVER_EVERY"]],
  ["a pace under the built-in time-out", host("every: §500ms"), ["TIMEOUT_OVER_EVERY"], /never overlap/],
  ["a probe's time-out longer than the pace", host("probes: [ping, §{ ssh: { timeout: 6s } }]"), ["TIMEOUT_OVER_EVERY"]],
  ["a round rule for more probes than there are", host("rounds: { good: §2 of 3 }"), ["ROUNDS_MISMATCH"], /ping/],
  ["a round rule that cannot be met", host("rounds: { good: §2 }"), ["ROUNDS_MISMATCH"]],
  ["a round rule in words", host("rounds: { good: §two }"), ["VALUE_INVALID"]],
  ["a threshold under the ladder", host("retry: [5s, 10s], threshold: §2"), ["THRESHOLD_UNDER_RETRY"], /is 3/],
  ["a group with an unknown host", `${ONE}groups: { g: { hosts: [a, §b1] } }\n`, ["HOST_UNKNOWN"]],
  ["a range with unknown hosts", "hosts: { web1: { address: h1 }, web2: { address: h2 } }\ngroups: { g: { hosts: [§\"web[1-3]\"] } }\n", ["HOST_UNKNOWN"], /"web1"|"web2"/],
  ["a group without hosts", `${ONE}groups: { §g: { every: 10s } }\n`, ["KEY_MISSING"]],
  ["a group on the status page that is none", `${ONE}statusPage: { groups: [§b] }\n`, ["GROUP_UNKNOWN"]],
  ["two groups that disagree", `${ONE}groups:\n  g: { hosts: [a], every: 10s }\n  h: { hosts: [a], §every: 20s }\n`, ["GROUP_CONFLICT"], /upkeep.yaml:3/],
  ["hosts that start after each other", "hosts: { a: { address: h1, after: §[b] }, b: { address: h2, after: [a] } }\n", ["AFTER_CIRCLE"], /leave one/],
  ["the watcher on an unknown host", `${ONE}watcher: { host: §aa }\n`, ["HOST_UNKNOWN"], /"a"/],
  ["a reference without an address", `${ONE}watcher: { references: [{ §tcp: { port: 22 } }] }\n`, ["KEY_MISSING"]],
  ["a reference with a bad address", `${ONE}watcher: { references: [§10.0.0] }\n`, ["ADDRESS_INVALID"]],
  ["a reference that is no list", `${ONE}watcher: { references: §10.0.0.1 }\n`, ["VALUE_INVALID"], /\[10.0.0.1\]/],
  ["tcp as reference without a port", `${ONE}watcher: { references: [§{ tcp: { address: h } }] }\n`, ["PROBE_INCOMPLETE"]],
  ["no store that anybody knows", `${ONE}store: §paper\n`, ["VALUE_INVALID"]],
  ["a store that is only named", `${ONE}store: §zookeeper\n`, ["VALUE_INVALID"], /servers: \[a, b, c\]/],
  ["a store with nothing after the colon", `${ONE}store: §{ etcd: }\n`, ["VALUE_INVALID"], /endpoints: \[a, b, c\]/],
  ["a mapping without a store", `${ONE}store: §{}\n`, ["VALUE_INVALID"], /zookeeper/],
  ["another kind of store", `${ONE}store: { §consul: { endpoints: [h] } }\n`, ["KEY_UNKNOWN"]],
  ["two stores", `${ONE}store: §{ etcd: { endpoints: [h] }, zookeeper: { servers: [h] } }\n`, ["VALUE_INVALID"], /not two/],
  ["etcd without endpoints", `${ONE}store: { §etcd: {} }\n`, ["KEY_MISSING"]],
  ["no endpoints in the list", `${ONE}store: { etcd: { endpoints: §[] } }\n`, ["VALUE_INVALID"]],
  ["one endpoint that is no list", `${ONE}store: { etcd: { endpoints: §etcd1 } }\n`, ["VALUE_INVALID"], /brackets/],
  ["an unknown setting of the store", `${ONE}store: { etcd: { endpoints: [a], §prefx: /x } }\n`, ["KEY_UNKNOWN"], /"prefix"/],
  ["endpoints that are none", `${ONE}store: { etcd: { endpoints: [§10.0.0.256, §"ftp://a:1", §"http://a:1/path", §"http://a:0", §"[a]:1"] } }\n`, ["ADDRESS_INVALID", "ADDRESS_INVALID", "ADDRESS_INVALID", "ADDRESS_INVALID", "ADDRESS_INVALID"], /ends with its port/],
  ["a password in an endpoint", `${ONE}store: { etcd: { endpoints: [§"http://me:sesame@a:2379"] } }\n`, ["ADDRESS_INVALID"], /settings of their own/],
  ["one endpoint twice", `${ONE}store: { etcd: { endpoints: [a, b, §"http://a:2379"] } }\n`, ["VALUE_INVALID"], /twice/],
  ["one server twice", `${ONE}store: { zookeeper: { servers: [a, §"a:2181"] } }\n`, ["VALUE_INVALID"], /twice/],
  ["a URL as server of ZooKeeper", `${ONE}store: { zookeeper: { servers: [§"http://a:2181"] } }\n`, ["ADDRESS_INVALID"]],
  ["plain endpoints among those with TLS", `${ONE}store: { etcd: { endpoints: ["https://a:1", §"http://b:1", c] } }\n`, ["VALUE_INVALID"], /https/],
  ["a prefix of slashes", `${ONE}store: { etcd: { endpoints: [a], prefix: §// } }\n`, ["VALUE_INVALID"], /printable/],
  ["a prefix that is too long", `${ONE}store: { etcd: { endpoints: [a], prefix: §/${"x".repeat(200)} } }\n`, ["VALUE_INVALID"], /200/],
  ["a prefix with a control character", `${ONE}store: { etcd: { endpoints: [a], prefix: §"/a\\tb" } }\n`, ["VALUE_INVALID"]],
  ["a path that ZooKeeper does not take", `${ONE}store: { zookeeper: { servers: [a], prefix: §a/b } }\n`, ["VALUE_INVALID"], /begins with a slash/],
  ["a path with a hole", `${ONE}store: { zookeeper: { servers: [a], prefix: §/a//b } }\n`, ["VALUE_INVALID"], /empty/],
  ["ZooKeeper's own path", `${ONE}store: { zookeeper: { servers: [a], prefix: §/zookeeper/x } }\n`, ["VALUE_INVALID"]],
  ["a lease that is too short", `${ONE}store: { etcd: { endpoints: [a], ttl: §2s } }\n`, ["DURATION_INVALID"], /3s/],
  ["a lease that is too long", `${ONE}store: { etcd: { endpoints: [a], ttl: §2m } }\n`, ["DURATION_INVALID"], /1m/],
  ["a call longer than the lease", `${ONE}store: { etcd: { endpoints: [a], ttl: 3s, timeout: §4s } }\n`, ["VALUE_INVALID"], /10s|3s/],
  ["a user of the store without a password", `${ONE}store: { etcd: { endpoints: [a], user: §u } }\n`, ["VALUE_INVALID"], /both or neither/],
  ["a password of the store without a user", `${ONE}store: { zookeeper: { servers: [a], password: §{ env: PW } } }\n`, ["VALUE_INVALID"], /both or neither/],
  ["a password of the store that is not there", `${ONE}store: { etcd: { endpoints: [a], user: u, password: §{ env: NOWHERE } } }\n`, ["SECRET_MISSING"]],
  ["a certificate without its key", `${ONE}store: { etcd: { endpoints: [a], tls: { cert: §c.pem } } }\n`, ["VALUE_INVALID"], /both or neither/],
  ["TLS that is neither", `${ONE}store: { etcd: { endpoints: [a], tls: §yes please } }\n`, ["VALUE_INVALID"]],
  ["certificates that are not there", `${ONE}store: { etcd: { endpoints: [a], tls: { ca: §no.pem, cert: §no.pem, key: §no.pem } } }\n`, ["FILE_UNREADABLE", "FILE_UNREADABLE", "FILE_UNREADABLE"]],
  ["a mail address that is none", `${ONE}alerts: { mail: { to: §"root at localhost" } }\n`, ["VALUE_INVALID"]],
  ["a user without a password", `${ONE}alerts: { mail: { to: root, §username: u } }\n`.replace("§username: u", "username: §u"), ["VALUE_INVALID"], /both or neither/],
  ["a command as one text", `${ONE}alerts: { command: §/usr/bin/page-me now }\n`, ["VALUE_INVALID"], /\[\/usr\/bin\/page-me, now\]/],
  ["a size with a space", `${ONE}history: { maxSize: §1 GiB }\n`, ["VALUE_INVALID"], /write 1GiB/],
  ["a size without a unit", `${ONE}history: { maxSize: §1000000 }\n`, ["VALUE_INVALID"]],
  ["a history without room", `${ONE}history: { maxSize: §1MiB }\n`, ["VALUE_INVALID"], /the least here is 16MiB/],
  ["results kept for no time", `${ONE}history: { keep: { rounds: §5m } }\n`, ["DURATION_INVALID"], /the shortest here is 1h/],
  ["a step of the history that is none", `${ONE}history: { keep: { §days: 5d } }\n`, ["KEY_UNKNOWN"]],
  ["a dead-man's URL that is none", `${ONE}alerts: { deadman: §example.org }\n`, ["VALUE_INVALID"]],
  ["a bad port to listen on", `${ONE}api: { listen: §"127.0.0.1:80800" }\n`, ["ADDRESS_INVALID"]],
  ["TLS for the API that is neither none nor files", `${ONE}api: { listen: "0.0.0.0:8443", tls: §true }\n`, ["VALUE_INVALID"], /none, or \{ cert: FILE, key: FILE \}/],
  ["a certificate without its key", `${ONE}api: { §tls: { cert: a.pem } }\n`, ["KEY_MISSING"]],
  ["a certificate that is not there", `${ONE}api: { tls: { cert: §a.pem, key: §a.key } }\n`, ["FILE_UNREADABLE", "FILE_UNREADABLE"]],
  ["a URL for a name of this machine", `${ONE}api: { names: [§"https://watcher.lan"] }\n`, ["ADDRESS_INVALID"], /without https/],
  ["an unknown device", `${host("power: §suckr/1")}${SUCKER}`, ["DEVICE_UNKNOWN"], /"sucker"/],
  ["an unknown device in a level", `${host("power: [sucker/1, §bmc]")}${SUCKER}`, ["DEVICE_UNKNOWN"]],
  ["an outlet that is not named", `${host("power: §sucker")}${SUCKER}`, ["OUTLET_INVALID"], /sucker\/N/],
  ["an outlet that is no outlet", `${host("power: §sucker/1/2")}${SUCKER}`, ["OUTLET_INVALID"]],
  ["an outlet written two ways", `${host("power: §sucker/07")}${SUCKER}`, ["OUTLET_INVALID"], /sucker\/7/],
  ["a number as power", `${host("power: §7")}${SUCKER}`, ["VALUE_INVALID"]],
  ["a list in the list of levels", `${host("power: [§[sucker/1, sucker/2]]")}${SUCKER}`, ["OUTLET_INVALID"], /\+/],
  ["one outlet as both feeds", `${host("power: §sucker/1 + sucker/1")}${SUCKER}`, ["OUTLET_REPEATED"]],
  ["one outlet in two levels", `${host("feeds: 1, power: [sucker/1, §sucker/1]")}${SUCKER}`, ["OUTLET_REPEATED"]],
  ["two outlets as successive levels", `${host("power: [sucker/1, §sucker/2]")}${SUCKER}`, ["LEVELS_ARE_FEEDS"], /sucker\/1 \+ sucker\/2/],
  ["a level that cuts one of two feeds", `${host("feeds: 2, power: §sucker/1")}${SUCKER}`, ["FEEDS_MISMATCH"]],
  ["one feed, and two cut", `${host("feeds: 1, power: §sucker/1 + sucker/2")}${SUCKER}`, ["FEEDS_MISMATCH"]],
  ["an outlet of two hosts", `hosts:\n  a: { address: h1, power: sucker/1 }\n  b: { address: h2, power: §sucker/1 }\n${SUCKER}`, ["OUTLET_SHARED"], /upkeep.yaml:2/],
  ["two outlets of a program that is not told which", "hosts:\n  a: { address: h1, power: r/1 }\n  b: { address: h2, power: §r/2 }\npower: { r: { driver: command, on: [x, '{outlet}'], off: [x], status: [x] } }\n", ["OUTLET_SHARED"], /takes no \{outlet\}/],
  ["two feeds of a program that is not told which", "hosts:\n  a: { address: h1, power: §r/1 + r/2 }\npower: { r: { driver: command, on: [x], off: [x], status: [x] } }\n", ["OUTLET_REPEATED"]],
  ["one device of two hosts", "hosts:\n  a: { address: h1, power: r }\n  b: { address: h2, power: §r }\npower: { r: { driver: command, on: [x], off: [x], status: [x] } }\n", ["OUTLET_SHARED"]],
  ["one device under two names", `${host("power: s1/1 + s2/1")}power:\n  s1: { driver: apc, address: 10.0.0.9, password: { env: PW } }\n  s2: { driver: apc, address: §10.0.0.9:23, password: { env: PW } }\n`, ["DEVICE_REPEATED"]],
  ["an unknown driver", `${ONE}power: { s: { driver: §acp, address: h } }\n`, ["VALUE_INVALID"], /"apc"/],
  ["no driver", `${ONE}power: { s: { §address: h } }\n`.replace("{ §address", "{ address").replace("{ s:", "{ §s:"), ["KEY_MISSING"]],
  ["a device without a password", `${ONE}power: { §s: { driver: apc, address: h } }\n`, ["KEY_MISSING"]],
  ["a number as password", `${ONE}power: { s: { driver: apc, address: h, password: §1234 } }\n`, ["VALUE_INVALID"]],
  ["a step longer than the action", `${ONE}power: { s: { driver: apc, address: h, password: { env: PW }, timeout: §40s } }\n`, ["TIMEOUT_OVER_DEADLINE"]],
  ["a command as one text", `${ONE}power: { s: { driver: command, on: §relay on, off: [relay] } }\n`, ["VALUE_INVALID"], /\[relay, on\]/],
  ["a secret's file that is not there", `${ONE}power: { s: { driver: apc, address: h, password: §{ file: nowhere } } }\n`, ["SECRET_MISSING"]],
  ["a secret's variable that is not there", `${ONE}power: { s: { driver: apc, address: h, password: §{ env: NOWHERE } } }\n`, ["SECRET_MISSING"]],
  ["an empty secret", `${ONE}power: { s: { driver: apc, address: h, password: §{ env: EMPTY } } }\n`, ["SECRET_INVALID"]],
  ["a secret of two lines", `${ONE}power: { s: { driver: apc, address: h, password: §{ env: LINES } } }\n`, ["SECRET_INVALID"]],
  ["a socket path that is too long", `${ONE}data: §/${"x".repeat(100)}\n`, ["SOCKET_PATH_LONG"], /107/],
  ["a name twice", "hosts:\n  a: { address: h1 }\n  §a: { address: h2 }\n", ["YAML_DUPLICATE"]],
  ["a name in a range and by itself", "hosts:\n  a1: { address: h1 }\n  §\"a[1-2]\": { address: \"{host}\" }\n", ["NAME_TAKEN"], /./],
  ["a hardware address that is none", host("wake: { mac: §00-1b-21 }"), ["ADDRESS_INVALID"], /six pairs/],
  ["the hardware address of a group", host("wake: { mac: §\"01:00:5e:00:00:01\" }"), ["ADDRESS_INVALID"], /ip link/],
  ["an include of a whole tree", `${ONE}include: [§"/**/*.yaml"]\n`, ["VALUE_INVALID"]],
  ["an include that is not there", `${ONE}include: §more.yaml\n`, ["FILE_UNREADABLE"]],
];

const WARNINGS: readonly Case[] = [
  ["no references", "§hosts: { a: { address: h } }\nalerts: { command: [page-me] }\n", ["NO_REFERENCES"]],
  ["references that are empty", `${ONE}watcher:\n  §references: []\nalerts: { command: [page-me] }\n`, ["NO_REFERENCES"]],
  ["only watched hosts as references", `${ONE}watcher: { references: §[10.0.0.1] }\nalerts: { command: [page-me] }\n`, ["REFERENCES_WATCHED"]],
];

const QUIET = "watcher: { name: w, references: [192.0.2.254] }\nalerts: { command: [page-me] }\n";

const QUIET_WARNINGS: readonly Case[] = [
  ["no hosts in hosts", `§hosts: {}\n`, ["NO_HOSTS"]],
  ["a secret in the file", `${host("power: s/1")}power: { s: { driver: apc, address: h, password: §hunter2 } }\n`, ["SECRET_LITERAL"]],
  ["a token in the file", host("probes: [§{ http: { url: \"http://{address}/\", headers: { Authorization: Bearer x } } }]"), ["SECRET_LITERAL"]],
  ["a password that crosses the network in clear", host("probes: [§{ redis: { password: { env: PW } } }]"), ["PASSWORD_IN_CLEAR"]],
  ["the same of ldap", host("probes: [§{ ldap: { bind: cn=x, password: { env: PW } } }]"), ["PASSWORD_IN_CLEAR"]],
  ["a community that crosses the network in clear", host("probes: [§{ snmp: { oid: 1.3.6.1, community: { env: PW } } }]"), ["PASSWORD_IN_CLEAR"]],
  ["a password of a plugin in the file", host("probes: [§{ plugin: { command: [check_x], env: { MY_PASSWORD: x } } }]"), ["SECRET_LITERAL"]],
  ["a plugin that is not there", host("probes: [§{ plugin: { command: [/nonexistent/check_ssh] } }]"), ["COMMAND_MISSING"]],
  ["a password of a probe in the file", host("probes: [§{ redis: { password: sesame, tls: true } }]"), ["SECRET_LITERAL"]],
  ["ping alone", host("probes: §[ping]"), ["PING_ONLY"]],
  ["ping alone, required", host("probes: §[{ ping: { required: true } }]"), ["PING_ONLY"]],
  ["ping alone, from the defaults", `${ONE}defaults: { probes: §[ping] }\n`, ["PING_ONLY"]],
  ["the URL of another host", host("probes: [ssh, §{ http: { url: \"http://10.0.0.2/\" } }]"), ["HTTP_OTHER_HOST"]],
  ["a threshold beyond the ladder", host("retry: [5s], threshold: §4"), ["THRESHOLD_OVER_RETRY"]],
  ["no debounce", `${host("debounce: §0s, power: r/1")}power: { r: { driver: command, on: [x], off: [x], status: [x] } }\n`, ["BRAKE_OFF"]],
  ["no boot", `${host("boot: §0s, power: r/1")}power: { r: { driver: command, on: [x], off: [x], status: [x] } }\n`, ["BRAKE_OFF"]],
  ["no budget", `${host("brakes: { perHost: { within: §0s } }, power: r/1")}power: { r: { driver: command, on: [x], off: [x], status: [x] } }\n`, ["BRAKE_OFF"]],
  ["no grace, no storm, no cool-down", `${ONE}brakes: { startup: §0s, maxUnhealthy: §100%, coolDown: §0s }\n`, ["BRAKE_OFF", "BRAKE_OFF", "BRAKE_OFF"]],
  ["boot shorter than debounce", `${host("boot: §30s, power: r/1")}power: { r: { driver: command, on: [x], off: [x], status: [x] } }\n`, ["BOOT_UNDER_DEBOUNCE"]],
  ["a cut that can never be confirmed", `${host("power: r/1")}power: { §r: { driver: command, on: [x], off: [x] } }\n`, ["OFF_UNCONFIRMABLE"]],
  ["a cut that can never be confirmed, one device a host", `${host("power: r")}power: { §r: { driver: command, on: ["x", "{host}"], off: [x] } }\n`, ["OFF_UNCONFIRMABLE"]],
  ["a device that nobody uses", `${ONE}power: { §r: { driver: command, on: [x], off: [x], status: [x] } }\n`, ["DEVICE_UNUSED"]],
  ["a program that is not there", `${host("power: r/1")}power: { r: { driver: command, on: [§/nowhere/relay, on], off: [§/nowhere/relay], status: [x] } }\n`, ["COMMAND_MISSING", "COMMAND_MISSING"]],
  ["a BMC as the only level", `${host("power: §bmc")}power: { bmc: { driver: ipmi, address: "{host}-bmc", username: u, password: { env: PW } } }\n`, ["BMC_ALONE"], /pdu\/5/],
  ["two BMCs as the only levels", `hosts: { a: { address: h, power: §[b, c] } }\npower: { b: { driver: redfish, url: "https://h-bmc", username: u, password: { env: PW } }, c: { driver: ipmi, address: h-bmc, username: u, password: { env: PW } } }\n`, ["BMC_ALONE"]],
  ["the watcher's own power", `hosts: { §a: { address: 192.0.2.1, power: r/1 } }\npower: { r: { driver: command, on: [x], off: [x], status: [x] } }\n`, ["WATCHER_POWERED"]],
  ["one server of the store", `${ONE}store: { etcd: { endpoints: §[a] } }\n`, ["STORE_FEW"], /whenever it is away/],
  ["an even number of servers", `${ONE}store: { zookeeper: { servers: §[a, b, c, d] } }\n`, ["STORE_FEW"], /4 servers bear the loss of 1/],
  ["a password in the clear", `${ONE}store: { etcd: { endpoints: [a, b, c], user: u, password: §{ env: PW } } }\n`, ["STORE_PLAIN"], /tls: true/],
  ["passwords for the API in the clear", `${ONE}api: { listen: "0.0.0.0:80", tls: §none }\n`, ["API_PLAIN"], /behind a proxy/],
  ["a community in the clear", `${host("power: r/1")}power: { r: { driver: snmp-pdu, address: h, community: §{ env: PW } } }\n`, ["SNMP_PLAIN"], /version: 3/],
  ["most of the store on one host", `hosts: { a: { address: h1, power: r } }\nstore: { etcd: { endpoints: §["h1:1", "H1:2", other] } }\npower: { r: { driver: command, on: [x], off: [x], status: [x] } }\n`, ["STORE_TOGETHER"], /never cut/],
  ["most of the store on one power device", `hosts: { a: { address: h1, power: r/1 }, b: { address: h2, power: r/2 }, c: { address: h3, power: [r/3 + q/1] } }\nstore: { zookeeper: { servers: §[h1, h2, h3] } }\npower: { r: { driver: command, on: [x, "{outlet}"], off: [x, "{outlet}"], status: [x] }, q: { driver: command, on: [x], off: [x], status: [x] } }\n`, ["STORE_TOGETHER"], /2 of 3 servers hang on/],
  ["a host of two groups", `${ONE}groups:\n  g: { hosts: [a] }\n  h: { §hosts: [a] }\n`, ["GROUPS_SEVERAL"]],
];

test("a boot that is shorter than what a watcher has measured is told where it is set, or at the host", async () => {
  const power = "power: { r: { driver: command, on: [x], off: [x, '{outlet}'], status: [x] } }\n";
  const measured = new Map([["a", 400_500], ["b", 400_500], ["c", 100_000], ["watched", 400_500], ["gone", 999_999]]);
  const { text, places } = marked(`${QUIET}hosts:\n  a: { address: h1, power: r/1, boot: §4m }\n  §b: { address: h2, power: r/2 }\n  c: { address: h3, power: r/3 }\n  watched: { address: h4 }\n${power}`);
  const { ok, problems } = await loadText(text, { measured });
  assert.equal(ok, true);
  assert.deepEqual(codesOf(problems, "warning"), places.map((place) => `${place} BOOT_UNDER_MEASURED`));
  assert.match(problems[0]?.message ?? "", /boot of a is 4m, and it has needed 6m41s/);
});

const env = { PW: "secret", EMPTY: "\n", LINES: "a\nb" };

async function check(yaml: string, codes: readonly ProblemCode[], severity: "error" | "warning", hint: RegExp | undefined): Promise<void> {
  const { text, places } = marked(yaml);
  const { ok, problems } = await loadText(text, { env });
  const expected = codes.map((code, index) => `${places[index] ?? places[0] ?? ""} ${code}`);
  assert.deepEqual(codesOf(problems, severity), expected, problems.map(formatProblem).join("\n"));
  assert.equal(ok, severity === "warning", problems.map(formatProblem).join("\n"));
  if (hint !== undefined) assert.ok(problems.some((problem) => problem.severity === severity && hint.test(`${problem.message} ${problem.hint}`)), `no hint ${hint}: ${problems.map(formatProblem).join("\n")}`);
}

for (const [what, yaml, codes, hint] of ERRORS) test(`error, at its place: ${what}`, () => check(yaml, codes, "error", hint));
for (const [what, yaml, codes, hint] of WARNINGS) test(`lint, at its place: ${what}`, () => check(yaml, codes, "warning", hint));
for (const [what, yaml, codes, hint] of QUIET_WARNINGS) test(`lint, at its place: ${what}`, () => check(yaml + QUIET, codes, "warning", hint));

test("no alerts", async () => {
  const { problems } = await loadText(`${ONE}watcher: { references: [192.0.2.254] }\n`);
  assert.deepEqual(codesOf(problems, "warning"), ["1:1 NO_ALERTS"]);
});

test("several watchers, and this one without a name", async () => {
  const { problems } = await loadText(`${ONE}store: { etcd: { endpoints: [a, b, c] } }\nwatcher: { references: [192.0.2.254] }\nalerts: { command: [page-me] }\n`);
  assert.deepEqual(codesOf(problems, "warning"), ["3:1 WATCHER_UNNAMED"]);
});

test("a configuration that nobody will regret has no problems", async () => {
  const { problems } = await loadText(`${host("power: r/1")}power: { r: { driver: command, on: [x], off: [x], status: [x] } }\n${QUIET}`);
  assert.deepEqual(problems, []);
});

test("all mistakes of a file are told at once, in the order of lines", async () => {
  const { text, places } = marked(`site: home
§foo: 1
store: §etcd
defaults:
  every: §5
brakes: { maxUnhealthy: §0.4 }
groups:
  g: { hosts: [a, §nobody], threshold: §zero }
hosts:
  a: { address: §10.0.0.300, probes: [§pong, { ssh: { §prt: 22 } }], power: §suckr/1 }
  b: { address: 10.0.0.2, power: [sucker/1, §sucker/2], timeout: §1 }
  §c: { behind: x }
power:
  sucker: { driver: apc, address: 10.0.0.9, password: §{ env: NOWHERE } }
  s2: { driver: §ippmi }
`);
  const { problems } = await loadText(text);
  assert.deepEqual(codesOf(problems, "error").map((line) => line.split(" ")[0]), places);
});

test("every code is documented, and every error and lint of this page is tried here", () => {
  const tried = new Set([...ERRORS, ...WARNINGS, ...QUIET_WARNINGS].flatMap(([, , codes]) => codes));
  // Told by the tests of source.ts, files, secrets, data-dir, resolve-store, alerts, power/drivers and lint, which need more than one text.
  const elsewhere = ["FILE_TOO_LARGE", "YAML_SYNTAX", "YAML_ALIAS", "INCLUDE_EMPTY", "SECRET_WORLD_READABLE", "BOOT_UNDER_MEASURED", "NO_ALERTS", "CERTIFICATE_INVALID", "CERTIFICATE_EXPIRES", "WATCHER_UNNAMED", "AGENT_OPTION", "AGENT_UNUSABLE", "CERTIFICATE_UNCHECKED", "CHANNEL_UNKNOWN", "GROUP_UNKNOWN", "TEMPLATE_INVALID", "ROUTES_GAP", "CHANNEL_UNUSED", "ALERTS_PLAIN"];
  const all = Object.keys(PROBLEM_CODES) as ProblemCode[];
  assert.deepEqual(all.filter((code) => !tried.has(code) && !elsewhere.includes(code)), []);
  for (const [severity, meaning] of Object.values(PROBLEM_CODES)) assert.ok(meaning.length > 10 && ["error", "warning"].includes(severity));
});

test("a problem is one line that editors can jump to", () => {
  const problem = { file: "upkeep.yaml", line: 3, column: 7, severity: "error", code: "KEY_UNKNOWN", message: "unknown key \"x\"", hint: "did you mean \"y\"?" } as const;
  assert.equal(formatProblem(problem), 'upkeep.yaml:3:7: error KEY_UNKNOWN unknown key "x" (did you mean "y"?)');
  assert.equal(formatProblem({ ...problem, hint: null }), 'upkeep.yaml:3:7: error KEY_UNKNOWN unknown key "x"');
});

test("what stands in a file cannot drive the terminal that shows the problems", async () => {
  const { problems } = await loadText('"\\e[2Jx\\ny": 1\nhosts: { a: { address: "h\\u202e\\n" } }\n');
  assert.ok(problems.length >= 2);
  for (const problem of problems) assert.doesNotMatch(formatProblem(problem), /[\p{Cc}\p{Cf}]/u);
});

test("a flood of problems is cut, and an error is never crowded out by warnings", () => {
  const list = new ProblemList();
  for (let line = 1; line <= 1_000; line += 1) list.add({ file: "f", line, column: 1 }, "BRAKE_OFF", "off");
  list.add({ file: "f", line: 5_000, column: 1 }, "KEY_UNKNOWN", "unknown");
  assert.ok(list.failed);
  const sorted = list.sorted();
  assert.ok(sorted.length <= 202 && sorted.some(({ severity }) => severity === "error"));
  assert.match(sorted.at(-1)?.message ?? "", /800 more problems/);
});
