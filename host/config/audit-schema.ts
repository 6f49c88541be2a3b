/** The schema of `audit`: where the audit log is written, rotated and signed. */
import * as z from "zod";
import { count, field, path, quantity } from "../schema/field.ts";
import { duration, memory } from "../schema/units.ts";

const MiB = 1_048_576;
export const audit = field(
  z
    .strictObject({
      file: field(path().exactOptional(), {
        expected: "the path of a file",
        meaning:
          "The file to which records are appended. Its folder must exist and not be writable by others.",
        example: "/var/log/kleidi/audit.jsonl",
        absent: "no file",
      }),
      stdout: field(z.boolean().prefault(false), {
        expected: "true or false",
        meaning: "`true`: records go to stdout; also to the file, if one is set.",
        example: "true",
        absent: "`false`",
        suggest: (source) => /^(yes|on|1|"?true"?)$/i.test(source),
      }),
      rotate: field(
        z
          .strictObject({
            size: quantity(memory(MiB, 1024 * MiB, 1), "100MiB", {
              expected: "an amount of memory from 1MiB to 1024MiB",
              meaning: "The size at which the file is rotated. Units: KiB, MiB.",
              example: "100MiB",
            }),
            keep: field(z.int().min(1).max(10_000).exactOptional(), {
              expected: "a whole number from 1 to 10000",
              meaning: "The number of full files that are kept; older ones are removed.",
              example: "20",
              absent: "all files are kept",
            }),
          })
          .transform(({ size, ...rotate }) => ({ sizeBytes: size, ...rotate }))
          .exactOptional(),
        {
          expected: "a mapping with the keys size and keep",
          meaning: "Rotation of the file.",
          example: "{ size: 100MiB }",
          absent: "one file, which grows without limit",
        },
      ),
      checkpoints: field(
        z
          .strictObject({
            key: field(path(), {
              expected: "the path of a private key",
              meaning:
                "The Ed25519 key that signs, created by `kleidi audit key`; mode 0600, or a systemd credential.",
              example: "/etc/kleidi/audit.key",
            }),
            lines: count(1, 100_000, 1000, "The number of lines after which a checkpoint is signed."),
            interval: quantity(duration(1000, 3_600_000), "60s", {
              expected: "a duration from 1s to 3600s",
              meaning: "The time after which a checkpoint is signed, if there are new lines. Units: ms, s.",
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
      "The audit log, which records every RPC and every host call (docs/audit.md). An operation that cannot be recorded is refused.",
    example: "{ file: /var/log/kleidi/audit.jsonl }",
    absent: "no audit log",
  },
);
