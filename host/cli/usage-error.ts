/** Ends a command with exit code 2: its arguments cannot be used. The message names the action, the fault and the remedy. */
export class UsageError extends Error {}
