/** The rules across the keys of `audit`. */
import type { Rule } from "../schema/rule.ts";
import type { ConfigOutline } from "./outline.ts";

export const AUDIT_RULES: readonly Rule<ConfigOutline>[] = [
  {
    description: "`audit` has a `file`, or `stdout: true`, or both.",
    *check({ document, audit }) {
      if (audit === undefined || audit.file || audit.stdout) return;
      yield document.fault(["audit"], {
        expected: "a file or stdout for the records",
        actual: "neither",
        remedy: "write: file: /var/log/kleidi/audit.jsonl",
      });
    },
  },
  {
    description: "`audit.rotate` requires `audit.file`.",
    *check({ document, audit }) {
      if (!audit?.rotate || audit.file) return;
      yield document.fault(
        ["audit", "rotate"],
        { expected: "audit.file, because only a file is rotated", actual: "none", remedy: "remove rotate" },
        "key",
      );
    },
  },
];
