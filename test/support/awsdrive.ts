/** AWS's own SDK for Go (test/aws/cmd/awsdrive). */
import { Drive } from "./drive.ts";

export interface SdkAnswer {
  readonly headers?: Readonly<Record<string, string>>;
  readonly key?: string;
  readonly material?: string;
  readonly state?: string;
  /** base64 */
  readonly plaintext?: string;
  /** base64 */
  readonly ciphertext?: string;
  readonly identity?: string;
  readonly error?: string;
  readonly message?: string;
  readonly status?: number;
}

export class AwsDrive extends Drive<SdkAnswer> {
  /** Neither files of the user nor a metadata service of this machine, unless the test names one. */
  constructor(environment: Readonly<Record<string, string>> = {}) {
    super("test/aws/build.sh", {
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      AWS_EC2_METADATA_DISABLED: "true",
      ...environment,
    });
  }
}
