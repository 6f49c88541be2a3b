/** Keys of the Azure stand-in: Key Vault, and Managed HSM with its symmetric keys. It refuses each query, member and value that they do not have. */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from "node:crypto";
import type { Received, Sent } from "../listener.ts";
import { type Access, type FakeEntra, TENANT } from "./entra.ts";

/** Of a version. */
interface Material {
  readonly rsa?: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  readonly aes?: Buffer;
}

export interface FakeVersion extends Material {
  /** 32 hexadecimal digits. */
  readonly id: string;
  enabled: boolean;
  readonly created: number;
}

export interface FakeKey {
  readonly name: string;
  kty: string;
  operations: string[];
  /** The newest last. */
  readonly versions: FakeVersion[];
}

/** An answer that the next requests get in place of their own. */
export interface Fault {
  readonly status: number;
  readonly code: string;
  readonly inner?: string;
  times: number;
  /** Only this operation: "get", "versions", "wrapkey", "unwrapkey". */
  readonly operation?: string;
}

/** The actions of the role Key Vault Crypto Service Encryption User. */
export const KEY_USE = ["read", "wrap/action", "unwrap/action"];
const ACTIONS: Readonly<Record<string, string>> = {
  get: "read",
  versions: "read",
  wrapkey: "wrap/action",
  unwrapkey: "unwrap/action",
};
const KW_IV = Buffer.from("a6a6a6a6a6a6a6a6", "hex");

class Refused extends Error {
  readonly answer: Sent;
  constructor(status: number, code: string, message: string, inner?: string, headers = {}) {
    super(message);
    const innererror = inner === undefined ? {} : { innererror: { code: inner } };
    const body = JSON.stringify({ error: { code, message, ...innererror } });
    this.answer = { status, type: "application/json; charset=utf-8", headers, body };
  }
}

/** Made once: a key pair takes long. */
const pairs: NonNullable<Material["rsa"]>[] = [];

export class FakeVault {
  readonly keys = new Map<string, FakeKey>();
  readonly faults: Fault[] = [];
  /** The actions of each object; those of the role, if it is absent. */
  readonly granted = new Map<string, Set<string>>();
  resource = "https://vault.azure.net";
  readonly #entra: FakeEntra;
  readonly #origin: () => string;
  readonly #login: () => string;

  constructor(entra: FakeEntra, origin: () => string, login: () => string) {
    this.#entra = entra;
    this.#origin = origin;
    this.#login = login;
  }

