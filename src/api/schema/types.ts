// The types of the contract and the schemas say the same, both ways: whoever adds a field to one alone cannot compile. Nothing
// of this exists when the program runs.

import type { z } from "zod";
import type { AlertTest, AlertTestRequest, AlertsReport, Answer, AuditLine, AvailabilityReport, EventLine, Failure, Health, HostReport, IncidentReport, NoticeReport, StatusPageFiles, RecordAnswer, ReloadAnswer, ResultLine, RollupLine, Session, SetUp, SetUpLink, StatusReport, TokenReport, UserChanged, UserReport, WhyReport } from "../contract.ts";
import type { LiveEvents } from "../live.ts";
import type { auditLine, session, setUp, setUpLink, tokenReport, userChanged, userReport } from "./access.ts";
import type { availabilityReport } from "./availability.ts";
import type { alertTest, alertTestRequest, alertsReport, answer, failure, recordAnswer, reloadAnswer } from "./commands.ts";
import type { liveEvents } from "./live.ts";
import type { noticeReport, statusPageFiles } from "./notices.ts";
import type { eventLine, incidentReport, resultLine, rollupLine, whyReport } from "./past.ts";
import type { health, hostReport, statusReport } from "./status.ts";

/** Without `readonly`, and intersections as one, so that only names, kinds and options are compared. */
type Plain<Type> = Type extends readonly (infer Item)[] ? Plain<Item>[] : Type extends object ? { -readonly [Key in keyof Type]: Plain<Type[Key]> } : Type;
type Equal<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
type Same<Schema extends z.ZodType, Type> = Equal<Plain<z.infer<Schema>>, Plain<Type>>;
type All<Checks extends readonly true[]> = Checks;

export type Checked = All<[
  Same<typeof statusReport, StatusReport>,
  Same<typeof hostReport, HostReport>,
  Same<typeof health, Health>,
  Same<typeof eventLine, EventLine>,
  Same<typeof incidentReport, IncidentReport>,
  Same<typeof whyReport, WhyReport>,
  Same<typeof resultLine, ResultLine>,
  Same<typeof rollupLine, RollupLine>,
  Same<typeof availabilityReport, AvailabilityReport>,
  Same<typeof noticeReport, NoticeReport>,
  Same<typeof statusPageFiles, StatusPageFiles>,
  Same<typeof answer, Answer>,
  Same<typeof reloadAnswer, ReloadAnswer>,
  Same<typeof recordAnswer, RecordAnswer>,
  Same<typeof alertsReport, AlertsReport>,
  Same<typeof alertTestRequest, AlertTestRequest>,
  Same<typeof alertTest, AlertTest>,
  Same<typeof failure, Failure>,
  Same<typeof session, Session>,
  Same<typeof setUp, SetUp>,
  Same<typeof userReport, UserReport>,
  Same<typeof tokenReport, TokenReport>,
  Same<typeof auditLine, AuditLine>,
  Same<typeof setUpLink, SetUpLink>,
  Same<typeof userChanged, UserChanged>,
  Same<typeof liveEvents.snapshot, LiveEvents["snapshot"]>,
  Same<typeof liveEvents.delta, LiveEvents["delta"]>,
  Same<typeof liveEvents.cells, LiveEvents["cells"]>,
  Same<typeof liveEvents.lines, LiveEvents["lines"]>,
  Same<typeof liveEvents.tick, LiveEvents["tick"]>,
]>;
