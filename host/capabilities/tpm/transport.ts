/** How a TPM is reached. One connection, one command at a time; after any failure the connection is not used again. */
export interface Transport {
  /** Sends a command and gives the whole response. Rejects with TransportError. */
  exchange(command: Uint8Array): Promise<Uint8Array>;
  /** At once; an exchange in the air rejects. */
  close(): void;
}

export interface Where {
  /** As the configuration has it. */
  readonly name: string;
  /**
   * Whether a resource manager stands between, which gives each connection a space of its own and empties it at its end. Where none
   * does, the host is the TPM's only client, starts it up, and cleans up itself.
   */
  readonly managed: boolean;
  /**
   * @param onClosed told once when the other side ends an idle connection, or says what it was not asked
   * @param givenUp nobody waits for the connection any more
   */
  open(onClosed: () => void, givenUp: AbortSignal): Promise<Transport>;
}
