/**
 * The shape of the configuration file. Every key carries what it means, what may stand there and an example: faults
 * and docs/configuration.md are made from these, so that the three cannot differ. rules.ts has what crosses keys.
 */
import { isIP } from "node:net";
import { z } from "zod";
import { SECTIONS } from "../capabilities/registry.ts";
import {
  count,
  field,
  KEY_NAME,
  keyName,
  lower,
  nearestOf,
  path,
  pathAfter,
  quantity,
} from "../schema/field.ts";
import { duration, memory } from "../schema/units.ts";
import { providers } from "./provider-schema.ts";
import { UNIX_PREFIX } from "./socket-path.ts";
import { trust } from "./trust-schema.ts";

/** In the file in quotes, in octal; in the configuration as a number. */
// 0[67]: the owner must reach the socket; no set-uid or sticky bit means anything on one
const socketMode = () =>
  z
    .string()
    .regex(/^0[67][0-7]0$/)
    .transform((text) => Number.parseInt(text, 8));
const MODE = {
  expected: "a quoted file mode that lets the owner read and write and others nothing",
  example: '"0660"',
  suggest: (source: string) => `${source.replace(/^0o/, "").padStart(4, "0").slice(0, 3)}0`,
};
/** A name as text, a gid as a number, also where it is quoted. */
const socketGroup = () =>
  z
    .union([
      z.int().min(0).max(0xffff_fffe),
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/),
      z
        .string()
        .regex(/^(0|[1-9][0-9]{0,8})$/)
        .transform(Number),
    ])
    .exactOptional();
const GROUP = { expected: "a group's name or its gid", absent: "the group of the process" };

const listen = field(
  z.strictObject({
    socket: field(path(), {
      expected: "a path of at most 100 bytes once resolved",
      meaning: "The Unix socket that the API server connects to.",
      example: "/run/kleidi/kms.sock",
    }),
    mode: field(socketMode().prefault("0600"), {
      ...MODE,
      meaning: "The file mode of the socket. Quoted: without quotes, YAML reads a decimal number.",
    }),
    group: field(socketGroup(), {
      ...GROUP,
      meaning: "The group that the socket is given to.",
      example: "kleidi-socket",
    }),
  }),
  {
    expected: "a mapping with the key socket",
    meaning: "The socket for the API server.",
    example: "{ socket: /run/kleidi/kms.sock }",
  },
);

const key = field(
  z.strictObject({
    name: field(keyName(), {
      expected: KEY_NAME,
      meaning: "The key's name. The key_id that Kubernetes stores is made from it: never use a name again.",
      example: "kek-2026",
      suggest: lower,
    }),
    provider: field(z.string(), {
      expected: "the name of a provider",
      meaning: "The provider that has the key.",
      example: "local",
    }),
    use: field(z.enum(["active", "decrypt"]), {
      expected: "active or decrypt",
      meaning: "`active` encrypts and decrypts, and exactly one key is; `decrypt` only decrypts.",
      example: "active",
      suggest: nearestOf(["active", "decrypt"]),
    }),
    version: field(
      z
        .string()
        .regex(/^[\x21-\x7e]{1,128}$/)
        .exactOptional(),
      {
        expected: "1 to 128 printable ASCII characters without a space",
        meaning: "A pin: the version that the provider must report for the key.",
        example: "<the version that the provider reports>",
        absent: "any version",
      },
    ),
    settings: field(
      z
        .record(
          z.string(),
          field(z.string().regex(/^[\x20-\x7e]{1,256}$/), {
            expected: "1 to 256 printable ASCII characters",
            meaning: "A setting of the provider's own: its page says which there are.",
            example: "transit",
          }),
        )
        .refine((all) => Object.keys(all).length <= 16)
        .refine((all) => Object.keys(all).every((name) => /^[A-Za-z][A-Za-z0-9]{0,31}$/.test(name)))
        .exactOptional(),
      {
        expected: "a mapping of at most 16 names of letters and digits to text",
        meaning:
          "The provider's settings to find the key in its KMS. They are given to the provider, so no secret belongs here.",
        example: "{ mount: transit, key: kek }",
        absent: "none",
      },
    ),
  }),
  {
    expected: "a mapping with the keys name, provider and use",
    meaning: "One key.",
    example: "{ name: kek-2026, provider: local, use: active }",
  },
);

