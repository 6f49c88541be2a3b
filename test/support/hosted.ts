/** A host of its own for one test, and what callers do with it. */
import assert from "node:assert/strict";
import { KmsClient } from "../../host/grpc/client.ts";
import type { Fixture } from "./fixture.ts";

/** A DEK seed. */
export const SEED = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));

export interface Hosted {
  readonly fixture: Fixture;
  readonly client: KmsClient;
}

/** Serves with a configuration while the work runs. */
export async function hosted(fixture: Fixture, work: (hosted: Hosted) => Promise<void>): Promise<void> {
  const client = new KmsClient(fixture.socket);
  try {
    await fixture.serve();
    await work({ fixture, client });
  } finally {
    client.close();
    await fixture.close();
  }
}

/** @returns what Encrypt returned, after one Decrypt of it */
export async function roundTrip(client: KmsClient): ReturnType<KmsClient["encrypt"]> {
  const sealed = await client.encrypt({ plaintext: SEED });
  const { plaintext: back } = await client.decrypt(sealed);
  assert.deepEqual(new Uint8Array(back), SEED);
  return sealed;
}

/** @returns the gRPC code of a failure; 0 if there is none */
export async function codeOf(work: Promise<unknown>): Promise<number> {
  return await work.then(
    () => 0,
    ({ code }: { code: number }) => code,
  );
}
