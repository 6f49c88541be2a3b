/** The rules across the keys of `admin`. */
import { resolve } from "node:path";
import type { Rule } from "../schema/rule.ts";
import type { ConfigOutline } from "./outline.ts";
import { foreignForm, LONGEST_SOCKET, UNIX_PREFIX } from "./socket-path.ts";

/** @returns the path of a socket, as written; undefined for an address and for anything invalid */
function socketIn(listen: unknown): string | undefined {
  if (typeof listen !== "string" || !listen.startsWith(UNIX_PREFIX)) return undefined;
  return listen.slice(UNIX_PREFIX.length);
}

export const ADMIN_RULES: readonly Rule<ConfigOutline>[] = [
  {
    description: "The path of an admin socket is a path of the file system too.",
    *check({ document, admin }) {
      const path = socketIn(admin?.listen);
      const actual = path === undefined ? undefined : foreignForm(path);
      if (actual === undefined) return;
      yield document.fault(["admin", "listen"], {
        expected: "unix: and the path of a socket in the file system",
        actual,
        remedy: "write: listen: unix:/run/kleidi/admin.sock",
      });
    },
  },
  {
    description: `The path of an admin socket is at most ${LONGEST_SOCKET} bytes long after it is resolved, and differs from \`listen.socket\`.`,
    *check({ document, folder, socket, admin }) {
      const path = socketIn(admin?.listen);
      if (path === undefined) return;
      const resolved = resolve(folder, path);
      const bytes = Buffer.byteLength(resolved);
      const remedy = "write: listen: unix:/run/kleidi/admin.sock";
      if (bytes > LONGEST_SOCKET) {
        const expected = `a path of at most ${LONGEST_SOCKET} bytes once resolved`;
        yield document.fault(["admin", "listen"], { expected, actual: `a path of ${bytes} bytes`, remedy });
      } else if (socket !== undefined && resolve(folder, socket) === resolved) {
        const expected = "a socket other than the API server's";
        yield document.fault(["admin", "listen"], { expected, actual: "listen.socket", remedy });
      }
    },
  },
  {
    description: "`admin.mode` and `admin.group` require a socket in `admin.listen`.",
    *check({ document, admin }) {
      if (typeof admin?.listen !== "string" || socketIn(admin.listen) !== undefined) return;
      for (const name of ["mode", "group"] as const) {
        if (!admin[name]) continue;
        const text = {
          expected: "a socket, because an IP address has no file",
          actual: "an IP address",
          remedy: `remove ${name}`,
        };
        yield document.fault(["admin", name], text, "key");
      }
    },
  },
];
