/** Rules that involve several keys, for `credential.gcp`. */
import { isShort, mapping } from "../../../../schema/outline.ts";
import type { Rule } from "../../../../schema/rule.ts";
import { parseLine } from "../../request-syntax.ts";

/** Reads a key, encrypts with any or one of its versions, and decrypts. */
const LINE =
  /^(?:GET|POST) \/v1\/projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/:]+(?:|:decrypt|\/cryptoKeyVersions\/|\/cryptoKeyVersions\/\d+:encrypt)$/;

export const RULES: readonly Rule[] = [
  {
    description:
      "With `credential.gcp`, each allowed request is one of a key of KMS: `GET KEY`, `POST KEY/cryptoKeyVersions/` (or `POST KEY/cryptoKeyVersions/1:encrypt`), `POST KEY:decrypt`.",
    *check({ document, providers = [] }) {
      for (const { name, grants } of providers) {
        const { allow, credential } = grants.net ?? {};
        if (mapping(credential)?.gcp === undefined || !isShort(allow)) continue;
        for (const [i, line] of allow.entries()) {
          if (typeof line !== "string" || parseLine(line) === undefined || isOfKey(line)) continue;
          yield document.fault(["providers", name, "grants", "net", "allow", i], {
            expected: "a request to read a key, to encrypt with its versions, or to decrypt with it",
            actual: "a request for something else that the identity may do",
            remedy: "write: POST /v1/projects/P/locations/L/keyRings/R/cryptoKeys/K:decrypt",
          });
        }
      }
    },
  },
];

/** @param request or a line: "POST /path" */
export function isOfKey(line: string): boolean {
  return LINE.test(line) && line.startsWith("GET ") === /cryptoKeys\/[^/:]+$/.test(line);
}
