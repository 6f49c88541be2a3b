/** The TPM, or the way to it, failed. What it was doing then is not known. */
export class TransportError extends Error {}