  /** @param kty "RSA", "RSA-HSM", or "oct-HSM" of a Managed HSM */
  create(kty = "RSA", name = `kek-${randomBytes(4).toString("hex")}`): FakeKey {
    const operations = kty.startsWith("RSA")
      ? ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]
      : ["encrypt", "decrypt", "wrapKey", "unwrapKey"];
    const key: FakeKey = { name, kty, operations, versions: [] };
    this.keys.set(name, key);
    rotate(key);
    return key;
  }

  answer(request: Received): Sent {
    try {
      return this.#perform(request);
    } catch (error) {
      if (error instanceof Refused) return error.answer;
      throw error;
    }
  }

  #perform(request: Received): Sent {
    const { method, path, query } = request;
    // Without a version, it is the latest one.
    const [, name = "", version, operation = "get"] =
      /^\/keys\/([0-9A-Za-z-]{1,127})(?:\/([0-9a-f]{32}))?(?:\/|\/(versions|wrapkey|unwrapkey))?$/.exec(
        path,
      ) ?? [];
    const access = this.#accessOf(request);
    if (!/^7\.[0-9]$|^20\d\d-\d\d-\d\d$/.test(query.get("api-version") ?? ""))
      throw new Refused(400, "BadParameter", "api-version must be specified");
    const fault = this.faults.find(({ operation: only }) => only === undefined || only === operation);
    if (fault !== undefined) {
      if (--fault.times === 0) this.faults.splice(this.faults.indexOf(fault), 1);
      throw new Refused(fault.status, fault.code, "", fault.inner);
    }
    if (name === "" || method !== (operation.endsWith("key") ? "POST" : "GET"))
      throw new Refused(404, "NotFound", "");
    const action = ACTIONS[operation] ?? "";
    if (!(this.granted.get(access.object) ?? new Set(KEY_USE)).has(action))
      throw this.#denied(access, action, name);
    const key = this.keys.get(name);
    if (key === undefined)
      throw new Refused(
        404,
        "KeyNotFound",
        `A key with (name/id) ${name} was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command.`,
      );
    if (operation === "versions")
      return ok({ value: key.versions.map((each) => this.#listed(key, each)), nextLink: null });
    const found = version ? key.versions.find(({ id }) => id === version) : key.versions.at(-1);
    if (found === undefined)
      throw new Refused(404, "KeyNotFound", `A key with (name/id) ${name}/${version} was not found.`);
    if (operation === "get") return ok(this.#described(key, found));
    if (!found.enabled)
      throw new Refused(
        403,
        "Forbidden",
        `Operation ${operation} is not allowed on a disabled key.`,
        "KeyDisabled",
      );
    if (!key.operations.includes(operation === "wrapkey" ? "wrapKey" : "unwrapKey"))
      throw new Refused(
        403,
        "Forbidden",
        `Operation ${operation} is not permitted on this key.`,
        "KeyOperationForbidden",
      );
    const input = parsed(request, key);
    const value = operation === "wrapkey" ? wrap(found, input) : unwrap(found, input);
    return ok({ kid: this.#kid(key, found), value: value.toString("base64url") });
  }

  /** @throws Refused with the challenge that tells a client its tenant and resource */
  #accessOf(request: Received): Access {
    const challenge = `Bearer authorization="${this.#login()}/${TENANT}", resource="${this.resource}"`;
    const access = this.#entra.accessOf(request);
    const refused = (text: string) =>
      new Refused(401, "Unauthorized", text, undefined, { "www-authenticate": challenge });
    if (access === undefined) throw refused("AKV10000: Request is missing a Bearer or PoP token.");
    if (access.expires <= this.#entra.now())
      throw refused("AKV10004: Error validating token: IDX10223: Lifetime validation failed.");
    if (access.resource !== this.resource)
      throw refused(`AKV10022: Invalid audience. Expected ${this.resource}, found: ${access.resource}.`);
    if (access.tenant !== TENANT)
      throw refused("AKV10032: Invalid issuer. Expected one of https://sts.windows.net/");
    return access;
  }

  #denied({ client, object }: Access, action: string, name: string): Refused {
    const text = `Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid=${client};oid=${object};iss=https://sts.windows.net/${TENANT}/\r\nAction: 'Microsoft.KeyVault/vaults/keys/${action}'\r\nResource: '/subscriptions/0/resourcegroups/rg/providers/microsoft.keyvault/vaults/kek-vault/keys/${name}'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: kek-vault;location=westeurope\r\n`;
    return new Refused(403, "Forbidden", text, "ForbiddenByRbac");
  }

  #kid({ name }: FakeKey, { id }: FakeVersion): string {
    return `${this.#origin()}/keys/${name}/${id}`;
  }

  #listed(key: FakeKey, version: FakeVersion) {
    return { kid: this.#kid(key, version), attributes: attributesOf(version) };
  }

  #described(key: FakeKey, version: FakeVersion) {
    const jwk = version.rsa?.publicKey.export({ format: "jwk" }) ?? {};
    return {
      key: { kid: this.#kid(key, version), kty: key.kty, key_ops: key.operations, n: jwk.n, e: jwk.e },
      attributes: attributesOf(version),
    };
  }
}

/** Gives a key another version. The older ones unwrap further on. */
export function rotate(key: FakeKey): void {
  const made = key.kty.startsWith("RSA") ? { rsa: pairFor(key.versions.length) } : { aes: randomBytes(32) };
  const created = 1_795_596_000 + key.versions.length * 60;
  key.versions.push({ id: randomBytes(16).toString("hex"), enabled: true, created, ...made });
}

function pairFor(index: number): NonNullable<Material["rsa"]> {
  pairs[index] ??= generateKeyPairSync("rsa", { modulusLength: 2048 });
  return pairs[index];
}

function attributesOf({ enabled, created }: FakeVersion) {
  return { enabled, created, updated: created, recoveryLevel: "Recoverable+Purgeable", recoverableDays: 90 };
}

function parsed({ headers, body }: Received, key: FakeKey): Buffer {
  if (!headers["content-type"]?.startsWith("application/json"))
    throw new Refused(400, "BadParameter", "content-type");
  let input: Readonly<Record<string, unknown>>;
  try {
    input = JSON.parse(body.toString());
  } catch {
    throw new Refused(400, "BadParameter", "JSON");
  }
  const { alg, value, ...more } = input;
  if (Object.keys(more).length > 0) throw new Refused(400, "BadParameter", Object.keys(more).join());
  if (alg !== (key.kty.startsWith("RSA") ? "RSA-OAEP-256" : "A256KW"))
    throw new Refused(400, "BadParameter", `Algorithm ${alg} is not supported for this key.`);
  const bytes = typeof value === "string" ? Buffer.from(value, "base64url") : Buffer.alloc(0);
  if (bytes.length === 0 || bytes.toString("base64url") !== value)
    throw new Refused(400, "BadParameter", "value");
  return bytes;
}

function wrap({ rsa, aes }: FakeVersion, value: Buffer): Buffer {
  if (rsa !== undefined)
    return publicEncrypt(
      { key: rsa.publicKey, oaepHash: "sha256", padding: constants.RSA_PKCS1_OAEP_PADDING },
      value,
    );
  const cipher = createCipheriv("aes256-wrap" as "aes-256-cbc", aes ?? "", KW_IV);
  return Buffer.concat([cipher.update(value), cipher.final()]);
}

function unwrap({ rsa, aes }: FakeVersion, value: Buffer): Buffer {
  try {
    if (rsa !== undefined)
      return privateDecrypt(
        { key: rsa.privateKey, oaepHash: "sha256", padding: constants.RSA_PKCS1_OAEP_PADDING },
        value,
      );
    const decipher = createDecipheriv("aes256-wrap" as "aes-256-cbc", aes ?? "", KW_IV);
    return Buffer.concat([decipher.update(value), decipher.final()]);
  } catch {
    throw new Refused(400, "BadParameter", "The parameter is incorrect.\r\n");
  }
}

function ok(body: unknown): Sent {
  return { status: 200, type: "application/json; charset=utf-8", body: JSON.stringify(body) };
}
