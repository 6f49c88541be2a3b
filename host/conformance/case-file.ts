/** The cases of proto/provider/v1/conformance/: data that any kit in any language can read. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { TESTED } from "./outcome.ts";

const FOLDER = join(import.meta.dirname, "../../proto/provider/v1/conformance");
const FILES = ["messages.json", "host.json"];
const HEX = z.string().regex(/^([0-9a-f]{2})*$/);

/** Changes to the encoding of the good request of an RPC. */
const REQUEST = z.strictObject({
  /** The fields in the opposite order; elements of a list keep theirs. */
  order: z.literal("reversed").optional(),
  /** Each length in five bytes. */
  lengths: z.literal("long").optional(),
  /** Before each field that is no list: the same field with another value, which the later one replaces. */
  earlier: z.boolean().optional(),
  /** Bytes before the message, between each two fields, and after them, in one variant each. */
  insert: HEX.optional(),
  /** Bytes after the message. */
  append: HEX.optional(),
  /** How often `insert` is repeated. */
  times: z.int().default(1),
  /** Adds an unknown LEN field, so that the message has this size in bytes. */
  fillTo: z.int().optional(),
});

/** The answer that replaces the host's at one host call. */
const HOST = z.strictObject({
  /** The code of the answer; without it, the host's own. */
  code: z.int().min(0).max(0xffff_ffff).default(0),
  /** Only host calls of these capabilities; by default all but log. "tpm leave" is concerned only if it is named. */
  of: z.array(z.string()).optional(),
  /** Also all later host calls. */
  onwards: z.boolean().default(false),
  /** For kleidi:net: the status of the response. */
  status: z.int().optional(),
  /** The response's body: a text, bytes, or a form of the good body. By default a JSON object without a known member. */
  text: z.string().optional(),
  hex: HEX.optional(),
  times: z.int().default(1),
  body: z
    .enum(["good", "cut", "strings emptied", "strings to numbers", "strings of 40 KiB", "unknown members"])
    .optional(),
  /** Unknown fields of each wire type in the message that is the body. */
  greased: z.boolean().default(false),
});

const CASE = z.strictObject({
  name: z.string().regex(/^[a-z0-9_]+$/),
  /** The section of docs/ABI.md. */
  section: z.string(),
  rpcs: z.array(z.enum(TESTED)).min(1),
  request: REQUEST.optional(),
  host: HOST.optional(),
  /**
   * "good": as the good request: Status gives the same version, Encrypt a ciphertext that opens, Decrypt the plaintext. "refused": a failure
   * of any code, or a trap. "answered": as good, or a failure of any code. "void": denied, and no further host call after the denial. Otherwise a failure with one of these codes.
   */
  expect: z.union([
    z.enum(["good", "refused", "answered", "void"]),
    z.strictObject({ failure: z.array(z.int().min(1).max(5)) }),
  ]),
});

const FILE = z.strictObject({ about: z.string(), level: z.int(), cases: z.array(CASE) });

export type Case = z.infer<typeof CASE> & { readonly level: number };
export type HostChange = z.infer<typeof HOST>;
export type RequestChange = z.infer<typeof REQUEST>;
export type Expectation = Case["expect"];

/** @returns all cases, in the order of their files */
export function readCases(): Case[] {
  return FILES.flatMap((file) => {
    const { level, cases } = FILE.parse(JSON.parse(readFileSync(join(FOLDER, file), "utf8")));
    return cases.map((each) => ({ ...each, level }));
  });
}

/** @returns the files of the cases, one after the other, for their digest */
export function caseBytes(): Buffer {
  return Buffer.concat(FILES.map((file) => readFileSync(join(FOLDER, file))));
}
