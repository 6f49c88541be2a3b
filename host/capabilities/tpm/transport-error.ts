/** The TPM, or the way to it, failed. What it was doing then is not known. */
export class TransportError extends Error {
  /** The system's code, where it was the system that refused: "ENOENT". */
  readonly errno: string | undefined;

  constructor(message: string, errno?: string) {
    super(message);
    this.errno = errno;
  }
}
