/** Checks one `kms` provider of an EncryptionConfiguration (Kubernetes, apiserver.config.k8s.io/v1, KMSConfiguration). */
import { isMapping, type Mapping } from "../schema/outline.ts";
import type { Path } from "../schema/text.ts";
import type { EncryptionReport } from "./encryption-report.ts";

/** The settings of the host with which the API server must agree. */
export interface Plugin {
  /** The path of the socket. */
  readonly socket: string;
  /** The longest deadline of a provider, in milliseconds. */
  readonly deadlineMs: number;
  /** @returns true if a path leads to the socket, possibly through links */
  isSocket(path: string): boolean;
}

/** The API server's default, in milliseconds. */
const DEFAULT_TIMEOUT_MS = 3000;
const FIELDS = ["apiVersion", "name", "endpoint", "cachesize", "timeout"];
const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** @returns true if an endpoint names the socket of this host */
export function isOwnEndpoint(kms: unknown, plugin: Plugin): boolean {
  if (!isMapping(kms) || typeof kms.endpoint !== "string") return false;
  const path = socketOf(kms.endpoint);
  return path !== undefined && plugin.isSocket(path);
}

/** The path in a URL of the scheme unix, parsed as the API server does: `unix:///run/a.sock`, or `unix:/run/a.sock`. */
function socketOf(endpoint: string): string | undefined {
  const [, path] = /^unix:(?:\/\/)?(\/[^?#]*)$/.exec(endpoint) ?? [];
  try {
    return path === undefined ? undefined : decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** Checks the fields of a provider whose endpoint is this host. */
export function checkOwnProvider(kms: Mapping, path: Path, plugin: Plugin, report: EncryptionReport): void {
  for (const field of Object.keys(kms))
    if (!FIELDS.includes(field))
      report.problem(
        [...path, field],
        {
          expected: `one of the keys ${FIELDS.join(", ")}`,
          actual: "an unknown key",
          remedy: "remove it: the API server refuses the file",
        },
        "key",
      );
  if (kms.apiVersion !== "v2")
    report.problem([...path, "apiVersion"], {
      expected: "v2, which this host speaks; the default is v1",
      remedy: "write: apiVersion: v2",
    });
  if (kms.cachesize !== undefined)
    report.problem(
      [...path, "cachesize"],
      { expected: "no cachesize: it is for v1 only", remedy: "remove it" },
      "key",
    );
  checkTimeout(kms.timeout, [...path, "timeout"], plugin, report);
}

function checkTimeout(timeout: unknown, path: Path, { deadlineMs }: Plugin, report: EncryptionReport): void {
  const ms = timeout === undefined || timeout === null ? DEFAULT_TIMEOUT_MS : durationMs(timeout);
  const remedy = "write: timeout: 3s";
  if (ms === undefined || ms <= 0) report.problem(path, { expected: "a duration, such as 3s", remedy });
  else if (ms <= deadlineMs)
    report.problem(path, {
      expected: `more than ${deadlineMs}ms, the longest deadline of a provider in the host's configuration`,
      remedy,
    });
}

/** Parses a duration of Go ("1m30s", "2.5s"). @returns milliseconds; undefined if it is malformed */
export function durationMs(text: unknown): number | undefined {
  if (typeof text !== "string" || !/^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  const parts = text.matchAll(/([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)/g);
  return [...parts].reduce((sum, [, count = "", unit = ""]) => sum + Number(count) * (UNIT_MS[unit] ?? 0), 0);
}
