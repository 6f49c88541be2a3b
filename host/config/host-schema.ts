/** The schemas of `sandbox`, `status` and `log`: how the host confines providers, probes keys and logs. */
import * as z from "zod";
import { count, field, nearestOf, path, quantity } from "../schema/field.ts";
import { duration } from "../schema/units.ts";

const WALLS = ["auto", "bubblewrap", "landlock", "none"] as const;
export const sandbox = field(
  z
    .strictObject({
      wall: field(z.enum(WALLS).prefault("auto"), {
        expected: "auto, bubblewrap, landlock or none",
        meaning:
          "The wall that the operating system builds around each provider's process. Code inside it has no access to files, the network, other processes and the memory of the host. `auto` takes the strongest wall that works in a test at the start; if none works, the host does not start. With `none`, code that escapes from WebAssembly has every right of the host's user.",
        example: "auto",
        suggest: nearestOf(WALLS),
      }),
      programs: field(path().exactOptional(), {
        expected: "the path of a folder",
        meaning:
          "The folder with the programs that build the wall: bwrap, or setpriv of util-linux 2.41 or later, and prlimit and choom.",
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

export const status = field(
  z
    .strictObject({
      interval: quantity(duration(1000, 60_000), "10s", {
        expected: "a duration from 1s to 60s",
        meaning:
          "The interval between background probes of every key. The version of the active key is read up to four times in it, if its provider has a grant of net. Units: ms, s.",
        example: "10s",
      }),
      stableProbes: count(
        1,
        10,
        3,
        "The number of consecutive probes that must report a new version of a key before it encrypts new objects.",
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

export const reload = field(
  z
    .strictObject({
      onChange: field(z.boolean().prefault(false), {
        expected: "true or false",
        meaning:
          "`true`: the host reloads this file when its content changed. Otherwise it does so only on SIGHUP and on `kleidi reload`.",
        example: "true",
        absent: "`false`",
        suggest: (source) => (/^(yes|on|1|"?true"?)$/i.test(source) ? "true" : undefined),
      }),
    })
    .prefault({}),
  {
    expected: "a mapping with the key onChange",
    meaning:
      "How a running host takes a changed configuration. Whatever does not work is refused, and the host serves on as before.",
    example: "{ onChange: true }",
    absent: "every setting at its default",
  },
);

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error"] as const;
export const log = field(
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
    meaning: "The operational log.",
    example: "{ level: info }",
    absent: "every setting at its default",
  },
);
