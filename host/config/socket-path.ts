/** The prefix of a Unix socket, for keys that also take an IP address. */
export const UNIX_PREFIX = "unix:";

/** In bytes. sun_path holds 108, and the listener first binds a longer temporary name beside the socket. */
export const LONGEST_SOCKET = 100;

/** Forms of other programs that this file would take for a relative path, with the reason. */
const FOREIGN: readonly (readonly [form: RegExp, actual: string])[] = [
  [/^unix:/, "a URL"],
  [/^\/\//, "a URL"],
  [/^[@\0]/, "an abstract socket, which has no owner and no mode"],
  [/^~/, "a home folder of the shell"],
  [/%[a-zA-Z]/, "a specifier of systemd"],
  [/\$/, "a variable of the shell"],
];

/**
 * Checks that the path of a socket has no form that only other programs replace: no file of that name is meant.
 * @param path as written
 * @returns what was written instead of a path; undefined for a path
 */
export function foreignForm(path: string): string | undefined {
  return FOREIGN.find(([form]) => form.test(path))?.[1];
}
