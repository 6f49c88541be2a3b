/**
 * The fixture of a module under test, kms.fixture.json: its key and settings, and the answers of its KMS. One parse reports every fault
 * with its place.
 */
import * as z from "zod";
import { ConfigError } from "../config/config-error.ts";
import { Document } from "../config/document.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import type { Fault } from "../schema/fault.ts";
import { pathText } from "../schema/text.ts";
import { type Json, namesIn } from "./pattern.ts";

/** The name of the file beside a module, or beside its sources. */
export const FIXTURE = "kms.fixture.json";
const LARGEST = 256 << 10;

const NAME = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, "a name of 1 to 64 letters, digits, dots, _ and -");
const SETTINGS = z.record(
  z.string().regex(/^[a-zA-Z][a-zA-Z0-9]{0,31}$/, "1 to 32 letters and digits, the first a letter"),
  z.string().regex(/^[\x20-\x7e]{1,256}$/, "1 to 256 printable ASCII characters"),
);
const JSON_VALUE: z.ZodType<Json> = z.json();
const HEADERS = z.record(z.string().regex(/^[a-z0-9-]+$/, "a header's name in lower case"), z.string());

const ANSWER = z.strictObject({
  status: z.int().min(200).max(599).default(200),
  headers: HEADERS.default({ "content-type": "application/json" }),
  json: JSON_VALUE.optional(),
  text: z.string().optional(),
});

const RULE = z.strictObject({
  method: z.enum(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]),
  path: z.string().regex(/^\//, 'a path from "/"'),
  headers: HEADERS.optional(),
  /** A pattern of the request's body. */
  json: JSON_VALUE.optional(),
  text: z.string().optional(),
  /** The values that a capture may have; with another one the rule gives `otherwise`. */
  when: z.record(z.string(), z.array(z.string()).min(1)).optional(),
  /** The name of a capture of the answer: the kit makes a new token and remembers the request under it. */
  stores: z.string().optional(),
  /** The name of a capture of the request: a token that a rule made. What both requests name must be the same, else `otherwise`. */
  finds: z.string().optional(),
  answer: ANSWER,
  otherwise: ANSWER.optional(),
});

const KEY = z.strictObject({ key: NAME.default("kek"), settings: SETTINGS.default({}) });

const SCHEMA = z.strictObject({
  fixture: z.literal(1),
  ...KEY.shape,
  /** Keys that are other ones in the KMS: the settings or the name lead elsewhere. */
  others: z.array(KEY).max(8).default([]),
  /** False: the KMS cannot bind associated data. */
  binds: z.boolean().default(true),
  keystore: z
    .strictObject({ keys: z.array(NAME).default([]), passphrases: z.array(NAME).default([]) })
    .optional(),
  state: z.record(NAME, z.string().min(1)).optional(),
  net: z
    .strictObject({
      rules: z.array(RULE).min(1).max(64),
      otherwise: ANSWER,
      /** The JSON body that this KMS sends with an error status; by default an object without a known member. */
      refusals: z
        .record(z.string().regex(/^[45][0-9]{2}$/, "a status from 400 to 599"), JSON_VALUE)
        .default({}),
    })
    .optional(),
});

export type Fixture = z.infer<typeof SCHEMA>;
export type FixtureNet = NonNullable<Fixture["net"]>;
export type FixtureRule = FixtureNet["rules"][number];
export type FixtureAnswer = z.infer<typeof ANSWER>;
export type FixtureKey = z.infer<typeof KEY>;

/**
 * Reads and parses a fixture.
 * @throws FixtureError with every fault and its place
 */
export function loadFixture(path: string): Fixture {
  const bytes = readRegular(path, LARGEST);
  if (bytes instanceof FileFault) throw new FixtureError(`Cannot read the fixture ${path}: it ${bytes.text}`);
  return parseFixture(bytes.toString("utf8"), path);
}

/** The fixture cannot be used. A fault of its author, so that the command exits with 2. */
export class FixtureError extends Error {}

/** @param path for messages @throws FixtureError with every fault and its place */
export function parseFixture(text: string, path: string): Fixture {
  const document = new Document(text);
  const parsed = SCHEMA.safeParse(document.value);
  const faults =
    document.faults.length > 0 ? document.faults : issuesOf(parsed.error?.issues ?? [], document);
  if (parsed.success) faults.push(...ruleFaults(parsed.data, document));
  if (parsed.success && faults.length === 0) return parsed.data;
  throw new FixtureError(describe(path, faults));
}

function describe(path: string, faults: readonly Fault[]): string {
  // the same form as for the configuration
  const [, ...lines] = new ConfigError(path, faults).message.split("\n");
  return [
    `Cannot use the fixture ${path}: ${faults.length} fault${faults.length === 1 ? "" : "s"}`,
    ...lines,
  ].join("\n");
}

type Step = string | number;

function issuesOf(issues: readonly z.core.$ZodIssue[], document: Document): Fault[] {
  return issues.flatMap((issue) => {
    const path = issue.path as Step[];
    if (issue.code !== "unrecognized_keys")
      return [document.fault(path, { expected: expectedOf(issue), remedy: "correct it" })];
    return issue.keys.map((key) =>
      document.fault(
        [...path, key],
        { expected: "a known member", remedy: "remove it, or correct its name" },
        "key",
      ),
    );
  });
}

function expectedOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_key") return `a name: ${issue.issues[0]?.message ?? "text"}`;
  const [, expected] = /expected (.*?)(, received .*)?$/.exec(issue.message) ?? [];
  return expected ?? issue.message;
}

/** What the schema alone does not see: tokens and captures that nothing makes. */
function ruleFaults({ net }: Fixture, document: Document): Fault[] {
  if (net === undefined) return [];
  return net.rules.flatMap((rule, index) => {
    const at = ["net", "rules", index] as const;
    const asked = new Set(namesIn([rule.path, rule.json ?? null, rule.text ?? null, rule.headers ?? null]));
    const given = new Set([...asked, ...(rule.stores === undefined ? [] : [rule.stores])]);
    const add = (path: readonly Step[], expected: string) =>
      document.fault([...at, ...path], { expected, remedy: "correct the name, or add it to the request" });
    return [
      ...(rule.finds !== undefined && !asked.has(rule.finds)
        ? [add(["finds"], `the name of a capture of the request (${[...asked].join(", ") || "it has none"})`)]
        : []),
      ...Object.keys(rule.when ?? {}).flatMap((name) =>
        asked.has(name) ? [] : [add(["when", name], `the name of a capture of the request`)],
      ),
      // a rule that finds a token gives what the rule that made it captured
      ...(rule.finds !== undefined
        ? []
        : namesIn([rule.answer.json ?? null, rule.answer.text ?? null]).flatMap((name) =>
            given.has(name) ? [] : [add(["answer"], `captures of the request, and not ${pathText([name])}`)],
          )),
    ];
  });
}

/** For a module that needs nothing of a KMS, and for one that is refused. */
export const NO_FIXTURE: Fixture = SCHEMA.parse({ fixture: 1 });