const keys = field(z.array(key).min(1).max(64), {
  expected: "a list of 1 to 64 keys",
  meaning: "The keyset: one key that encrypts, and those that older objects still need.",
  example: "[{ name: kek-2026, provider: local, use: active }]",
});

const WALLS = ["auto", "bubblewrap", "landlock", "none"] as const;
const sandbox = field(
  z
    .strictObject({
      wall: field(z.enum(WALLS).prefault("auto"), {
        expected: "auto, bubblewrap, landlock or none",
        meaning:
          "The wall that the operating system builds around each provider's process, so that code in there has no files, no network, no other processes and no memory of the host. `auto` takes the strongest that works when it is tried at the start; where none does, the host does not start. With `none`, code that gets out of WebAssembly has every right of the host's user.",
        example: "auto",
        suggest: nearestOf(WALLS),
      }),
      programs: field(path().exactOptional(), {
        expected: "the path of a folder",
        meaning:
          "The folder with the programs that the wall is made of: bwrap, or setpriv of util-linux 2.41 or later, and prlimit and choom.",
        example: "/opt/kleidi/bin",
        absent: "/usr/bin and /bin",
      }),
    })
    .prefault({}),
  {
    expected: "a mapping with the keys wall and programs",
    meaning: "The confinement of providers' processes.",
    example: "{ wall: auto }",
    absent: "every setting at its default",
  },
);

const status = field(
  z
    .strictObject({
      interval: quantity(duration(1000, 60_000), "10s", {
        expected: "a duration from 1s to 60s",
        meaning: "How often every key is probed in the background. Units: ms, s.",
        example: "10s",
      }),
      stableProbes: count(
        1,
        10,
        3,
        "How many probes in a row must name a new version of a key before new objects are written with it.",
      ),
    })
    .transform(({ interval, stableProbes }) => ({ intervalMs: interval, stableProbes }))
    .prefault({}),
  {
    expected: "a mapping with the keys interval and stableProbes",
    meaning: "The background probes of the keys.",
    example: "{ interval: 10s }",
    absent: "every setting at its default",
  },
);

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error"] as const;
const log = field(
  z
    .strictObject({
      level: field(z.enum(LOG_LEVELS).prefault("info"), {
        expected: "trace, debug, info, warn or error",
        meaning: "The least severe records that are written.",
        example: "info",
        suggest: nearestOf(LOG_LEVELS),
      }),
      file: field(path().exactOptional(), {
        expected: "the path of a file",
        meaning: "The file that records are appended to.",
        example: "kleidi.log",
        absent: "stderr",
      }),
    })
    .prefault({}),
  {
    expected: "a mapping with the keys level and file",
    meaning: "The log of kleidi's own work.",
    example: "{ level: info }",
    absent: "every setting at its default",
  },
);

const MiB = 1_048_576;
const audit = field(
  z
    .strictObject({
      file: field(path().exactOptional(), {
        expected: "the path of a file",
        meaning:
          "The file that lines are appended to. Its folder must be there and not be writable by others.",
        example: "/var/log/kleidi/audit.jsonl",
        absent: "no file",
      }),
      stdout: field(z.boolean().prefault(false), {
        expected: "true or false",
        meaning: "`true`: the lines go to stdout too, and only there if there is no file.",
        example: "true",
        suggest: (source) => /^(yes|on|1|"?true"?)$/i.test(source),
      }),
      rotate: field(
        z
          .strictObject({
            size: quantity(memory(MiB, 1024 * MiB, 1), "100MiB", {
              expected: "an amount of memory from 1MiB to 1024MiB",
              meaning: "The file's size at which a new one continues it. Units: KiB, MiB.",
              example: "100MiB",
            }),
            keep: field(z.int().min(1).max(10_000).exactOptional(), {
              expected: "a whole number from 1 to 10000",
              meaning: "How many of the full files are kept; older ones are removed.",
              example: "20",
              absent: "all are kept",
            }),
          })
          .transform(({ size, ...rotate }) => ({ sizeBytes: size, ...rotate }))
          .exactOptional(),
        {
          expected: "a mapping with the keys size and keep",
          meaning: "Rotation of the file.",
          example: "{ size: 100MiB }",
          absent: "one file, which grows",
        },
      ),
      checkpoints: field(
        z
          .strictObject({
            key: field(path(), {
              expected: "the path of a private key",
              meaning:
                "The Ed25519 key that signs, as `kleidi audit key` makes one; mode 0600, or a systemd credential.",
              example: "/etc/kleidi/audit.key",
            }),
            lines: count(1, 100_000, 1000, "After how many lines a checkpoint is signed."),
            interval: quantity(duration(1000, 3_600_000), "60s", {
              expected: "a duration from 1s to 3600s",
              meaning: "After how long a checkpoint is signed if there were lines. Units: ms, s.",
              example: "60s",
            }),
          })
          .transform(({ interval, ...checkpoints }) => ({ intervalMs: interval, ...checkpoints }))
          .exactOptional(),
        {
          expected: "a mapping with the key key",
          meaning:
            "Signatures in the log. Without them, anyone who can write the file can rewrite the whole log.",
          example: "{ key: /etc/kleidi/audit.key }",
          absent: "no signatures",
        },
      ),
    })
    .exactOptional(),
  {
    expected: "a mapping with the keys file, stdout, rotate and checkpoints",
    meaning:
      "The record of every RPC and every host call (docs/audit.md). An operation that cannot be recorded is refused.",
    example: "{ file: /var/log/kleidi/audit.jsonl }",
    absent: "no audit log",
  },
);

