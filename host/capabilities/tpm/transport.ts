/** One connection to a TPM. It carries one command at a time, and is not used again after any failure. */
export interface Transport {
  /** Sends a command and returns the complete response. Rejects with TransportError. */
  exchange(command: Uint8Array): Promise<Uint8Array>;
  /** Closes at once; a running exchange rejects. */
  close(): void;
}

/** A TPM that the configuration names. */
export interface TpmEndpoint {
  /** The name in the configuration. */
  readonly name: string;
  /**
   * True if a resource manager sits in front of the TPM: it gives each connection a space of its own and flushes it at the end. Without
   * one, the host is the TPM's only client, starts it and flushes it itself.
   */
  readonly managed: boolean;
  /**
   * @param onClosed called once when the other side closes an idle connection, or sends unsolicited bytes
   * @param givenUp aborted when the caller no longer waits for the connection
   */
  open(onClosed: () => void, givenUp: AbortSignal): Promise<Transport>;
}
