/** Maps an error of KMS to a failure with its remedy. KMS names an error in `__type`; the status only says whose fault it is. */
import { decimal, FailureCode, JsonObject, JsonValue, trouble } from "../../../sdk/assemblyscript/assembly";
import { KeyName } from "./name";
import { stateTrouble } from "./state";

/** The longest ARN or name that a message repeats. */
const MAX_QUOTE = 128;

export class Refusal {
  constructor(
    private name: KeyName,
    private operation: string,
  ) {}

  /** Completes "Cannot …". */
  get action(): string {
    const verb = this.operation === "DescribeKey" ? "read" : this.operation.toLowerCase() + " with";
    return `${verb} the key ${this.name.toString()}`;
  }

  /** Notes the trouble. `document`: the body, null if it is not JSON. */
  explain(status: u32, document: JsonValue | null): void {
    const code = document == null ? "" : codeOf(document);
    const text = document == null ? "" : messageOf(document);
    if (code === "AccessDeniedException" || code === "AccessDenied") return this.denied(text);
    if (code === "NotFoundException") return this.missing(text);
    if (isOverload(code) || status === 429 || status >= 500) return this.later(status, code);
    if (isCredential(code)) return this.credential(code, text);
    if (code === "DisabledException") return stateTrouble(this.action, this.name.text, "Disabled");
    if (code === "KMSInvalidStateException") return stateTrouble(this.action, this.name.text, stateIn(text));
    if (code === "InvalidCiphertextException") {
      return this.note(
        FailureCode.NOT_OURS,
        "the ciphertext was not made with this key and associated data, or was changed",
      );
    }
    if (code === "IncorrectKeyException") {
      return this.note(FailureCode.NOT_OURS, "the ciphertext was made with another key");
    }
    if (code === "InvalidKeyUsageException" || code === "UnsupportedOperationException") {
      return this.note(
        FailureCode.KEY_UNUSABLE,
        "it is not a key for encryption; create one (aws kms create-key)",
      );
    }
    if (code === "InvalidArnException") {
      return this.note(
        FailureCode.KEY_UNUSABLE,
        `KMS does not accept its name; write its ARN into the setting "key"`,
      );
    }
    const what = code.length > 0 ? `"${code.slice(0, 64)}"` : "an answer without an error of KMS";
    this.note(
      FailureCode.FAULT,
      `${what} (status ${decimal(status)}), which this provider does not know; is the grant's origin an endpoint of KMS?`,
    );
  }

  private denied(text: string): void {
    const action = "kms:" + this.operation;
    const resource = arnIn(text, "on resource: ");
    const key = resource.length > 0 ? resource : this.name.isAlias ? "ARN of the key" : this.name.text;
    const statement = new JsonObject()
      .text("Effect", "Allow")
      .text("Action", action)
      .text("Resource", key)
      .toString();
    let remedy = `add to the policy of the host's identity: ${statement}`;
    if (text.includes("explicit deny"))
      remedy = `a policy denies ${action} explicitly: remove that, or its condition`;
    else if (text.includes("no resource-based policy")) {
      remedy = `the key policy must allow ${action} to the host's identity, or to its account`;
    } else if (text.includes("The ciphertext refers to")) {
      remedy = `the ciphertext is of a key that does not exist here or that the host's identity may not use: ${statement}`;
    }
    const who = arnIn(text, "User: ");
    this.note(
      FailureCode.CREDENTIAL_REFUSED,
      `access denied${who.length > 0 ? " for " + who : ""}: ${remedy}`,
    );
  }

  private missing(text: string): void {
    if (text.includes("Invalid arn")) {
      return this.note(
        FailureCode.KEY_UNUSABLE,
        "it is in another Region or partition; write the endpoint of its Region into the grant's origin, and the Region into credential.aws.region",
      );
    }
    const what = this.name.isAlias ? "alias" : "key";
    this.note(
      FailureCode.KEY_UNUSABLE,
      `there is no such ${what} in this Region and account; look at the setting "key" and at the Region; a deleted key cannot be restored`,
    );
  }

