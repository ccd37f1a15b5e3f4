// What is known of each family of switched PDUs that speak SNMP: one row of facts a family, and nothing else. Numbers and
// object ids are from the vendors' public MIBs, named in each row; they were compared with a second source where there is one.
//
// `off` and `on` are the immediate commands. Reboot, delayed and group commands stand in the same MIBs and in none of these
// rows, so nothing can send them. Where a device tells a command that is still under way, its state is not believed meanwhile.

export type SnmpModelName = "apc-masterswitch" | "apc-rpdu" | "apc-rpdu2" | "raritan" | "eaton" | "cyberpower" | "tripp-lite" | "sentry-3" | "sentry-4";

export type SnmpModel = {
  readonly devices: string;
  readonly mib: string;
  /** The column with the outlet's state, and the numbers in it. Every other number is unknown. */
  readonly state: { readonly oid: string; readonly on: number; readonly off: number };
  readonly control: Readonly<Record<"on" | "off", { readonly oid: string; readonly value: number }>>;
  /** The column with the name that somebody gave the outlet. */
  readonly label: string;
  /** A column that holds `value` while a command has not taken effect. */
  readonly pending: { readonly oid: string; readonly value: number } | null;
  /** What an outlet gives; absent: the tables do not tell, or nobody has compared them. */
  readonly meter?: SnmpMeter;
  /** What goes before a plain number to make a row of the table: the unit, and the cord where the table has it. */
  readonly unit: string;
  /** sysObjectID of devices that certainly have these tables; empty: they cannot be told by it. */
  readonly sysObjectIds: readonly string[];
  readonly testedOn: readonly string[];
};

/** Where a table tells the power that an outlet gives, and what has to hold in it for that to be believed. */
export type SnmpMeter = {
  /** The column in watts; `row` goes behind the outlet's own row, where the table has a row a quantity. */
  readonly oid: string;
  readonly row: string;
  /** The column that says how many of its digits are decimals; null: none. */
  readonly decimals: string | null;
  /** Columns of the same row that have to hold this. */
  readonly certain: readonly { readonly oid: string; readonly value: number }[];
  /** Columns that name the outlet here and in the table that it is switched by, in pairs: they have to agree. */
  readonly same: readonly (readonly [string, string])[];
};

const WATTS = { row: "", decimals: null, certain: [], same: [] } as const;

const APC = "1.3.6.1.4.1.318.1.1";
const EATON = "1.3.6.1.4.1.534.6.6.7.6";
const VIRTUAL = "the virtual PDU of this repository behind net-snmp's snmpd 5.9";

