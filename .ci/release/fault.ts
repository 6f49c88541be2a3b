/** The reason why a release cannot be made. The message names the problem and the remedy. */
export class ReleaseFault extends Error {}
