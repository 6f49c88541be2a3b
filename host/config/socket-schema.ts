/** The file mode and the group of a Unix socket, as `listen` and `admin` take them. */
import * as z from "zod";

/**
 * The schema of a socket's file mode: quoted octal text in the file, a number in the configuration.
 * Others have no access, and the owner can always connect.
 */
export const socketMode = () =>
  z
    .string()
    // 0[67]: the owner must reach the socket; set-uid and sticky bits have no meaning on a socket
    .regex(/^0[67][0-7]0$/)
    .transform((text) => Number.parseInt(text, 8));
export const MODE = {
  expected: "a quoted file mode that lets the owner read and write and others nothing",
  example: '"0660"',
  suggest: (source: string) => `${source.replace(/^0o/, "").padStart(4, "0").slice(0, 3)}0`,
};

/** The schema of a socket's group: a name stays text, a gid becomes a number, also when it is quoted. */
export const socketGroup = () =>
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
export const GROUP = { expected: "a group's name or its gid", absent: "the group of the process" };
