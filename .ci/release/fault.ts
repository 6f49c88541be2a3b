/** Why there is no release: the sentence names what was found and what to do. */
export class ReleaseFault extends Error {}
