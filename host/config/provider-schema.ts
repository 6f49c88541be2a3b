/** The schema of `providers`: the module, its grants and its limits. */
import * as z from "zod";
import { GRANTS } from "../capabilities/registry.ts";
import { count, field, optionalQuantity, PROVIDER_NAME, path, quantity } from "../schema/field.ts";
import { duration, memory } from "../schema/units.ts";
import { leastProcessBytes } from "./process-memory.ts";
import { LEAST_FREE, MOST_PROVIDERS } from "./standby.ts";

const MiB = 1_048_576;
const STANDBY = [true, false, "auto"] as const;

const grants = field(z.strictObject(GRANTS).prefault({}), {
  expected: "a mapping of capabilities",
  meaning: "The capabilities that the provider may use. Everything that is not listed is denied.",
  example: "{ keystore: { keys: [kek-2026] } }",
  absent: "nothing is granted",
});

export const limits = field(
  z
    .strictObject({
      memory: quantity(memory(64 * 1024, 256 * 1024 * 1024, 64 * 1024), "16MiB", {
        expected: "a size from 64KiB to 256MiB in steps of 64KiB",
        meaning: "The memory to which an instance may grow. Units: KiB, MiB.",
        example: "16MiB",
      }),
      processMemory: optionalQuantity(memory(192 * MiB, 8192 * MiB, MiB), {
        expected: "a size from 192MiB to 8192MiB in steps of 1MiB",
        meaning:
          "The memory that a process of the provider may use, compilation of the module included. A provider has two processes with a standby, and otherwise one. Units: MiB.",
        example: "512MiB",
        absent: "the largest size of all instances, `memory` × (`concurrentCalls` + 4), and 192MiB",
      }),
      standby: field(z.literal(STANDBY).prefault("auto"), {
        expected: "true, false or auto",
        meaning: `\`true\`: the provider has a second process, started 5 s after the first, which serves when the first one ends. \`false\`: a process that ends is replaced, and its calls wait for the new one. \`auto\`: \`true\` with at most ${MOST_PROVIDERS} providers and at least ${LEAST_FREE / MiB}MiB of free memory when the host starts.`,
        example: "auto",
        suggest: (source) => STANDBY.find((word) => String(word) === source.toLowerCase()),
      }),
      tableEntries: count(
        0,
        1_048_576,
        16_384,
        "The number of entries to which the module's table may grow.",
      ),
      input: quantity(memory(1024, 64 * 1024, 1), "64KiB", {
        expected: "a size from 1KiB to 64KiB",
        meaning: "The largest input message of one call of the provider. Units: KiB, MiB.",
        example: "64KiB",
      }),
      output: quantity(memory(1024, 64 * 1024, 1), "64KiB", {
        expected: "a size from 1KiB to 64KiB",
        meaning: "The largest output message of one call of the provider. Units: KiB, MiB.",
        example: "64KiB",
      }),
      deadline: quantity(duration(100, 2400), "2s", {
        expected: "a duration from 100ms to 2400ms",
        meaning: "The longest duration of one call of the provider; the API server waits 3 s. Units: ms, s.",
        example: "2s",
      }),
      hostCalls: count(0, 1024, 64, "The most host calls in one call of the provider."),
      hostCallsPerMinute: count(
        0,
        10_000_000,
        600_000,
        "The most host calls of the provider in a minute; calls of `crypto` do not count.",
      ),
      logLines: count(0, 1024, 64, "The most log lines in one call of the provider."),
      concurrentCalls: count(1, 1024, 64, "The most concurrent calls in the provider's process."),
      queue: count(
        0,
        4096,
        1024,
        "The most calls that wait, at most 16 MiB of them; further calls are refused immediately. A call that waits for three quarters of `deadline` is refused, too: the rest would not suffice. The default is the number of calls that the socket takes at once.",
      ),
    })
    .transform(({ memory, processMemory, input, output, deadline, ...counts }) => {
      const { concurrentCalls } = counts;
      return {
        memoryBytes: memory,
        processMemoryBytes: processMemory ?? leastProcessBytes({ memoryBytes: memory, concurrentCalls }),
        inputBytes: input,
        outputBytes: output,
        deadlineMs: deadline,
        ...counts,
      };
    })
    .prefault({}),
  {
    expected: "a mapping of limits",
    meaning: "Limits of the provider.",
    example: "{ memory: 16MiB, deadline: 2s }",
    absent: "every limit at its default",
  },
);

const provider = field(
  z.strictObject({
    module: field(path(), {
      expected: "the path of a WebAssembly module",
      meaning: "The provider's WebAssembly module.",
      example: "providers/local.wasm",
    }),
    sha256: field(z.string().regex(/^[0-9a-f]{64}$/), {
      expected: "64 lower-case hex digits",
      meaning: "The module's SHA-256. A module with another digest is not run.",
      example: '<what "sha256sum" prints for the module>',
      suggest: (source) => source.toLowerCase().replace(/^sha256:/, ""),
    }),
    signatures: field(
      z
        .array(
          field(path(), {
            expected: "the path of a signature",
            meaning: "A signature of the module, made by minisign.",
            example: "providers/local.wasm.minisig",
          }),
        )
        .min(1)
        .max(16)
        .exactOptional(),
      {
        expected: "a list of 1 to 16 paths",
        meaning: "The module's signatures, which `trust` requires.",
        example: "[providers/local.wasm.minisig]",
        absent: "`<module>.minisig`, if there is `trust`",
      },
    ),
    grants,
    limits,
  }),
  {
    expected: "a mapping with the keys module and sha256",
    meaning: "One provider. You choose its name, and `keys` refer to it.",
    example: "{ module: providers/local.wasm, sha256: <64 hex digits> }",
  },
);

export const providers = field(
  // rules.ts checks the names: zod ignores the value under a name that it refuses
  z
    .record(z.string(), provider)
    .refine((record) => Object.keys(record).length > 0)
    .transform((record) => Object.entries(record).map(([name, provider]) => ({ name, ...provider }))),
  {
    expected: "a mapping with at least one provider",
    meaning: "The providers, by name.",
    example: "{ local: { module: providers/local.wasm, sha256: <64 hex digits> } }",
    keywords: { minProperties: 1, propertyNames: { pattern: PROVIDER_NAME.source } },
  },
);
