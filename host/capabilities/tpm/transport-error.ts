/** The TPM, or the connection to it, failed. Whether the running command took effect is unknown. */
export class TransportError extends Error {
  /** The system's error code, if a system call failed: "ENOENT". */
  readonly errno: string | undefined;

  constructor(message: string, errno?: string) {
    super(message);
    this.errno = errno;
  }
}
