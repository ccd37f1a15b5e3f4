// Notices of the status page, and what may be asked about them. Texts are bounded and cannot move a terminal's cursor; what
// markup means in them is decided where they are shown (src/api/status-page/markdown.ts).

import { z } from "zod";
import type { NoticeRequest, NoticeUpdateRequest } from "../contract.ts";
import { BY_MAX, NOTICE_SEVERITIES, NOTICE_TEXT_MAX, NOTICE_TITLE_MAX } from "../contract.ts";
import { count, listOf, named, text, time } from "./schema.ts";

/** Control and format characters but the end of a line. */
const UNPRINTABLE = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;
const cleaned = (max: number) => z.string().max(max).transform((value) => value.replaceAll("\r\n", "\n").replace(UNPRINTABLE, "?").trim()).refine((value) => value !== "", "must not be empty");
const line = (max: number) => cleaned(max).refine((value) => !value.includes("\n"), "one line");
const severity = z.enum(NOTICE_SEVERITIES);
const by = line(BY_MAX);

export const noticeRequest = z.strictObject({ title: line(NOTICE_TITLE_MAX), text: cleaned(NOTICE_TEXT_MAX), severity, components: z.array(line(100)).max(50), by: by.optional() });
export const noticeUpdateRequest = z.strictObject({ text: cleaned(NOTICE_TEXT_MAX).optional(), severity: severity.optional(), end: z.boolean().optional(), by: by.optional() });

export const noticeReport = named("Notice", "What people tell the public, with its updates.", z.strictObject({
  id: count(),
  title: text(),
  severity,
  components: listOf(text()),
  by: text().describe("Who wrote it; not shown to the public."),
  began: time(),
  ended: time().nullable(),
  updates: listOf(z.strictObject({ at: time(), by: text(), text: text().describe("A subset of Markdown: paragraphs, lists, **bold**, *emphasis*, `code`, [links](https://…).") })).describe("The first is what it began with."),
}));

export const noticeRemoved = z.strictObject({ removed: count() });
export const statusPageFiles = z.strictObject({ files: z.record(z.string(), z.string()).describe("Names and contents: HTML and CSS, no script.") });

type Parsed<Value> = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: string };

export const parseNotice = (body: unknown): Parsed<NoticeRequest> => parse(noticeRequest, body);
export const parseNoticeUpdate = (body: unknown): Parsed<NoticeUpdateRequest> => parse(noticeUpdateRequest, body);

function parse<Value>(schema: z.ZodType<Value>, body: unknown): Parsed<Value> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, error: `not a notice: ${parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join(".") || "the request"}: ${issue.message}`).join("; ")}` };
}