export const SNMP_MODELS: Readonly<Record<SnmpModelName, SnmpModel>> = {
  "apc-masterswitch": {
    devices: "APC MasterSwitch (AP9210 to AP9212)",
    mib: "PowerNet-MIB: sPDUOutletCtl, sPDUOutletName",
    state: { oid: `${APC}.4.4.2.1.3`, on: 1, off: 2 },
    control: { on: { oid: `${APC}.4.4.2.1.3`, value: 1 }, off: { oid: `${APC}.4.4.2.1.3`, value: 2 } },
    label: `${APC}.4.4.2.1.4`,
    pending: null,
    unit: "",
    // MasterSwitch and MasterSwitch Plus are told apart differently by different sources, and their tables differ.
    sysObjectIds: [],
    testedOn: [`${VIRTUAL} (accepted by fence_apc_snmp 4.12.1)`],
  },
  "apc-rpdu": {
    devices: "APC switched rack PDUs with firmware 2 and 3 (AP79xx)",
    mib: "PowerNet-MIB: rPDUOutletStatusTable, rPDUOutletControlTable",
    state: { oid: `${APC}.12.3.5.1.1.4`, on: 1, off: 2 },
    control: { on: { oid: `${APC}.12.3.3.1.1.4`, value: 1 }, off: { oid: `${APC}.12.3.3.1.1.4`, value: 2 } },
    label: `${APC}.12.3.5.1.1.2`,
    pending: { oid: `${APC}.12.3.5.1.1.5`, value: 1 },
    unit: "",
    sysObjectIds: ["1.3.6.1.4.1.318.1.3.4.5"],
    testedOn: [`${VIRTUAL} (accepted by fence_apc_snmp 4.12.1)`],
  },
  "apc-rpdu2": {
    devices: "APC switched rack PDUs with firmware 5 and later (AP8xxx, and AP79xxB)",
    mib: "PowerNet-MIB: rPDU2OutletSwitchedStatusTable, rPDU2OutletSwitchedControlTable",
    // A state counts off, on from 1; a command counts on, off.
    state: { oid: `${APC}.26.9.2.3.1.5`, on: 2, off: 1 },
    control: { on: { oid: `${APC}.26.9.2.4.1.5`, value: 1 }, off: { oid: `${APC}.26.9.2.4.1.5`, value: 2 } },
    label: `${APC}.26.9.2.3.1.3`,
    pending: { oid: `${APC}.26.9.2.3.1.6`, value: 1 },
    // rPDU2OutletMeteredStatusTable has rows of its own, and only for outlets that are metered: module and number have to be the
    // same there. Its state column always says on, and −1 stands for what is not measured.
    meter: { ...WATTS, oid: `${APC}.26.9.4.3.1.7`, same: [[`${APC}.26.9.4.3.1.2`, `${APC}.26.9.2.3.1.2`], [`${APC}.26.9.4.3.1.4`, `${APC}.26.9.2.3.1.4`]] },
    unit: "",
    sysObjectIds: ["1.3.6.1.4.1.318.1.3.4.6"],
    testedOn: [`${VIRTUAL} (no third-party client here knows these tables)`],
  },
  raritan: {
    devices: "Raritan PX2 and PX3, and Server Technology PRO3X with the same firmware",
    mib: "PDU2-MIB: outletSwitchControlTable, outletConfigurationTable",
    // SensorStateEnumeration: on(7), off(8).
    state: { oid: "1.3.6.1.4.1.13742.6.4.1.2.1.3", on: 7, off: 8 },
    control: { on: { oid: "1.3.6.1.4.1.13742.6.4.1.2.1.2", value: 1 }, off: { oid: "1.3.6.1.4.1.13742.6.4.1.2.1.2", value: 0 } },
    label: "1.3.6.1.4.1.13742.6.3.5.3.1.3",
    pending: null,
    // measurementsOutletSensorTable has a row a quantity, activePower(5); it is true(1) that it is available, and its unit watt(3).
    meter: {
      oid: "1.3.6.1.4.1.13742.6.5.4.3.1.4", row: ".5", decimals: "1.3.6.1.4.1.13742.6.3.5.4.1.7", same: [],
      certain: [{ oid: "1.3.6.1.4.1.13742.6.5.4.3.1.2", value: 1 }, { oid: "1.3.6.1.4.1.13742.6.3.5.4.1.6", value: 3 }],
    },
    unit: "1.",
    sysObjectIds: ["1.3.6.1.4.1.13742.6"],
    testedOn: [],
  },
  eaton: {
    devices: "Eaton ePDU G3 and later, managed and switched",
    mib: "EATON-EPDU-MIB: outletControlTable, outletTable",
    // off(0), on(1), pendingOff(2), pendingOn(3).
    state: { oid: `${EATON}.6.1.2`, on: 1, off: 0 },
    // A command is the number of seconds to wait.
    control: { on: { oid: `${EATON}.6.1.4`, value: 0 }, off: { oid: `${EATON}.6.1.3`, value: 0 } },
    label: `${EATON}.1.1.3`,
    pending: null,
    // outletWatts; −1 where it is not measured.
    meter: { ...WATTS, oid: `${EATON}.5.1.3` },
    unit: "0.",
    sysObjectIds: ["1.3.6.1.4.1.534.6.6.7"],
    testedOn: [],
  },
  cyberpower: {
    devices: "CyberPower switched PDUs (PDU15SW, PDU20SW, PDU30SW and their relatives)",
    mib: "CPS-MIB: ePDUOutletStatusTable, ePDUOutletControlTable",
    state: { oid: "1.3.6.1.4.1.3808.1.1.3.3.5.1.1.4", on: 1, off: 2 },
    control: { on: { oid: "1.3.6.1.4.1.3808.1.1.3.3.3.1.1.4", value: 1 }, off: { oid: "1.3.6.1.4.1.3808.1.1.3.3.3.1.1.4", value: 2 } },
    label: "1.3.6.1.4.1.3808.1.1.3.3.5.1.1.2",
    pending: null,
    unit: "",
    sysObjectIds: [],
    testedOn: [],
  },
  "tripp-lite": {
    devices: "Tripp Lite PDUs with a WEBCARDLX or a card like it",
    mib: "TRIPPLITE-PRODUCTS: tlpPduOutletTable",
    state: { oid: "1.3.6.1.4.1.850.1.1.3.2.3.3.1.1.4", on: 2, off: 1 },
    control: { on: { oid: "1.3.6.1.4.1.850.1.1.3.2.3.3.1.1.6", value: 2 }, off: { oid: "1.3.6.1.4.1.850.1.1.3.2.3.3.1.1.6", value: 1 } },
    label: "1.3.6.1.4.1.850.1.1.3.2.3.3.1.1.2",
    pending: null,
    unit: "1.",
    sysObjectIds: [],
    testedOn: [`${VIRTUAL} (accepted by fence_tripplite_snmp 4.12.1)`],
  },
  "sentry-3": {
    devices: "Server Technology Sentry Switched CDU (firmware 6 and 7)",
    mib: "Sentry3-MIB: outletTable",
    // off(0), on(1), offWait(2), onWait(3), and what went wrong.
    state: { oid: "1.3.6.1.4.1.1718.3.2.3.1.5", on: 1, off: 0 },
    control: { on: { oid: "1.3.6.1.4.1.1718.3.2.3.1.11", value: 1 }, off: { oid: "1.3.6.1.4.1.1718.3.2.3.1.11", value: 2 } },
    label: "1.3.6.1.4.1.1718.3.2.3.1.3",
    pending: null,
    // outletPower; negative where it is not measured.
    meter: { ...WATTS, oid: "1.3.6.1.4.1.1718.3.2.3.1.14" },
    unit: "1.1.",
    sysObjectIds: ["1.3.6.1.4.1.1718.3"],
    testedOn: [],
  },
  "sentry-4": {
    devices: "Server Technology PRO1 and PRO2 (firmware 8)",
    mib: "Sentry4-MIB: st4OutletMonitorTable, st4OutletControlTable, st4OutletConfigTable",
    // DeviceState: unknown(0), on(1), off(2).
    state: { oid: "1.3.6.1.4.1.1718.4.1.8.3.1.1", on: 1, off: 2 },
    control: { on: { oid: "1.3.6.1.4.1.1718.4.1.8.5.1.2", value: 1 }, off: { oid: "1.3.6.1.4.1.1718.4.1.8.5.1.2", value: 2 } },
    label: "1.3.6.1.4.1.1718.4.1.8.2.1.3",
    pending: null,
    // st4OutletActivePower; negative where it is not measured.
    meter: { ...WATTS, oid: "1.3.6.1.4.1.1718.4.1.8.3.1.9" },
    unit: "1.1.",
    sysObjectIds: ["1.3.6.1.4.1.1718.4"],
    testedOn: [],
  },
};

export const SNMP_MODEL_NAMES = Object.keys(SNMP_MODELS) as readonly SnmpModelName[];

/** The one model of devices with this sysObjectID; null when it is not certain. */
export function modelOf(sysObjectId: string): SnmpModelName | null {
  const matching = SNMP_MODEL_NAMES.filter((name) => SNMP_MODELS[name].sysObjectIds.includes(sysObjectId));
  return matching.length === 1 ? (matching[0] as SnmpModelName) : null;
}

const ROW = /^[0-9]{1,5}(\.[0-9]{1,5}){0,3}$/;

/**
 * The row of an outlet that is written as a number: `5` in the first unit, or `2.1.5` with the unit (and cord) where the
 * table has them. Null: it is a name. A string: why it is no row.
 */
export function rowOf(model: SnmpModel, outlet: string): { readonly row: string } | string | null {
  if (!ROW.test(outlet)) return null;
  const parts = model.unit.split(".").length;
  const given = outlet.split(".");
  if (given.length === 1) return { row: model.unit + outlet };
  if (given.length !== parts) return null;
  return outlet.startsWith(model.unit) ? `write ${given.at(-1)}: one outlet, one way to write it` : { row: outlet };
}