const admin = field(
  z
    .strictObject({
      listen: field(
        pathAfter(UNIX_PREFIX, z.string()).transform(
          (text, context): { socket: string } | { host: string; port: number } => {
            // a NUL byte would end the path early in the system call
            const [, socket] = /^unix:([^\0]{1,4095})$/.exec(text) ?? [];
            if (socket !== undefined) return { socket };
            const [, host = "", port = ""] = /^\[?([0-9a-fA-F.:]+?)\]?:([1-9][0-9]{0,4})$/.exec(text) ?? [];
            const bracketed = text.startsWith("[");
            if (isIP(host) === (bracketed ? 6 : 4) && Number(port) < 65_536)
              return { host, port: Number(port) };
            context.issues.push({ code: "custom", input: text });
            return z.NEVER;
          },
        ),
        {
          expected: "an IP address and a port, or unix: and the path of a socket",
          meaning:
            "The address at which /, /metrics, /livez, /readyz and /state are answered over HTTP: `127.0.0.1:9464`, which any user of the machine reaches, or `unix:/run/kleidi/admin.sock`, which its mode protects.",
          example: "127.0.0.1:9464",
          suggest: (source) =>
            /^(localhost)?:?[0-9]{1,5}$/.test(source) ? `127.0.0.1:${source.replace(/^.*:/, "")}` : undefined,
        },
      ),
      mode: field(socketMode().exactOptional(), {
        ...MODE,
        meaning: "The file mode of the admin socket.",
        absent: '`"0600"`',
      }),
      group: field(socketGroup(), {
        ...GROUP,
        meaning: "The group that the admin socket is given to.",
        example: "kleidi-admin",
      }),
    })
    .transform(({ listen, mode = 0o600, group }) => {
      if (!("socket" in listen)) return listen;
      return { socket: listen.socket, mode, ...(group === undefined ? {} : { group }) };
    })
    .exactOptional(),
  {
    expected: "a mapping with the key listen",
    meaning: "Metrics, probes and a page for people over HTTP, read-only.",
    example: "{ listen: 127.0.0.1:9464 }",
    absent: "no HTTP at all",
  },
);

/** The whole file, and what the host makes of it: units resolved, defaults filled in. */
export const SCHEMA = field(
  z
    .strictObject({
      apiVersion: field(z.literal("kleidi.dev/v1"), {
        expected: "kleidi.dev/v1",
        meaning: "The version of this format.",
        example: "kleidi.dev/v1",
        suggest: () => "kleidi.dev/v1",
      }),
      listen,
      ...SECTIONS,
      trust,
      providers,
      keys,
      sandbox,
      status,
      log,
      audit,
      admin,
    })
    .transform(({ apiVersion: _, ...config }) => ({
      ...config,
      providers: config.trust === undefined ? config.providers : config.providers.map(signed),
    })),
  {
    expected: "a mapping with the keys apiVersion, listen, providers and keys",
    meaning: "The configuration file.",
    example: "apiVersion: kleidi.dev/v1",
  },
);

/** A provider's signature is beside its module unless the file says otherwise. */
function signed<P extends { module: string; signatures?: string[] }>(provider: P): P {
  return { signatures: [`${provider.module}.minisig`], ...provider };
}
