/** The prefix of a Unix socket, for keys that also take an IP address. */
export const UNIX_PREFIX = "unix:";

/** In bytes. sun_path holds 108, and the listener first binds a longer temporary name beside the socket. */
export const LONGEST_SOCKET = 100;
