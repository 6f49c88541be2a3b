/** A request that should have succeeded did not. The text names the call and its outcome. */
export class NotGood extends Error {}
