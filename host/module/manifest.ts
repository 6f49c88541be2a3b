/** The manifest that a module carries (docs/ABI.md, section 6): what it asks for, for which RPCs, and why. */

import { z } from "zod";
import { KleidiError } from "../error.ts";
import { replaceNonAscii } from "../lib/text.ts";
import type { CustomSection } from "./wasm/module.ts";

const word = z.string().regex(/^[a-z][a-z0-9_]{0,31}$/, "should be lower-case letters, digits and _");

/** What is shown to an operator who decides on it: it must not drive the terminal or look like another line. */
const said = z
  .string()
  .regex(/^[^\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Me}]{1,200}$/u, {
    error: "should be 1 to 200 printable characters",
    abort: true,
  })
  // Other spaces and the blank of Braille look like nothing; marks that are stacked cover the lines around them.
  .regex(
    /^(?!.*\p{M}{3})(?!.*[^\P{Zs} ])[^\u2800]*[\p{L}\p{N}][^\u2800]*$/u,
    "should be text that can be read: with letters, no spaces but the ordinary one, at most two marks on a letter",
  );

const ABI = 1;

const schema = z.strictObject({
  abi: z.literal(ABI, `should be ${ABI}, the version of this host: get a build of the module for it`),
  name: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "should be 1 to 63 of a-z, 0-9 and -, a letter first"),
  version: z.string().regex(/^[\x21-\x7e]{1,64}$/, "should be 1 to 64 printable characters"),
  capabilities: z
    .array(
      z.strictObject({
        capability: word,
        operations: z.array(word).min(1).max(32),
        rpcs: z.array(z.enum(["status", "encrypt", "decrypt", "provision"])).min(1),
        why: said,
      }),
    )
    .max(64),
});

export type Manifest = z.infer<typeof schema>;

export const MANIFEST_SECTION = "kleidi.provider";
const MAX_MANIFEST = 16_384;

/** The one manifest among a module's custom sections; where there is not one, the second half of a sentence. */
export function manifestSection(sections: readonly CustomSection[]): Uint8Array | string {
  const [section, ...others] = sections.filter(({ name }) => name === MANIFEST_SECTION);
  if (section === undefined) return `its module has no manifest (custom section ${MANIFEST_SECTION})`;
  if (others.length > 0) return `its module has ${others.length + 1} manifests, 1 is allowed`;
  return section.bytes;
}

/** @throws KleidiError module-invalid, with every fault */
export function parseManifest(provider: string, bytes: Uint8Array): Manifest {
  const read = readManifest(bytes);
  if (!("fault" in read)) return read;
  throw new KleidiError("module-invalid", `Cannot load provider "${provider}": ${read.fault}`, read.cause);
}

/** A manifest, or all that is wrong with it as the second half of a sentence. */
export function readManifest(
  bytes: Uint8Array,
): Manifest | { readonly fault: string; readonly cause?: unknown } {
  if (bytes.length > MAX_MANIFEST) {
    return { fault: `its manifest is ${bytes.length} bytes, at most ${MAX_MANIFEST} are allowed` };
  }
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    json = JSON.parse(text);
  } catch (error) {
    return { fault: "its manifest is no JSON", cause: error };
  }
  // Of a key that is there twice, another reader may take the other value.
  if (JSON.stringify(json) !== text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, "$1")) {
    return {
      fault: "its manifest has a key twice, or is written otherwise than JSON.stringify would write it",
    };
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".") || "it"}: ${issue.message}`);
  // Keys are quoted in it: a module must not write lines of its own into a log or a terminal.
  const said = replaceNonAscii(faults.join("; ").slice(0, 1000));
  return { fault: `its manifest is not as docs/ABI.md says: ${said}` };
}
