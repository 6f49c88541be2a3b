/** The reason why an API server cannot be asked. */
export class ClusterFault extends Error {
  /** The next step for the operator. */
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.remedy = remedy;
  }
}
