/** A command was given what it cannot work on: it ends with exit code 2. The message names the action, the fault and its remedy. */
export class UsageError extends Error {}
