/** Reads the EncryptionConfiguration that an API server has. */
import { parse } from "yaml";
import * as z from "zod";
import { FileFault, readRegular } from "../lib/files.ts";
import type { EncryptedResources } from "../render/encryption-config.ts";
import { UsageError } from "./usage-error.ts";

const MAX_BYTES = 1024 * 1024;
const KINDS = ["aescbc", "aesgcm", "identity", "kms", "secretbox"] as const;

const SCHEMA = z.object({
  apiVersion: z.literal("apiserver.config.k8s.io/v1"),
  kind: z.literal("EncryptionConfiguration"),
  resources: z
    .array(
      z.strictObject({
        resources: z.array(z.string()).min(1),
        providers: z.array(z.partialRecord(z.enum(KINDS), z.unknown())).min(1),
      }),
    )
    .min(1),
});

/**
 * @returns its resources and providers, which may hold keys
 * @throws UsageError, without the file's content: it may hold keys
 */
export function readExisting(path: string): EncryptedResources[] {
  const bytes = readRegular(path, MAX_BYTES);
  if (bytes instanceof FileFault) throw new UsageError(`Cannot use --existing ${path}: it ${bytes.text}`);
  const parsed = SCHEMA.safeParse(documentOf(bytes.toString("utf8")));
  bytes.fill(0);
  if (parsed.success) return parsed.data.resources;
  const places = [...new Set(parsed.error.issues.map((issue) => issue.path.join(".") || "the document"))];
  throw new UsageError(
    `Cannot use --existing ${path}: expected an EncryptionConfiguration of apiserver.config.k8s.io/v1; check ${places.join(", ")}`,
  );
}

/** @returns undefined for a text that is not YAML */
function documentOf(text: string): unknown {
  try {
    return parse(text, { logLevel: "silent", maxAliasCount: 0 });
  } catch {
    return undefined;
  }
}
