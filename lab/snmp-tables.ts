// How each family of SNMP PDUs lays its outlets out, read from the vendors' MIBs for the virtual device alone: the driver has
// a reading of its own (two readings of a protocol, not one bug twice). A column is an object id; the row follows it.

/** What stands in one column for one outlet. */
export type Column =
  | { readonly oid: string; readonly holds: "name" | "pending" }
  /** What the outlet gives, in steps of so many watts; `row`: behind the outlet's own row. */
  | { readonly oid: string; readonly holds: "power"; readonly step: number; readonly row?: string }
  /** The outlet's own number, or the same number for all. */
  | { readonly oid: string; readonly holds: "number" }
  | { readonly oid: string; readonly holds: "constant"; readonly value: number; readonly row?: string }
  /** The numbers that say on and off, and what writing a number means. */
  | { readonly oid: string; readonly holds: "state"; readonly on: number; readonly off: number; readonly write?: Readonly<Record<number, Order>> }
  /** Reads as a constant, where the MIB says so. */
  | { readonly oid: string; readonly holds: "control"; readonly reads: number; readonly write: Readonly<Record<number, Order>> };

export type Order = "on" | "off" | "reboot" | "delayed-on" | "delayed-off" | "delayed-reboot" | "cancel";

export type SnmpTable = { readonly sysObjectId: string; /** Before the outlet's number. */ readonly row: string; readonly columns: readonly Column[] };

const APC = "1.3.6.1.4.1.318.1.1";
const APC_OLD = { 1: "on", 2: "off", 3: "reboot", 4: "delayed-on", 5: "delayed-off", 6: "delayed-reboot", 7: "cancel" } as const;
const APC_NEW = { 1: "on", 2: "off", 3: "reboot", 5: "delayed-on", 6: "delayed-off", 7: "delayed-reboot", 8: "cancel" } as const;
const SENTRY = { 1: "on", 2: "off", 3: "reboot" } as const;

