/** The reason why an etcd, or a file of one, cannot be read. */
export class EtcdFault extends Error {
  /** The remedy, one sentence for the user. */
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.remedy = remedy;
  }
}
