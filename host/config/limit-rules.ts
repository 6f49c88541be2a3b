/** The rules across the keys of `limits`. */
import type { Rule } from "../schema/rule.ts";
import type { ConfigOutline } from "./outline.ts";
import { instancesBytes, leastProcessBytes, MAX_INSTANCES, type MemoryLimits } from "./process-memory.ts";
import { limits as LIMITS } from "./provider-schema.ts";

const MiB = 1_048_576;

export const LIMIT_RULES: readonly Rule<ConfigOutline>[] = [
  {
    description: `The largest size of all instances of a process together, \`memory\` × (\`concurrentCalls\` + 4), is at most ${MAX_INSTANCES / MiB}MiB.`,
    *check({ document, providers = [] }) {
      for (const { name, limits } of providers) {
        const parsed = LIMITS.safeParse(limits);
        if (!parsed.success || instancesBytes(parsed.data) <= MAX_INSTANCES) continue;
        yield document.fault(["providers", name, "limits"], {
          expected: `at most ${MAX_INSTANCES / MiB}MiB for all instances together, memory × (concurrentCalls + 4)`,
          actual: `${mebibytes(instancesBytes(parsed.data))}MiB`,
          remedy: `write: concurrentCalls: ${mostCalls(parsed.data)}, or a smaller memory`,
        });
      }
    },
  },
  {
    description:
      "`processMemory` holds all instances, `memory` × (`concurrentCalls` + 4), and 192MiB for Node.",
    *check({ document, providers = [] }) {
      for (const { name, limits } of providers) {
        const parsed = LIMITS.safeParse(limits);
        if (!parsed.success) continue;
        const least = leastProcessBytes(parsed.data);
        if (parsed.data.processMemoryBytes >= least || instancesBytes(parsed.data) > MAX_INSTANCES) continue;
        yield document.fault(["providers", name, "limits", "processMemory"], {
          expected: `at least ${mebibytes(least)}MiB: all instances, memory × (concurrentCalls + 4), and 192MiB for Node`,
          remedy: `write: processMemory: ${mebibytes(least)}MiB, or a smaller memory or concurrentCalls`,
        });
      }
    },
  },
];

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / MiB);
}

/** @returns the most concurrent calls that this memory allows */
function mostCalls({ memoryBytes }: MemoryLimits): number {
  return Math.floor(MAX_INSTANCES / memoryBytes) - 4;
}
