/**
 * A provider for a KMS with three requests over HTTP:
 *
 *     GET  /v1/keys/KEY          → {"version":"3"}
 *     POST /v1/keys/KEY/encrypt  {"version":"3","plaintext":BASE64,"associatedData":BASE64} → {"ciphertext":BASE64}
 *     POST /v1/keys/KEY/decrypt  {"version":"3","ciphertext":BASE64,"associatedData":BASE64} → {"plaintext":BASE64}
 *
 * KEY is the setting "key" of the configuration, or the key's name there. Replace the requests and the answers with those of your KMS.
 */
import {
  base64,
  DecryptReply,
  DecryptRequest,
  EncryptReply,
  EncryptRequest,
  FailureCode,
  fail,
  HostCode,
  HostReply,
  JsonObject,
  JsonValue,
  json,
  NetHeader,
  NetResponse,
  net,
  Provider,
  refuse,
  Setting,
  StatusReply,
  StatusRequest,
  serve,
} from "./kleidi";

export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "./kleidi";

const KEY_UNUSABLE = FailureCode.KEY_UNUSABLE;
const FAULT = FailureCode.FAULT;

class Http extends Provider {
  status(request: StatusRequest): StatusReply {
    const path = pathOf(request.key, request.settings);
    if (path.length === 0) return fail<StatusReply>(KEY_UNUSABLE, USAGE);
    const reply = net.request("GET", path, [], new Uint8Array(0));
    if (!reply.ok) return fail<StatusReply>(hostCodeOf(reply), reply.message);
    const response = net.responseOf(reply);
    if (response == null || response.status !== 200)
      return fail<StatusReply>(withoutCiphertext(codeOf(response)), messageOf(response));
    const version = textOf(json.parse(response.body), "version");
    if (!isVersion(version)) return fail<StatusReply>(FAULT, "the KMS named a malformed version");
    return new StatusReply(version);
  }

  encrypt(request: EncryptRequest): EncryptReply {
    const path = pathOf(request.key, request.settings);
    if (path.length === 0 || !isVersion(request.version)) return fail<EncryptReply>(KEY_UNUSABLE, USAGE);
    const body = new JsonObject()
      .text("version", request.version)
      .text("plaintext", base64.encode(request.plaintext))
      .text("associatedData", base64.encode(request.associated_data));
    const reply = net.request("POST", path + "/encrypt", JSON_TYPE, body.finish());
    if (!reply.ok) return fail<EncryptReply>(hostCodeOf(reply), reply.message);
    const response = net.responseOf(reply);
    if (response == null || response.status !== 200) {
      return fail<EncryptReply>(withoutCiphertext(codeOf(response)), messageOf(response));
    }
    const ciphertext = base64.decode(textOf(json.parse(response.body), "ciphertext"));
    if (ciphertext == null || ciphertext.length === 0 || ciphertext.length > 1023)
      return fail<EncryptReply>(FAULT, "the ciphertext of the KMS is not 1 to 1023 bytes");
    return new EncryptReply(ciphertext);
  }

  decrypt(request: DecryptRequest): DecryptReply {
    const path = pathOf(request.key, request.settings);
    if (path.length === 0 || !isVersion(request.version)) return fail<DecryptReply>(KEY_UNUSABLE, USAGE);
    if (request.ciphertext.length === 0) return refuse("it is empty");
    const body = new JsonObject()
      .text("version", request.version)
      .text("ciphertext", base64.encode(request.ciphertext))
      .text("associatedData", base64.encode(request.associated_data));
    const reply = net.request("POST", path + "/decrypt", JSON_TYPE, body.finish());
    if (!reply.ok) return fail<DecryptReply>(hostCodeOf(reply), reply.message);
    const response = net.responseOf(reply);
    if (response == null || response.status !== 200)
      return fail<DecryptReply>(codeOf(response), messageOf(response));
    const plaintext = base64.decode(textOf(json.parse(response.body), "plaintext"));
    if (plaintext == null || plaintext.length === 0 || plaintext.length > 512)
      return fail<DecryptReply>(FAULT, "the plaintext of the KMS is not 1 to 512 bytes");
    return new DecryptReply(plaintext);
  }
}

serve(new Http());

const JSON_TYPE: NetHeader[] = [new NetHeader("content-type", "application/json")];
const USAGE = "the only setting is key; a key's name is letters, digits, - and _; a version is printable";
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

/** "" for a setting that is not known, which was meant to have an effect, and for a key that cannot be in a path. */
function pathOf(name: string, settings: Setting[]): string {
  let key = name;
  for (let i = 0; i < settings.length; i++) {
    if (settings[i].name !== "key") return "";
    key = settings[i].value;
  }
  for (let i = 0; i < key.length; i++) if (!LETTERS.includes(key.charAt(i))) return "";
  return key.length === 0 ? "" : "/v1/keys/" + key;
}

/** 1 to 128 printable characters without a space. */
function isVersion(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return text.length > 0 && text.length <= 128;
}

/** The text of a member; "" if it is missing or no text. */
function textOf(document: JsonValue | null, name: string): string {
  if (document == null) return "";
  const member = document.get(name);
  if (member == null) return "";
  const text = member.text();
  return text == null ? "" : text;
}

/** Not failFrom: in kleidi:net, NOT_AUTHENTIC is a refused login of the host. */
function hostCodeOf(reply: HostReply): FailureCode {
  if (reply.code === HostCode.NOT_AUTHENTIC) return FailureCode.CREDENTIAL_REFUSED;
  return reply.code === HostCode.UNAVAILABLE || reply.code === HostCode.LIMIT
    ? FailureCode.UNREACHABLE
    : FAULT;
}

function codeOf(response: NetResponse | null): FailureCode {
  if (response == null) return FAULT;
  const status = response.status;
  if (status === 400) return FailureCode.NOT_OURS;
  if (status === 404 || status === 409) return KEY_UNUSABLE;
  if (status === 401 || status === 403) return FailureCode.CREDENTIAL_REFUSED;
  return status === 429 || status >= 500 ? FailureCode.UNREACHABLE : FAULT;
}

/** Only Decrypt gets a ciphertext that can be of somebody else. */
function withoutCiphertext(code: FailureCode): FailureCode {
  return code === FailureCode.NOT_OURS ? FAULT : code;
}

function messageOf(response: NetResponse | null): string {
  return response == null
    ? "the host's answer is not a response"
    : "the KMS answered with the status " + response.status.toString();
}
