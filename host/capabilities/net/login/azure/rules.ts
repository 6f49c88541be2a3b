/** Rules that involve several keys, for `credential.azure`. */
import { isShort, mapping } from "../../../../schema/outline.ts";
import type { Rule } from "../../../../schema/rule.ts";
import { parseLine } from "../../request-syntax.ts";

/** Reads a key and its versions, and wraps or unwraps with any or one of its versions. */
const LINES = [
  /^GET \/keys\/[0-9A-Za-z-]+\?api-version=[\w.-]+$/,
  /^GET \/keys\/[0-9A-Za-z-]+\/versions\?api-version=[\w.-]+&maxresults=25$/,
  /^POST \/keys\/[0-9A-Za-z-]+\/\?api-version=[\w.-]+$/,
  /^POST \/keys\/[0-9A-Za-z-]+\/[0-9a-f]{32}\/(?:un)?wrapkey\?api-version=[\w.-]+$/,
];

export const RULES: readonly Rule[] = [
  {
    description:
      "With `credential.azure`, each allowed request is one of a key, with its `api-version`: `GET /keys/NAME`, `GET /keys/NAME/versions` (and `&maxresults=25`), `POST /keys/NAME/` or `POST /keys/NAME/VERSION/wrapkey` and `unwrapkey`.",
    *check({ document, providers = [] }) {
      for (const { name, grants } of providers) {
        const { allow, credential } = grants.net ?? {};
        if (mapping(credential)?.azure === undefined || !isShort(allow)) continue;
        for (const [i, line] of allow.entries()) {
          if (typeof line !== "string" || parseLine(line) === undefined) continue;
          if (isOfKey(line)) continue;
          yield document.fault(["providers", name, "grants", "net", "allow", i], {
            expected: "a request to read a key or its versions, or to wrap and unwrap with it",
            actual: "a request for something else that the identity may do",
            remedy: "write: POST /keys/NAME/?api-version=7.4",
          });
        }
      }
    },
  },
];

/** @param request or a line: "POST /path?query" */
export function isOfKey(request: string): boolean {
  return LINES.some((pattern) => pattern.test(request));
}
