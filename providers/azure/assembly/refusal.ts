/** Maps an error of a vault to a failure with its remedy. */
import { FailureCode, JsonValue, NetResponse, trouble } from "../../../sdk/assemblyscript/assembly";
import { KeyName } from "./name";

/** Of an Azure resource in a message. */
const MAX_SCOPE = 220;

export class Refusal {
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
    let code = "";
    let text = "";
    let inner = "";
    if (document != null) {
      const error = document.get("error");
      if (error != null) {
        code = error.textOf("code");
        text = error.textOf("message");
        const more = error.get("innererror");
        if (more != null) inner = more.textOf("code");
      }
    }
    if (status === 401) this.credential(text);
    else if (inner === "KeyDisabled") {
      this.unusable(
        `it or its version is disabled; enable it: az keyvault key set-attributes --enabled true --name ${this.name.text}`,
      );
    } else if (inner === "KeyOperationForbidden") {
      this.unusable(
        `its operations exclude this one; allow it: az keyvault key set-attributes --ops wrapKey unwrapKey --name ${this.name.text}`,
      );
    } else if (inner === "KeyNotYetValid" || inner === "KeyExpired") {
      this.unusable(
        `it is outside of its time; change that: az keyvault key set-attributes --expires TIME --not-before TIME --name ${this.name.text}`,
      );
    } else if (status === 403) this.denied(response, code, inner, text);
    else if (status === 404 && code.length > 0) {
      this.unusable(
        `there is no such key or version; a deleted one can be recovered until it is purged: az keyvault key recover --name ${this.name.text}`,
      );
    } else if (status === 409 && code.length > 0) {
      this.unusable(`it is deleted; recover it: az keyvault key recover --name ${this.name.text}`);
    } else if (status === 429) {
      this.note(
        FailureCode.UNREACHABLE,
        "too many requests for the vault; if this lasts, use a vault for the clusters alone, or a Managed HSM",
      );
    } else if (status >= 500) {
      this.note(
        FailureCode.UNREACHABLE,
        `the vault failed (${response.kind}); this ends by itself, see the status page of Azure`,
      );
    } else if (status === 400 && code === "BadParameter" && this.operation === "decrypt") {
      this.note(FailureCode.NOT_OURS, "the wrapped key was not made with this version of it, or was changed");
    } else {
      const what = isWord(code) ? `the error ${code}` : "an answer without an error of a vault";
      this.note(
        FailureCode.FAULT,
        `${what} (${response.kind}), which this provider does not know; is the grant's origin a vault, and the setting "apiVersion" one that it knows?`,
      );
    }
  }

  private credential(text: string): void {
    let remedy = "look at the source in credential.azure";
    if (text.includes("AKV10022")) remedy = "it is for another audience; look at credential.azure.resource";
    else if (text.includes("AKV10032"))
      remedy = "the vault belongs to another tenant; look at credential.azure.tenant";
    this.note(FailureCode.CREDENTIAL_REFUSED, `the access token is not valid: ${remedy}`);
  }

  private denied(response: NetResponse, code: string, inner: string, text: string): void {
    if (inner === "ForbiddenByFirewall" || inner === "ForbiddenByConnection") {
      return this.note(
        FailureCode.CREDENTIAL_REFUSED,
        "the network rules of the vault refuse this machine; add its address (az keyvault network-rule add), or use a private endpoint",
      );
    }
    if (code.length === 0) {
      return this.note(
        FailureCode.CREDENTIAL_REFUSED,
        `refused by something else than a vault (${response.kind}): is there a proxy before it?`,
      );
    }
    const object = between(text, "oid=", ";");
    const who = isObject(object) ? object : "OBJECT";
    if (inner === "ForbiddenByPolicy") {
      return this.note(
        FailureCode.CREDENTIAL_REFUSED,
        `access denied; add to the vault's access policy: az keyvault set-policy --name VAULT --object-id ${who} --key-permissions get list wrapKey unwrapKey`,
      );
    }
    const resource = between(text, "Resource: '", "'");
    const scope = isScope(resource) ? resource : "KEY";
    this.note(
      FailureCode.CREDENTIAL_REFUSED,
      `access denied; add the role: az role assignment create --role "Key Vault Crypto Service Encryption User" --assignee ${who} --scope ${scope}`,
    );
  }

  private unusable(what: string): void {
    this.note(FailureCode.KEY_UNUSABLE, what);
  }

  private note(code: FailureCode, what: string): void {
    trouble(code, `Cannot ${this.action}: ${what}`);
  }
}

/** The text between two others; "" if it is not there. */
function between(text: string, before: string, after: string): string {
  const at = text.indexOf(before);
  if (at < 0) return "";
  const end = text.indexOf(after, at + before.length);
  return end < 0 ? "" : text.slice(at + before.length, end);
}

/** The id of an object: a message repeats it. */
function isObject(text: string): bool {
  if (text.length !== 36) return false;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    const lower = letter | 0x20;
    if (!((letter >= 48 && letter <= 57) || (lower >= 97 && lower <= 102) || letter === 45)) return false;
  }
  return true;
}

/** A path of letters, digits and -._/ that a message repeats. */
function isScope(text: string): bool {
  if (!text.startsWith("/subscriptions/") || text.length > MAX_SCOPE) return false;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    const lower = letter | 0x20;
    const word = (letter >= 48 && letter <= 57) || (lower >= 97 && lower <= 122);
    if (!word && letter !== 95 && (letter < 45 || letter > 47)) return false;
  }
  return true;
}

function isWord(text: string): bool {
  if (text.length < 1 || text.length > 64) return false;
  for (let i = 0; i < text.length; i++) {
    const lower = text.charCodeAt(i) | 0x20;
    if (lower < 97 || lower > 122) return false;
  }
  return true;
}
