/** Maps an error of KMS (google.rpc.Status) to a failure with its remedy. */
import { decimal, FailureCode, JsonValue, NetResponse, trouble } from "../../../sdk/assemblyscript/assembly";
import { KeyName } from "./name";
import { stateIn, stateTrouble } from "./state";

/** The most details of an error to read. */
const MAX_DETAILS = 8;

export class Refusal {
  /** The version of the request; 0 if none. */
  number: u32 = 0;

  constructor(
    private name: KeyName,
    /** "read", "encrypt" or "decrypt". */
    private operation: string,
  ) {}

  /** Completes "Cannot …". */
  get action(): string {
    return `${this.operation === "read" ? "read" : this.operation + " with"} the key ${this.name.toString()}`;
  }

  /** Notes the trouble. `document`: the body, null if it is not JSON. */
  explain(response: NetResponse, document: JsonValue | null): void {
    const status = response.status;
    let error: JsonValue | null = null;
    if (document != null) error = document.get("error");
    const code = error == null ? "" : error.textOf("status");
    const text = error == null ? "" : error.textOf("message");
    const reason = error == null ? "" : reasonOf(error);
    if (status === 401 || code === "UNAUTHENTICATED") this.credential(reason);
    else if (code === "PERMISSION_DENIED") this.denied(reason);
    else if (status === 403) {
      this.note(
        FailureCode.CREDENTIAL_REFUSED,
        `refused by something else than KMS (${response.kind}): is there a proxy before it?`,
      );
    } else if (code === "NOT_FOUND") this.missing();
    else if (status === 429 || code === "RESOURCE_EXHAUSTED") {
      this.wait(
        "too many requests for the project; if this lasts, raise the quota of KMS (cryptographic requests)",
      );
    } else if (status >= 499 || code === "ABORTED") {
      this.wait(
        `KMS failed, or the external key manager of the key did (${response.kind}); this ends by itself, see the status page of Google Cloud`,
      );
    } else if (code === "FAILED_PRECONDITION") this.precondition(text);
    else if (code === "INVALID_ARGUMENT" && text.includes("hecksum")) this.changed("the request");
    else if (
      code === "INVALID_ARGUMENT" &&
      this.operation === "decrypt" &&
      text.includes("Decryption failed")
    ) {
      const other = text.includes("refers to the correct");
      this.note(
        FailureCode.NOT_OURS,
        other
          ? "the ciphertext was made with another key"
          : "the ciphertext was not made with this key and associated data, or was changed",
      );
    } else {
      const what = isWord(code) ? `the error ${code}` : "an answer without an error of KMS";
      this.note(
        FailureCode.FAULT,
        `${what} (${response.kind}), which this provider does not know; is the grant's origin KMS, in the key's location?`,
      );
    }
  }

  /** Notes that a checksum does not fit. KMS asks to try again then. */
  changed(what: string): void {
    this.wait(`${what} was changed on its way: its CRC32C does not fit`);
  }

  private credential(reason: string): void {
    const why = isWord(reason) ? ` (${reason})` : "";
    this.note(
      FailureCode.CREDENTIAL_REFUSED,
      `the access token is not valid${why}; look at the source in credential.gcp, and at the state of the service account`,
    );
  }

  private denied(reason: string): void {
    const project = this.name.part(0);
    if (reason === "SERVICE_DISABLED") {
      return this.note(
        FailureCode.KEY_UNUSABLE,
        `Cloud KMS is not enabled in the project; enable it: gcloud services enable cloudkms.googleapis.com --project=${project}`,
      );
    }
    if (reason === "BILLING_DISABLED") {
      return this.note(FailureCode.KEY_UNUSABLE, `the project ${project} has no active billing account`);
    }
    if (reason === "ACCESS_TOKEN_SCOPE_INSUFFICIENT") {
      return this.note(
        FailureCode.CREDENTIAL_REFUSED,
        "the access scopes of the machine do not include KMS; stop it, and give it the scope cloud-platform (gcloud compute instances set-service-account --scopes=cloud-platform)",
      );
    }
    if (reason === "SECURITY_POLICY_VIOLATED") {
      return this.note(
        FailureCode.CREDENTIAL_REFUSED,
        "a perimeter of VPC Service Controls forbids it; allow the host's network and identity in an ingress rule",
      );
    }
    const role = this.operation === "read" ? "viewer" : "cryptoKeyEncrypterDecrypter";
    this.note(
      FailureCode.CREDENTIAL_REFUSED,
      `permission denied, or there is no such key; add the role: gcloud kms keys add-iam-policy-binding ${this.name.part(3)} ${this.name.options} --member=MEMBER --role=roles/cloudkms.${role}`,
    );
  }

  private missing(): void {
    const what = this.operation === "encrypt" ? `no version ${decimal(this.number)} of it` : "no such key";
    this.note(
      FailureCode.KEY_UNUSABLE,
      `there is ${what} in this project and location; look at the setting "key"; a regional endpoint has the keys of its location only`,
    );
  }

  private precondition(text: string): void {
    const state = stateIn(text);
    if (state.length > 0) return stateTrouble(this.action, this.name, this.number, state);
    this.note(
      FailureCode.KEY_UNUSABLE,
      "KMS refuses to use it in its state (FAILED_PRECONDITION); look at its versions, and for an external key at its EKM connection",
    );
  }

  private wait(what: string): void {
    this.note(FailureCode.UNREACHABLE, what);
  }

  private note(code: FailureCode, what: string): void {
    trouble(code, `Cannot ${this.action}: ${what}`);
  }
}

/** The reason in the ErrorInfo of an error; "" if there is none. */
function reasonOf(error: JsonValue): string {
  const details = error.get("details");
  if (details == null) return "";
  const items = details.elements();
  for (let left = MAX_DETAILS; left > 0 && items.next(); left--) {
    const reason = items.value.textOf("reason");
    if (reason.length > 0) return reason;
  }
  return "";
}

/** Capital letters and _ only: a message repeats it. */
function isWord(text: string): bool {
  if (text.length < 1 || text.length > 64) return false;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    if ((letter < 65 || letter > 90) && letter !== 95) return false;
  }
  return true;
}
