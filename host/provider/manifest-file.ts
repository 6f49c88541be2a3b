/** The manifest of a provider's source, provider.json. A reason in it may be open; the module's manifest has none. */
import { KleidiError } from "../error.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { type Manifest, readManifest } from "../module/manifest.ts";
import type { Row } from "./rows.ts";

const MAX_BYTES = 16_384;
/** In place of an open reason while the other fields are checked. */
const OPEN = "open";

/**
 * Reads provider.json.
 * @returns the manifest, with "" for an open reason; undefined if the file does not exist
 * @throws KleidiError provider-build/manifest
 */
export function readManifestFile(path: string): Manifest | undefined {
  const bytes = readRegular(path, MAX_BYTES, { followLinks: false });
  if (!(bytes instanceof FileFault)) return parseSource(path, bytes);
  if (bytes.kind === "missing") return undefined;
  throw manifestError(path, `it ${bytes.text}`, bytes.cause);
}

function parseSource(path: string, bytes: Uint8Array): Manifest {
  const json = readJson(path, bytes);
  const rows = Array.isArray(json.capabilities) ? json.capabilities : [];
  const closed = rows.map((row) => (isOpen(row) ? { ...row, why: OPEN } : row));
  const full = { ...json, capabilities: json.capabilities === undefined ? [] : closed };
  const manifest = readManifest(new TextEncoder().encode(JSON.stringify(full)));
  if ("fault" in manifest) throw manifestError(path, manifest.fault, manifest.cause);
  const capabilities = manifest.capabilities.map((row, i) => (isOpen(rows[i]) ? { ...row, why: "" } : row));
  return { ...manifest, capabilities };
}

function readJson(path: string, bytes: Uint8Array): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return { ...json };
  } catch (error) {
    throw manifestError(path, `it is not valid JSON: ${(error as Error).message}`, error);
  }
  throw manifestError(path, "it is not a JSON object");
}

function isOpen(row: unknown): boolean {
  return typeof row === "object" && row !== null && "why" in row && row.why === "";
}

function manifestError(path: string, why: string, cause?: unknown): KleidiError {
  return new KleidiError("provider-build/manifest", `Cannot use the manifest ${path}: ${why}`, cause);
}

/** The text of provider.json with other rows. */
export function manifestText(manifest: Manifest, capabilities: readonly Row[]): string {
  return `${JSON.stringify({ ...manifest, capabilities }, null, 2)}\n`;
}
