/** The report of a run: which module, which kit, which checks. `kleidi inspect --report` shows it beside the module. */
import { createHash } from "node:crypto";
import * as z from "zod";
import { ABI } from "../host-call.ts";
import { caseBytes } from "./case-file.ts";
import type { Result } from "./check.ts";

const COUNT = z.int().min(0);
const REPORT = z.object({
  /** The version of this form. */
  conformance: z.literal(1),
  kit: z.object({ version: z.string().max(64), cases: z.string().regex(/^[0-9a-f]{64}$/) }),
  abi: z.int(),
  module: z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: COUNT }),
  /** UTC, in the form of RFC 3339. */
  finished: z.iso.datetime(),
  levels: z.array(z.int().min(0).max(4)),
  /** True if the KMS was a real one. */
  live: z.boolean(),
  ok: z.boolean(),
  pass: COUNT,
  fail: COUNT,
  warn: COUNT,
  skip: COUNT,
  results: z.array(
    z.object({
      name: z.string().max(128),
      level: z.int(),
      section: z.string().max(16),
      result: z.enum(["pass", "fail", "warn", "skip"]),
      text: z.array(z.string()),
      ms: z.number(),
    }),
  ),
});

export type ConformanceReport = z.infer<typeof REPORT>;

export interface ReportInput {
  /** The version of kleidi. */
  readonly version: string;
  readonly sha256: string;
  readonly size: number;
  readonly levels: readonly number[];
  readonly live: boolean;
  readonly results: readonly Result[];
}

/** @returns the report; `ok` if every check of the wanted levels ran and none failed */
export function reportOf({ version, sha256, size, levels, live, results }: ReportInput): ConformanceReport {
  const count = (result: Result["result"]) => results.filter((each) => each.result === result).length;
  const fail = count("fail");
  return {
    conformance: 1,
    kit: { version, cases: createHash("sha256").update(caseBytes()).digest("hex") },
    abi: ABI,
    module: { sha256, size },
    finished: new Date().toISOString(),
    levels: [...levels],
    live,
    ok: fail === 0,
    pass: count("pass"),
    fail,
    warn: count("warn"),
    skip: count("skip"),
    results: results.map((each) => ({ ...each, text: [...each.text] })),
  };
}

/** @throws Error if the text is not a report */
export function parseReport(text: string): ConformanceReport {
  const parsed = REPORT.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${issue?.path.join(".") || "the document"}: ${issue?.message}`);
}
