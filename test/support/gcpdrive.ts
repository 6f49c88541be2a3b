/** Google Cloud's own SDK for Go (test/gcp/cmd/gcpdrive). */
import { Drive } from "./drive.ts";

export interface GcpAnswer {
  readonly name?: string;
  readonly state?: string;
  /** base64 */
  readonly plaintext?: string;
  /** base64 */
  readonly ciphertext?: string;
  readonly assertion?: string;
  readonly status?: number;
  readonly error?: string;
  readonly reason?: string;
  readonly message?: string;
}

export class GcpDrive extends Drive<GcpAnswer> {
  /** @param kms the origin of KMS */
  constructor(kms: string, environment: Readonly<Record<string, string>> = {}) {
    // No metadata service of this machine, unless the test names one.
    super("test/gcp/build.sh", {
      KMS_ENDPOINT: kms,
      GCE_METADATA_HOST: "127.0.0.1:1",
      HOME: "/nonexistent",
      ...environment,
    });
  }
}
