/** The shape of `providers`: what runs, what it may reach, what it may use up. */
import { isIPv4 } from "node:net";
import { z } from "zod";
import { HIERARCHIES } from "./config.ts";
import {
  count,
  field,
  KEY_NAME,
  keyName,
  lower,
  nearestOf,
  optionalQuantity,
  path,
  quantity,
} from "./field.ts";
import { net } from "./net-schema.ts";
import { rpcs } from "./rpcs-schema.ts";
import { duration, memory } from "./units.ts";

const MiB = 1_048_576;

/** Names become parts of log lines and metric labels. */
export const PROVIDER_NAME = /^[a-z][a-z0-9-]{0,62}$/;

/** What the host can open: the kernel's resource manager, and virtual TPMs that no network reaches. */
function isTpmDevice(text: string): boolean {
  if (/^(\/dev\/tpmrm[0-9]{1,3}|swtpm:\/[^\0]{1,99})$/.test(text)) return true;
  const [, host = "", port] = /^(?:swtpm|mssim):(127\.[0-9.]+|\[::1\]):([1-9][0-9]{0,4})$/.exec(text) ?? [];
  return (host === "[::1]" || isIPv4(host)) && Number(port) <= 65_535;
}

const tpm = field(
  z
    .strictObject({
      device: field(z.string().refine(isTpmDevice), {
        expected:
          "/dev/tpmrm0, or a virtual TPM: swtpm: and a path, or swtpm: or mssim: and a loopback address and port",
        meaning:
          "The TPM. Providers may share one: none sees the others' objects. A virtual TPM must have no other client.",
        example: "/dev/tpmrm0",
      }),
      hierarchies: field(
        z
          .array(
            field(z.enum(HIERARCHIES), {
              expected: "owner, endorsement or platform",
              meaning: "A hierarchy.",
              example: "owner",
              suggest: nearestOf(HIERARCHIES),
            }),
          )
          .max(HIERARCHIES.length)
          .optional(),
        {
          expected: "a list of owner, endorsement and platform",
          meaning: "The hierarchies in which the provider may derive primary keys.",
          example: "[owner]",
          absent: "`[owner]`",
        },
      ),
      persistent: field(
        z
          .array(
            field(
              z
                .string()
                .regex(/^0x81[0-9a-f]{6}$/)
                .transform(Number),
              {
                expected: "a quoted handle from 0x81000000 to 0x81ffffff",
                meaning: "A handle. Quoted: without quotes, YAML reads a number.",
                example: '"0x81000001"',
                suggest: (source) => source.toLowerCase(),
              },
            ),
          )
          .max(16)
          .optional(),
        {
          expected: "a list of at most 16 quoted handles",
          meaning:
            "Persistent objects under which the provider may load keys. Give none without noDA: wrong authorizations of it would lock the TPM.",
          example: '["0x81000001"]',
          absent: "none",
        },
      ),
      templates: field(
        z
          .array(
            field(z.string().regex(/^[0-9a-f]{64}$/), {
              expected: "64 lower-case hex digits",
              meaning: "The SHA-256 of a public template (TPMT_PUBLIC).",
              example: "<64 hex digits>",
              suggest: (source) => source.toLowerCase(),
            }),
          )
          .max(16)
          .optional(),
        {
          expected: "a list of at most 16 SHA-256",
          meaning:
            "Templates of primary keys that the provider may derive, besides the storage key (ECC P-256, AES-128).",
          example: "[<64 hex digits>]",
          absent: "the storage key only",
        },
      ),
      unseal: field(z.boolean().optional(), {
        expected: "true or false",
        meaning:
          'Whether the provider may have sealed data from the TPM (TPM2_Unseal). The tpm provider needs it for keys with the scheme "sealed", and for no others.',
        example: "true",
        absent: "false",
      }),
      rpcs: rpcs(),
    })
    .optional(),
  {
    expected: "a mapping with the key device",
    meaning: "Lets the provider use a TPM, through a filter of commands.",
    example: "{ device: /dev/tpmrm0 }",
    absent: "no TPM",
  },
);
/** Keystore keys, for one use. */
const names = () =>
  z
    .array(
      field(keyName(), {
        expected: KEY_NAME,
        meaning: "A key of this provider in `keys`.",
        example: "kek-2026",
        suggest: lower,
      }),
    )
    .min(1)
    .max(64)
    .optional();