  private later(status: u32, code: string): void {
    const what = code.length > 0 ? code.slice(0, 64) : "no error code";
    const advice = code.startsWith("Throttling") || code.startsWith("LimitExceeded") || status === 429;
    this.note(
      FailureCode.UNREACHABLE,
      advice
        ? `too many requests for the account in this Region (${what}); if this lasts, raise the quota of KMS (cryptographic operations, symmetric)`
        : `KMS failed, or its key store did (status ${decimal(status)}, ${what}); this ends by itself, see the AWS Health Dashboard`,
    );
  }

  private credential(code: string, text: string): void {
    let remedy = "the keys are not valid: look at the source in credential.aws";
    if (text.includes("scoped to a valid region")) {
      remedy =
        "the signature is for another Region; credential.aws.region must be the Region of the grant's origin";
    } else if (text.includes("Signature expired") || text.includes("not yet current")) {
      remedy = "the clock of this machine is wrong; set it (timedatectl set-ntp true)";
    } else if (code.startsWith("ExpiredToken")) {
      remedy = "the keys have expired, and their source gave no others yet";
    } else if (code.startsWith("InvalidSignature")) {
      remedy = "the secret access key does not fit its id, or a proxy changes requests";
    } else if (code.startsWith("MissingAuthentication")) {
      remedy = "the request is not signed; the grant needs credential.aws";
    }
    this.note(FailureCode.CREDENTIAL_REFUSED, `${code.slice(0, 64)}: ${remedy}`);
  }

  private note(code: FailureCode, what: string): void {
    trouble(code, `Cannot ${this.action}: ${what}`);
  }
}

/** Errors that end by themselves: KMS asks to be called again. */
function isOverload(code: string): bool {
  return (
    code === "ThrottlingException" ||
    code === "Throttling" ||
    code === "LimitExceededException" ||
    code === "RequestLimitExceeded" ||
    code === "KMSInternalException" ||
    code === "DependencyTimeoutException" ||
    code === "KeyUnavailableException" ||
    code === "InternalFailure" ||
    code === "ServiceUnavailable"
  );
}

function isCredential(code: string): bool {
  return (
    code === "UnrecognizedClientException" ||
    code === "InvalidClientTokenId" ||
    code === "ExpiredTokenException" ||
    code === "ExpiredToken" ||
    code === "InvalidSignatureException" ||
    code === "IncompleteSignatureException" ||
    code === "IncompleteSignature" ||
    code === "MissingAuthenticationTokenException" ||
    code === "MissingAuthenticationToken" ||
    code === "RequestExpired" ||
    code === "OptInRequired"
  );
}

/** The state in the text of a KMSInvalidStateException: "arn:… is pending deletion." */
function stateIn(text: string): string {
  if (text.includes("pending deletion")) return "PendingDeletion";
  if (text.includes("pending replica deletion")) return "PendingReplicaDeletion";
  if (text.includes("pending import")) return "PendingImport";
  if (text.includes("disabled")) return "Disabled";
  if (text.includes("creating")) return "Creating";
  return "Unavailable";
}

/** `__type` may begin with a namespace and "#". Letters only: a message repeats it. */
function codeOf(document: JsonValue): string {
  const type = document.textOf("__type");
  const code = type.slice(type.indexOf("#") + 1);
  for (let i = 0; i < code.length; i++) {
    const lower = code.charCodeAt(i) | 0x20;
    if (lower < 97 || lower > 122) return "";
  }
  return code;
}

function messageOf(document: JsonValue): string {
  const text = document.textOf("message");
  return text.length > 0 ? text : document.textOf("Message");
}

/** Returns the ARN after some words; "" if none that a message may repeat follows. */
function arnIn(text: string, after: string): string {
  const at = text.indexOf(after);
  if (at < 0) return "";
  const rest = text.slice(at + after.length);
  let end = 0;
  while (end < rest.length && rest.charCodeAt(end) > 0x20 && rest.charCodeAt(end) < 0x7f) end++;
  const arn = rest.slice(0, end);
  return arn.startsWith("arn:") && end <= MAX_QUOTE && !arn.includes(`"`) ? arn : "";
}
