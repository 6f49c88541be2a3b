/** Rules that involve several keys, for `credential.aws`. */
import { isShort, mapping } from "../../../../schema/outline.ts";
import type { Rule } from "../../../../schema/rule.ts";
import { parseLine } from "../../request-syntax.ts";

export const RULES: readonly Rule[] = [
  {
    description:
      "With `credential.aws`, each allowed request is `POST / x-amz-target=…`: the header selects the operation of KMS.",
    *check({ document, providers = [] }) {
      for (const { name, grants } of providers) {
        const { allow, credential } = grants.net ?? {};
        if (mapping(credential)?.aws === undefined || !isShort(allow)) continue;
        for (const [i, line] of allow.entries()) {
          const parsed = typeof line === "string" ? parseLine(line) : undefined;
          if (parsed === undefined || parsed.headers?.["x-amz-target"] !== undefined) continue;
          yield document.fault(["providers", name, "grants", "net", "allow", i], {
            expected: "a request with the operation in x-amz-target",
            actual: "a request for every operation that the identity may do",
            remedy: "write: POST / x-amz-target=TrentService.Decrypt",
          });
        }
      }
    },
  },
];
