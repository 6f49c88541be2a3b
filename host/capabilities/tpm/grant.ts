/** The schema of `grants.tpm`: one device, and the hierarchies, objects and templates that a provider may use there. */
import { isIPv4 } from "node:net";
import * as z from "zod";
import { field, nearestOf } from "../../schema/field.ts";
import { rpcs } from "../../schema/rpcs.ts";

const HIERARCHIES = ["owner", "endorsement", "platform"] as const;
export type Hierarchy = (typeof HIERARCHIES)[number];

/** True if the host can open this device: the kernel's resource manager, or a virtual TPM that no network reaches. */
function isTpmDevice(text: string): boolean {
  if (/^(\/dev\/tpmrm[0-9]{1,3}|swtpm:\/[^\0]{1,99})$/.test(text)) return true;
  const [, host = "", port] = /^(?:swtpm|mssim):(127\.[0-9.]+|\[::1\]):([1-9][0-9]{0,4})$/.exec(text) ?? [];
  return (host === "[::1]" || isIPv4(host)) && Number(port) <= 65_535;
}

export const GRANT = field(
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
          .exactOptional(),
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
          .exactOptional(),
        {
          expected: "a list of at most 16 quoted handles",
          meaning:
            "Persistent objects under which the provider may load keys; for the tpm provider, those that the setting `parent` of its keys names. Give none without noDA: wrong authorizations of it would lock the TPM.",
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
          .exactOptional(),
        {
          expected: "a list of at most 16 SHA-256",
          meaning:
            "Templates of primary keys that the provider may derive, besides the storage key (ECC P-256, AES-128).",
          example: "[<64 hex digits>]",
          absent: "the storage key only",
        },
      ),
      unseal: field(z.boolean().exactOptional(), {
        expected: "true or false",
        meaning:
          '`true`: the provider may get sealed data from the TPM (TPM2_Unseal). The tpm provider needs it for keys with the scheme "sealed", and for no others.',
        example: "true",
        absent: "false",
      }),
      rpcs: rpcs(),
    })
    .transform(({ hierarchies = ["owner"], persistent = [], templates = [], unseal = false, ...tpm }) => ({
      ...tpm,
      hierarchies,
      persistent,
      templates,
      unseal,
    }))
    .exactOptional(),
  {
    expected: "a mapping with the key device",
    meaning: "Lets the provider use a TPM, through a filter of commands.",
    example: "{ device: /dev/tpmrm0 }",
    absent: "no TPM",
  },
);

/** A validated grant. */
export type TpmConfig = NonNullable<z.output<typeof GRANT>>;