const grants = field(
  z
    .strictObject({
      keystore: field(
        z
          .strictObject({
            keys: field(names(), {
              expected: "a list of 1 to 64 names of keystore keys",
              meaning: "The keystore keys that the provider may seal and open with.",
              example: "[kek-2026]",
              absent: "no key; then there are `passphrases`",
            }),
            passphrases: field(names(), {
              expected: "a list of 1 to 64 names of keystore keys",
              meaning:
                "The keystore keys whose text is a passphrase, from which the provider may have the keys of single OpenPGP messages.",
              example: "[kek-2026]",
              absent: "no passphrase",
            }),
            rpcs: rpcs(),
          })
          .refine(({ keys, passphrases }) => keys !== undefined || passphrases !== undefined)
          .optional(),
        {
          expected: "a mapping with keys, passphrases or both",
          meaning: "Lets the provider use keystore keys. It never sees their bytes.",
          example: "{ keys: [kek-2026] }",
          absent: "no keystore key",
        },
      ),
      tpm,
      state: field(
        z
          .strictObject({
            names: field(
              z
                .array(
                  field(keyName(), {
                    expected: KEY_NAME,
                    meaning: "A record, which no other provider is granted.",
                    example: "kek-2026",
                    suggest: lower,
                  }),
                )
                .min(1)
                .max(64),
              {
                expected: "a list of 1 to 64 names of records",
                meaning: "The records that the provider may read, and make while `kleidi key init` runs.",
                example: "[kek-2026]",
              },
            ),
            rpcs: rpcs(),
          })
          .optional(),
        {
          expected: "a mapping with the key names",
          meaning: "Lets the provider keep small records, such as wrapped keys.",
          example: "{ names: [kek-2026] }",
          absent: "no record",
        },
      ),
      net,
    })
    .prefault({}),
  {
    expected: "a mapping of capabilities",
    meaning: "What the provider may reach. What is not listed is denied.",
    example: "{ keystore: { keys: [kek-2026] } }",
    absent: "nothing is granted",
  },
);

export const limits = field(
  z
    .strictObject({
      memory: quantity(memory(64 * 1024, 256 * 1024 * 1024, 64 * 1024), "16MiB", {
        expected: "a size from 64KiB to 256MiB in steps of 64KiB",
        meaning: "The memory that an instance may grow to. Units: KiB, MiB.",
        example: "16MiB",
      }),
      processMemory: optionalQuantity(memory(192 * MiB, 8192 * MiB, MiB), {
        expected: "a size from 192MiB to 8192MiB in steps of 1MiB",
        meaning:
          "The memory that a process of the provider may use; there are two, one that serves and one that stands by. Compiling the module counts too. Units: MiB.",
        example: "512MiB",
        absent: "what all instances may grow to, `memory` × (`concurrentCalls` + 4), and 192MiB",
      }),
      tableEntries: count(0, 1_048_576, 16_384, "Entries that the module's table may grow to."),
      input: quantity(memory(1024, 64 * 1024, 1), "64KiB", {
        expected: "a size from 1KiB to 64KiB",
        meaning: "The largest message that one call of the provider is given. Units: KiB, MiB.",
        example: "64KiB",
      }),
      output: quantity(memory(1024, 64 * 1024, 1), "64KiB", {
        expected: "a size from 1KiB to 64KiB",
        meaning: "The largest message that one call of the provider may give back. Units: KiB, MiB.",
        example: "64KiB",
      }),
      deadline: quantity(duration(100, 2400), "2s", {
        expected: "a duration from 100ms to 2400ms",
        meaning: "How long one call of the provider may take; the API server waits 3 s. Units: ms, s.",
        example: "2s",
      }),
      hostCalls: count(0, 1024, 64, "Host calls in one call of the provider."),
      hostCallsPerMinute: count(
        0,
        10_000_000,
        600_000,
        "Host calls of the provider in a minute, those of `crypto` not counted.",
      ),
      logLines: count(0, 1024, 64, "Log lines in one call of the provider."),
      concurrentCalls: count(1, 1024, 64, "Calls in the provider's process at once."),
      queue: count(0, 4096, 256, "Calls that wait for their turn. More are refused at once."),
    })
    .prefault({}),
  {
    expected: "a mapping of limits",
    meaning: "What the provider may use up.",
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
      meaning: "The module's SHA-256: a module with another one is not run.",
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
        .optional(),
      {
        expected: "a list of 1 to 16 paths",
        meaning: "The module's signatures, which `trust` asks for.",
        example: "[providers/local.wasm.minisig]",
        absent: "`<module>.minisig`, if there is `trust`",
      },
    ),
    grants,
    limits,
  }),
  {
    expected: "a mapping with the keys module and sha256",
    meaning: "One provider. Its name is yours to choose; `keys` refer to it.",
    example: "{ module: providers/local.wasm, sha256: <64 hex digits> }",
  },
);

export const providers = field(
  // names are left to rules.ts: under a name that zod refuses, it looks at nothing
  z.record(z.string(), provider).refine((record) => Object.keys(record).length > 0),
  {
    expected: "a mapping with at least one provider",
    meaning: "The providers, by name.",
    example: "{ local: { module: providers/local.wasm, sha256: <64 hex digits> } }",
  },
);
