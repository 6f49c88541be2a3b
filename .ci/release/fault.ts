/** The reason why no release is made: the message names the problem and the remedy. */
export class ReleaseFault extends Error {}
