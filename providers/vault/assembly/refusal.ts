/** Maps an error answer to a failure with its remedy. The texts are OpenBao's; HashiCorp Vault has the same ones. */
import { decimal, FailureCode, JsonValue, NetResponse, trouble } from "../../../sdk/assemblyscript/assembly";
import { isMissing, meaningOf } from "./meaning";
import { Place } from "./place";

/** Maximum length of the server's text in a message: the host logs only 512 bytes. */
const MAX_QUOTE = 160;
/** Maximum number of errors to read from an answer. */
const MAX_ERRORS = 8;

export class Refusal {
  /** The requested version; 0 if none. */
  number: u32 = 0;
  /** The plaintext or ciphertext of the request, which no message may repeat. */
  withheld: string = "";

  constructor(
    private place: Place,
    private operation: string,
  ) {}

  /** Completes "Cannot …". */
  get action(): string {
    const verb = this.operation === "keys" ? "read" : this.operation + " with";
    return `${verb} the key ${this.place.toString()}`;
  }

  /** Notes the trouble. `document` is the answer's body, null if it is not JSON. */
  explain(response: NetResponse, document: JsonValue | null): void {
    const text = document == null ? "" : errorsOf(document);
    const status = response.status;
    const meaning = meaningOf(text, this.number);
    if (status === 401 || status === 403) this.denied(status, text);
    else if (status >= 500 || status === 412 || status === 429 || status === 472 || status === 473) {
      this.later(response, text);
    } else if (status === 307 || status === 308) this.standby();
    else if (status === 400 && meaning !== null) this.note(meaning.code, meaning.what);
    else if (status === 400 && isMissing(text, this.operation)) this.missing();
    else if (status === 404 && isRefusal(document)) this.notFound(text);
    else if (status >= 300 && status < 400) {
      this.note(
        FailureCode.FAULT,
        `a redirect (${response.kind}), which is not followed; write the server's own origin into the grant`,
      );
    } else
      this.note(
        FailureCode.FAULT,
        `an answer that this provider does not know (${response.kind})${this.quote(text)}`,
      );
  }

  private denied(status: u32, text: string): void {
    const capability = this.operation === "keys" ? "read" : "update";
    const line = `path "${this.place.inPolicy(this.operation)}" { capabilities = ["${capability}"] }`;
    // The text for an invalid token; a policy's is "1 error occurred: * permission denied".
    const known = text !== "permission denied" && !text.includes("invalid token");
    let what = known
      ? `the credential's policy lacks ${line}`
      : `the credential is expired, revoked or of another server; if it is not, its policy lacks ${line}`;
    // A token with only "update" may not create a key, and encrypting with a missing key would create one.
    if (known && this.operation === "encrypt") what += "; the server says so too where the key is missing";
    this.note(FailureCode.CREDENTIAL_REFUSED, `permission denied (status ${decimal(status)}): ${what}`);
  }

  /** The server, or a proxy before it, cannot answer now. */
  private later(response: NetResponse, text: string): void {
    const status = response.status;
    if (text.includes("sealed")) return this.wait("the server is sealed; unseal it");
    if (status === 473) return this.standby();
    if (text.includes("standby") || text.includes("not active") || text.includes("no active")) {
      return this.wait(
        "no node of the cluster is active; this ends with an election, else repair the cluster",
      );
    }
    if (status === 472)
      return this.wait(
        "the server is a secondary for disaster recovery; write the primary's origin into the grant",
      );
    if (text.includes("quota")) {
      return this.wait(
        "a quota is exceeded (status 429); raise it under sys/quotas, or share it with fewer clients",
      );
    }
    if (status === 429) return this.wait("too many requests for now (status 429)");
    if (status === 501) return this.wait("the server is not initialized");
    if (text.includes("locked")) return this.wait("the namespace is locked; unlock it");
    this.wait(`the server, or a proxy before it, failed (${response.kind})${this.quote(text)}`);
  }

  private standby(): void {
    this.wait(
      "the server is a standby without forwarding, or a proxy redirects, which the host does not follow; if this lasts longer than a failover, write the active node's origin into the grant",
    );
  }

  private notFound(text: string): void {
    if (text.includes("no handler for route") || text.includes("unsupported path")) {
      return this.note(
        FailureCode.KEY_UNUSABLE,
        'no Transit engine is mounted there; see the settings "mount" and "namespace"',
      );
    }
    this.missing();
  }

  private missing(): void {
    this.note(
      FailureCode.KEY_UNUSABLE,
      `there is no such key; restore it from a backup, or, if nothing was encrypted with it, create it (bao write -f ${this.place.inPolicy("keys")})`,
    );
  }

  private wait(what: string): void {
    this.note(FailureCode.UNREACHABLE, what);
  }

  private note(code: FailureCode, what: string): void {
    trouble(code, `Cannot ${this.action}: ${what}`);
  }

  /** Returns the server's text, unless it repeats data of the request. */
  private quote(text: string): string {
    if (text.length === 0) return "";
    if (this.withheld.length > 0 && text.includes(this.withheld)) return "; its words repeat the request";
    const out = new Uint8Array(MAX_QUOTE);
    let size = 0;
    for (let i = 0; i < text.length && size < MAX_QUOTE; i++) {
      const letter = text.charCodeAt(i);
      // White space, control characters and non-ASCII characters become one space.
      if (letter > 0x20 && letter < 0x7f) out[size++] = letter as u8;
      else if (size > 0 && out[size - 1] !== 0x20) out[size++] = 0x20;
    }
    if (size > 0 && out[size - 1] === 0x20) size--;
    return `: "${String.UTF8.decodeUnsafe(out.dataStart, size)}"`;
  }
}

/** Checks if the server itself answered: a proxy's page has no list of errors. */
function isRefusal(document: JsonValue | null): bool {
  return document != null && document.get("errors") != null;
}

/** Returns all errors of an answer: `{"errors":["…"]}`. */
function errorsOf(document: JsonValue): string {
  const errors = document.get("errors");
  if (errors == null) return "";
  const items = errors.elements();
  let all = "";
  for (let left = MAX_ERRORS; left > 0 && items.next(); left--) {
    const text = items.value.text();
    if (text != null) all += (all.length > 0 ? "; " : "") + text;
  }
  return all;
}
