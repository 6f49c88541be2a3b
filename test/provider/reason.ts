/** Runs a provider that fails, in the sandbox. */
import assert from "node:assert/strict";
import { startSandbox } from "../support/sandbox.ts";

/** Returns the reason that the host logs for a Status. @param module its path */
export async function reasonOf(module: string): Promise<string> {
  const sandbox = await startSandbox("failing", module);
  try {
    const thrown: unknown = await sandbox.provider.status("kek").then(
      () => assert.fail("it succeeded"),
      (error: unknown) => error,
    );
    return String((thrown as Error).cause);
  } finally {
    await sandbox.stop();
  }
}
