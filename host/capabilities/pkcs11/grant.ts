/** The schema of `grants.pkcs11`: a module, a token, its PIN, the keys there, and what of the machine the module may use. */
import * as z from "zod";
import { field, path } from "../../schema/field.ts";
import { rpcs } from "../../schema/rpcs.ts";
import { MECHANISMS } from "./module/protocol.mjs";

/** Printable, and at most `bytes` in UTF-8. */
const label = (bytes: number) =>
  z
    .string()
    .max(bytes)
    .regex(/^[^\p{C}]+$/u)
    .refine((text) => Buffer.byteLength(text) <= bytes);

/** A list of labels of keys. */
const labels = () =>
  z
    .array(
      field(label(255), {
        expected: "the label of a key, at most 255 bytes",
        meaning: "The label of an AES key (CKA_LABEL). Exactly one key has it.",
        example: "kek-2026",
      }),
    )
    .min(1)
    .max(64)
    .exactOptional();

const paths = (meaning: string, example: string) =>
  field(
    z
      .array(field(path(), { expected: "the path of a file or a folder", meaning: "A path.", example }))
      .max(16)
      .exactOptional(),
    { expected: "a list of at most 16 paths", meaning, example: `[${example}]`, absent: "none" },
  );

export const GRANT = field(
  z
    .strictObject({
      module: field(path(), {
        expected: "the path of a shared library",
        meaning: "The vendor's PKCS #11 module. It runs in a process of its own.",
        example: "/usr/lib/softhsm/libsofthsm2.so",
      }),
      token: field(label(32), {
        expected: "the label of a token, at most 32 bytes",
        meaning: "The token (CKA_LABEL of CK_TOKEN_INFO). Exactly one slot has it.",
        example: "kleidi",
      }),
      pin: field(
        z.strictObject({
          file: field(path(), {
            expected: "the path of a file",
            meaning:
              "The file with the PIN of the token's user, one line. It is read for each login, and a PIN that the token refused is not tried again until the file changes.",
            example: "/etc/kleidi/pin",
          }),
        }),
        {
          expected: "a mapping with the key file",
          meaning: "The PIN of the token's user.",
          example: "{ file: /etc/kleidi/pin }",
        },
      ),
      keys: field(labels(), {
        expected: "a list of 1 to 64 labels",
        meaning: "The keys that the provider may encrypt and decrypt with.",
        example: "[kek-2026]",
        absent: "no key; then there is `foreign`",
      }),
      foreign: field(labels(), {
        expected: "a list of 1 to 64 labels",
        meaning:
          "The keys of another plugin ([foreign-formats.md](foreign-formats.md)). The provider may decrypt with them what that plugin encrypted, and nothing else.",
        example: "[kleidi-kms-plugin]",
        absent: "none",
      }),
      mechanism: field(z.enum(MECHANISMS).exactOptional(), {
        expected: "aes-gcm or aes-kw",
        meaning:
          "How the token uses `keys`: it encrypts the seed (`aes-gcm`), or it wraps a data key that encrypts the seed (`aes-kw`, for a token without `CKM_AES_GCM`, or one that takes no nonce from outside). The key_id follows from it too: another one is like another key.",
        example: "aes-kw",
        absent: "aes-gcm",
      }),
      environment: field(
        z
          .record(
            z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/),
            field(z.string().regex(/^[\x20-\x7e]{1,512}$/), {
              expected: "1 to 512 printable ASCII characters",
              meaning: "The value of an environment variable.",
              example: "/etc/softhsm/softhsm2.conf",
            }),
          )
          .refine((variables) => Object.keys(variables).length <= 8)
          .exactOptional(),
        {
          expected: "a mapping of at most 8 environment variables to their values",
          meaning:
            "The environment of the module's process, set before it loads the module. It inherits nothing, and variables of the loader (LD_…) have no effect.",
          example: "{ SOFTHSM2_CONF: /etc/softhsm/softhsm2.conf }",
          absent: "empty",
          keywords: { maxProperties: 8 },
        },
      ),
      reads: paths(
        "Files, folders and Unix sockets that the module uses, beside the libraries of the system.",
        "/etc/softhsm/softhsm2.conf",
      ),
      writes: paths("Folders whose files the module may change.", "/var/lib/softhsm/tokens"),
      servers: field(
        z
          .array(
            field(z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$/), {
              expected: "a name or an IP address, without a port",
              meaning: "A server.",
              example: "10.20.0.7",
            }),
          )
          .min(1)
          .max(16)
          .exactOptional(),
        {
          expected: "a list of 1 to 16 names or IP addresses",
          meaning:
            "The machines of the HSM. With the list the module's process has the network, all of it; a unit that `kleidi render` writes allows these addresses only. Without it bubblewrap denies every connection.",
          example: "[10.20.0.7]",
          absent: "no network",
        },
      ),
      rpcs: rpcs(),
    })
    .refine(({ keys, foreign }) => keys !== undefined || foreign !== undefined)
    .transform(
      ({
        keys = [],
        foreign = [],
        mechanism = "aes-gcm",
        environment = {},
        reads = [],
        writes = [],
        servers = [],
        ...pkcs11
      }) => ({
        ...pkcs11,
        keys,
        foreign,
        mechanism,
        environment,
        reads,
        writes,
        servers,
      }),
    )
    .exactOptional(),
  {
    expected: "a mapping with the keys module, token, pin, and keys, foreign or both",
    meaning: "Lets the provider use keys of an HSM through its PKCS #11 module. It never sees them.",
    example:
      "{ module: /usr/lib/softhsm/libsofthsm2.so, token: kleidi, pin: { file: /etc/kleidi/pin }, keys: [kek-2026] }",
    absent: "no HSM",
    keywords: { anyOf: [{ required: ["keys"] }, { required: ["foreign"] }] },
  },
);

export type Pkcs11Config = NonNullable<z.output<typeof GRANT>>;
