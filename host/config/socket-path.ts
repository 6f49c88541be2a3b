/** How a Unix socket is written, where an address can be, too. */
export const UNIX_PREFIX = "unix:";

/** sun_path holds 108 bytes, and a temporary name beside the socket is bound first. */
export const LONGEST_SOCKET = 100;
