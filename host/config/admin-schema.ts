/** The schema of `admin`: the address of metrics, probes and the status page. */
import { isIP } from "node:net";
import * as z from "zod";
import { field, pathAfter } from "../schema/field.ts";
import { UNIX_PREFIX } from "./socket-path.ts";
import { GROUP, MODE, socketGroup, socketMode } from "./socket-schema.ts";

export const admin = field(
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
            "The address of /, /metrics, /livez, /readyz and /state over HTTP: `127.0.0.1:9464`, which every user of the machine can reach, or `unix:/run/kleidi/admin.sock`, which its mode protects.",
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
        meaning: "The group of the admin socket.",
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
    meaning:
      "Metrics, probes and a page for people over HTTP. A socket that only its owner may open (mode 0600) also takes the requests of `kleidi key refresh` and `kleidi reload`; anything else is read-only.",
    example: "{ listen: 127.0.0.1:9464 }",
    absent: "no HTTP server",
  },
);
