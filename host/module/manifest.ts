/** The manifest of a module (docs/ABI.md, section 6): the host calls that it requests, in which RPCs, and the reasons. */

import * as z from "zod";
import { KleidiError } from "../error.ts";
import { ABI } from "../host-call.ts";
import { replaceNonAscii } from "../lib/text.ts";
import type { CustomSection } from "./wasm/module.ts";

const identifier = z.string().regex(/^[a-z][a-z0-9_]{0,31}$/, "should be lower-case letters, digits and _");

/** A reason, shown to the operator who decides on the grant. It must not control the terminal or imitate another line. */
const reason = z
  .string()
  .regex(/^[^\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Me}]{1,200}$/u, {
    error: "should be 1 to 200 printable characters",
    abort: true,
  })
  // Other spaces and the Braille blank are invisible; stacked marks cover the lines around them.
  .regex(
    /^(?!.*\p{M}{3})(?!.*[^\P{Zs} ])[^\u2800]*[\p{L}\p{N}][^\u2800]*$/u,
    "should be readable text: with letters, ordinary spaces only, at most two marks on a letter",
  );

/** A feature in the words of the capability, or alternatives: `TPM2_HMAC or TPM2_Unseal`. */
const feature = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]*(?: [A-Za-z0-9_.-]+)*$/,
    "should be words of letters, digits and _.-, with single spaces",
  )
  .max(64);

const schema = z.strictObject({
  abi: z.literal(
    ABI,
    `should be ${ABI}, the version that this host supports: get a build of the module for it`,
  ),
  name: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "should be 1 to 63 of a-z, 0-9 and -, a letter first"),
  version: z.string().regex(/^[\x21-\x7e]{1,64}$/, "should be 1 to 64 printable characters"),
  capabilities: z
    .array(
      z.strictObject({
        capability: identifier,
        operations: z.array(identifier).min(1).max(32),
        rpcs: z.array(z.enum(["status", "encrypt", "decrypt", "provision"])).min(1),
        why: reason,
      }),
    )
    .max(64),
  needs: z
    .array(
      z.strictObject({
        capability: identifier,
        features: z.array(feature).min(1).max(32),
        optional: z.boolean().exactOptional(),
        why: reason,
      }),
    )
    .max(32)
    .exactOptional(),
});

export type Manifest = z.infer<typeof schema>;
/** Features that a provider needs of the TPM or the server behind a capability. */
export type Need = NonNullable<Manifest["needs"]>[number];

/** Name of the custom section that holds the manifest. */
export const MANIFEST_SECTION = "kleidi.provider";
/** Maximum size of a manifest in bytes. */
const MAX_MANIFEST = 16_384;

/**
 * Finds the manifest among the custom sections of a module.
 * @returns its bytes; a clause about the module if there is no manifest, or more than one
 */
export function manifestSection(sections: readonly CustomSection[]): Uint8Array | string {
  const [section, ...others] = sections.filter(({ name }) => name === MANIFEST_SECTION);
  if (section === undefined) return `its module has no manifest (custom section ${MANIFEST_SECTION})`;
  if (others.length > 0) return `its module has ${others.length + 1} manifests, 1 is allowed`;
  return section.bytes;
}

/**
 * Parses a manifest.
 * @param provider the name used in error messages
 * @param bytes the content of the custom section; at most 16,384 bytes are accepted
 * @throws KleidiError module-invalid, with every fault
 */
export function parseManifest(provider: string, bytes: Uint8Array): Manifest {
  const result = readManifest(bytes);
  if (!("fault" in result)) return result;
  throw new KleidiError(
    "module-invalid/contract",
    `Cannot load provider "${provider}": ${result.fault}`,
    result.cause,
  );
}

/**
 * Parses a manifest without throwing.
 * @returns the manifest, or a clause with all its faults, such as `its manifest is not valid JSON`
 */
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
    return { fault: "its manifest is not valid JSON", cause: error };
  }
  // Parsers differ on which value of a duplicate key they take.
  if (JSON.stringify(json) !== text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, "$1")) {
    return {
      fault: "its manifest has a duplicate key, or is not written as JSON.stringify writes it",
    };
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".") || "it"}: ${issue.message}`);
  // The faults quote keys of the module, which must not forge a line in a log or on a terminal.
  const shown = replaceNonAscii(faults.join("; ").slice(0, 1000));
  return { fault: `its manifest does not follow docs/ABI.md: ${shown}` };
}
