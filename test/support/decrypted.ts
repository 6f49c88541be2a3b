/** The outcome of one Decrypt, for tests that compare many. */
import type { KmsClient } from "../../host/grpc/client.ts";

/** @returns the plaintext in hexadecimal digits, or the gRPC code of the failure */
export async function decryptedBy(
  client: KmsClient,
  request: { keyId: string; ciphertext: Uint8Array; annotations: Record<string, Uint8Array> },
): Promise<string | number> {
  try {
    const { plaintext } = await client.decrypt(request);
    return Buffer.from(plaintext).toString("hex");
  } catch (error) {
    return (error as { code: number }).code;
  }
}
