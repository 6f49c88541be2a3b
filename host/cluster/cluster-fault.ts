/** The reason why a request to an API server is not possible or failed. */
export class ClusterFault extends Error {
  /** The remedy, one sentence for the user. */
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.remedy = remedy;
  }
}