export const SNMP_TABLES = {
  // PowerNet-MIB: sPDUOutletCtl, sPDUOutletName.
  "apc-masterswitch": { sysObjectId: "1.3.6.1.4.1.318.1.3.4.1", row: "", columns: [
    { oid: `${APC}.4.4.2.1.3`, holds: "state", on: 1, off: 2, write: APC_NEW },
    { oid: `${APC}.4.4.2.1.4`, holds: "name" },
  ] },
  // PowerNet-MIB: rPDUOutletControlTable, rPDUOutletStatusTable.
  "apc-rpdu": { sysObjectId: "1.3.6.1.4.1.318.1.3.4.5", row: "", columns: [
    { oid: `${APC}.12.3.3.1.1.4`, holds: "state", on: 1, off: 2, write: APC_OLD },
    { oid: `${APC}.12.3.5.1.1.2`, holds: "name" },
    { oid: `${APC}.12.3.5.1.1.4`, holds: "state", on: 1, off: 2 },
    { oid: `${APC}.12.3.5.1.1.5`, holds: "pending" },
  ] },
  // PowerNet-MIB: rPDU2OutletSwitchedStatusTable, rPDU2OutletSwitchedControlTable. Status and command count the other way round.
  "apc-rpdu2": { sysObjectId: "1.3.6.1.4.1.318.1.3.4.6", row: "", columns: [
    { oid: `${APC}.26.9.2.3.1.2`, holds: "constant", value: 1 },
    { oid: `${APC}.26.9.2.3.1.3`, holds: "name" },
    { oid: `${APC}.26.9.2.3.1.4`, holds: "number" },
    { oid: `${APC}.26.9.2.3.1.5`, holds: "state", on: 2, off: 1 },
    { oid: `${APC}.26.9.2.3.1.6`, holds: "pending" },
    { oid: `${APC}.26.9.2.4.1.5`, holds: "state", on: 1, off: 2, write: APC_NEW },
    // rPDU2OutletMeteredStatusTable: module, number, power.
    { oid: `${APC}.26.9.4.3.1.2`, holds: "constant", value: 1 },
    { oid: `${APC}.26.9.4.3.1.4`, holds: "number" },
    { oid: `${APC}.26.9.4.3.1.7`, holds: "power", step: 1 },
  ] },
  // PDU2-MIB: outletConfigurationTable, outletSwitchControlTable.
  raritan: { sysObjectId: "1.3.6.1.4.1.13742.6", row: "1.", columns: [
    { oid: "1.3.6.1.4.1.13742.6.3.5.3.1.3", holds: "name" },
    { oid: "1.3.6.1.4.1.13742.6.4.1.2.1.2", holds: "state", on: 1, off: 0, write: { 0: "off", 1: "on", 2: "reboot" } },
    { oid: "1.3.6.1.4.1.13742.6.4.1.2.1.3", holds: "state", on: 7, off: 8 },
    // outletSensorConfigurationTable and measurementsOutletSensorTable, activePower(5): unit, decimals, available, value.
    { oid: "1.3.6.1.4.1.13742.6.3.5.4.1.6", holds: "constant", value: 3, row: ".5" },
    { oid: "1.3.6.1.4.1.13742.6.3.5.4.1.7", holds: "constant", value: 1, row: ".5" },
    { oid: "1.3.6.1.4.1.13742.6.5.4.3.1.2", holds: "constant", value: 1, row: ".5" },
    { oid: "1.3.6.1.4.1.13742.6.5.4.3.1.4", holds: "power", step: 0.1, row: ".5" },
  ] },
  // EATON-EPDU-MIB: outletTable, outletControlTable. A command is the delay in seconds; −1 means that none is pending.
  eaton: { sysObjectId: "1.3.6.1.4.1.534.6.6.7", row: "0.", columns: [
    { oid: "1.3.6.1.4.1.534.6.6.7.6.1.1.3", holds: "name" },
    { oid: "1.3.6.1.4.1.534.6.6.7.6.5.1.3", holds: "power", step: 1 },
    { oid: "1.3.6.1.4.1.534.6.6.7.6.6.1.2", holds: "state", on: 1, off: 0 },
    { oid: "1.3.6.1.4.1.534.6.6.7.6.6.1.3", holds: "control", reads: -1, write: { 0: "off", 1: "delayed-off" } },
    { oid: "1.3.6.1.4.1.534.6.6.7.6.6.1.4", holds: "control", reads: -1, write: { 0: "on", 1: "delayed-on" } },
    { oid: "1.3.6.1.4.1.534.6.6.7.6.6.1.5", holds: "control", reads: -1, write: { 0: "reboot" } },
  ] },
  // CPS-MIB: ePDUOutletControlTable, ePDUOutletStatusTable.
  cyberpower: { sysObjectId: "1.3.6.1.4.1.3808.1.1.3", row: "", columns: [
    { oid: "1.3.6.1.4.1.3808.1.1.3.3.3.1.1.4", holds: "state", on: 1, off: 2, write: APC_OLD },
    { oid: "1.3.6.1.4.1.3808.1.1.3.3.5.1.1.2", holds: "name" },
    { oid: "1.3.6.1.4.1.3808.1.1.3.3.5.1.1.4", holds: "state", on: 1, off: 2 },
  ] },
  // TRIPPLITE-PRODUCTS: tlpPduOutletTable.
  "tripp-lite": { sysObjectId: "1.3.6.1.4.1.850.1.1.1", row: "1.", columns: [
    { oid: "1.3.6.1.4.1.850.1.1.3.2.3.3.1.1.2", holds: "name" },
    { oid: "1.3.6.1.4.1.850.1.1.3.2.3.3.1.1.4", holds: "state", on: 2, off: 1 },
    { oid: "1.3.6.1.4.1.850.1.1.3.2.3.3.1.1.6", holds: "control", reads: 0, write: { 1: "off", 2: "on", 3: "reboot" } },
  ] },
  // Sentry3-MIB: outletTable, by tower, infeed and outlet.
  "sentry-3": { sysObjectId: "1.3.6.1.4.1.1718.3", row: "1.1.", columns: [
    { oid: "1.3.6.1.4.1.1718.3.2.3.1.3", holds: "name" },
    { oid: "1.3.6.1.4.1.1718.3.2.3.1.5", holds: "state", on: 1, off: 0 },
    { oid: "1.3.6.1.4.1.1718.3.2.3.1.11", holds: "control", reads: 0, write: SENTRY },
    { oid: "1.3.6.1.4.1.1718.3.2.3.1.14", holds: "power", step: 1 },
  ] },
  // Sentry4-MIB: st4OutletConfigTable, st4OutletMonitorTable, st4OutletControlTable, by unit, cord and outlet.
  "sentry-4": { sysObjectId: "1.3.6.1.4.1.1718.4", row: "1.1.", columns: [
    { oid: "1.3.6.1.4.1.1718.4.1.8.2.1.3", holds: "name" },
    { oid: "1.3.6.1.4.1.1718.4.1.8.3.1.1", holds: "state", on: 1, off: 2 },
    { oid: "1.3.6.1.4.1.1718.4.1.8.3.1.9", holds: "power", step: 1 },
    { oid: "1.3.6.1.4.1.1718.4.1.8.5.1.2", holds: "control", reads: 0, write: SENTRY },
  ] },
} as const satisfies Record<string, SnmpTable>;

export type SnmpTableName = keyof typeof SNMP_TABLES;
