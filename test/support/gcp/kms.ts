/** KMS of the Google stand-in: the REST form of google.cloud.kms.v1. It refuses each member, query and value that KMS does not have. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { crc32c } from "../crc32c.ts";
import type { Received, Sent } from "../listener.ts";
import { answering, json, Refused, type Tokens } from "./tokens.ts";

export interface FakeVersion {
  state: string;
  readonly key: Buffer;
}

export interface FakeKey {
  readonly name: string;
  purpose: string;
  algorithm: string;
  protectionLevel: string;
  /** By their numbers, from 1. */
  readonly versions: FakeVersion[];
  /** 0: none. */
  primary: number;
}

/** An answer that the next requests get in place of their own. */
export interface Fault {
  readonly status: number;
  readonly code: string;
  readonly message?: string;
  readonly reason?: string;
  /** How many requests. */
  times: number;
  /** Only this operation. */
  readonly operation?: string;
}

/** The permissions of the two roles that the host needs. */
export const KEY_USE = [
  "cloudkms.cryptoKeys.get",
  "cloudkms.cryptoKeyVersions.useToEncrypt",
  "cloudkms.cryptoKeyVersions.useToDecrypt",
];
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  encrypt: [
    "plaintext",
    "additionalAuthenticatedData",
    "plaintextCrc32c",
    "additionalAuthenticatedDataCrc32c",
  ],
  decrypt: [
    "ciphertext",
    "additionalAuthenticatedData",
    "ciphertextCrc32c",
    "additionalAuthenticatedDataCrc32c",
  ],
  testIamPermissions: ["permissions"],
};
/** As the ciphertexts of KMS begin; the rest is the stand-in's own. */
const PREFIX = Buffer.from("0a2400", "hex");
const KEY = /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/;

export class FakeKms {
  readonly keys = new Map<string, FakeKey>();
  readonly faults: Fault[] = [];
  /** The permissions of each member on every key. */
  readonly granted = new Map<string, Set<string>>();
  /** Changes the next answer on its way. */
  tamper: ((body: Record<string, unknown>) => void) | undefined;
  readonly #tokens: Tokens;

  constructor(tokens: Tokens) {
    this.#tokens = tokens;
  }

  /** Creates a symmetric key with one version. */
  create(name = randomBytes(6).toString("hex"), protectionLevel = "SOFTWARE"): FakeKey {
    const key: FakeKey = {
      name: `projects/kleidi-test/locations/europe-west3/keyRings/clusters/cryptoKeys/${name}`,
      purpose: "ENCRYPT_DECRYPT",
      algorithm: protectionLevel.startsWith("EXTERNAL")
        ? "EXTERNAL_SYMMETRIC_ENCRYPTION"
        : "GOOGLE_SYMMETRIC_ENCRYPTION",
      protectionLevel,
      versions: [],
      primary: 0,
    };
    rotate(key);
    this.keys.set(key.name, key);
    return key;
  }

  answer(request: Received): Sent {
    return answering(() => {
      const [, name = "", operation = "get"] = /^\/v1\/([^:]+)(?::(\w+))?$/.exec(request.path) ?? [];
      const fault = this.faults.find(({ operation: only }) => only === undefined || only === operation);
      if (fault !== undefined) {
        if (--fault.times === 0) this.faults.splice(this.faults.indexOf(fault), 1);
        throw new Refused(fault.status, fault.code, fault.message ?? "", fault.reason);
      }
      return this.#perform(name, operation, request);
    });
  }

  #perform(name: string, operation: string, request: Received): Sent {
    const { method, query, headers } = request;
    // Google's SDK asks for numbers in place of the names of enums, and reads both.
    if ([...query.keys()].some((each) => each !== "$alt")) throw invalid("Cannot bind query parameter.");
    const { member } = this.#tokens.verify(request, ["cloud-platform", "cloudkms"]);
    if (operation === "get") {
      if (method !== "GET" || !KEY.test(name)) throw new Refused(404, "NOT_FOUND", "Method not found.");
      return json(200, this.#described(this.#find(name, member, "cloudkms.cryptoKeys.get")));
    }
    if (method !== "POST" || MEMBERS[operation] === undefined)
      throw new Refused(404, "NOT_FOUND", "Method not found.");
    if (headers["content-type"] !== "application/json") throw invalid("content-type");
    const input = parsed(operation, request.body);
    if (operation === "testIamPermissions") return this.#tested(name, member, input);
    const answer =
      operation === "encrypt" ? this.#encrypt(name, member, input) : this.#decrypt(name, member, input);
    this.tamper?.(answer);
    this.tamper = undefined;
    return json(200, answer);
  }

  #described(key: FakeKey) {
    const { name, purpose, primary, protectionLevel, algorithm } = key;
    const state = key.versions[primary - 1]?.state;
    return {
      name,
      ...(primary === 0
        ? {}
        : {
            primary: {
              name: versionName(key, primary),
              ...{ state, protectionLevel, algorithm, createTime: "2026-11-27T10:00:00.123456789Z" },
            },
          }),
      purpose,
      createTime: "2026-11-27T10:00:00.123456789Z",
      versionTemplate: { protectionLevel, algorithm },
      destroyScheduledDuration: "2592000s",
    };
  }

  #tested(name: string, member: string, { permissions }: Input): Sent {
    if (!Array.isArray(permissions)) throw invalid("permissions");
    const given = this.keys.has(name) ? (this.granted.get(member) ?? new Set(KEY_USE)) : new Set();
    const both = permissions.filter((each) => given.has(each));
    return json(200, both.length === 0 ? {} : { permissions: both });
  }

  #encrypt(name: string, member: string, input: Input): Record<string, unknown> {
    const [, of = "", number] = /^(.+?)(?:\/cryptoKeyVersions\/(\d+))?$/.exec(name) ?? [];
    const key = this.#find(of, member, "cloudkms.cryptoKeyVersions.useToEncrypt");
    const version = number === undefined ? key.primary : Number(number);
    const { key: secret } = this.#usable(key, version);
    const [plaintext, aad] = [
      blob(input, "plaintext", 65_536),
      blob(input, "additionalAuthenticatedData", 65_536),
    ];
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", secret, iv).setAAD(aad);
    const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    const ciphertext = Buffer.concat([PREFIX, idOf(key), Buffer.from([version]), iv, sealed]);
    return {
      name: versionName(key, version),
      ciphertext: ciphertext.toString("base64"),
      ciphertextCrc32c: String(crc32c(ciphertext)),
      ...verified(input, "plaintext", "verifiedPlaintextCrc32c"),
      ...verified(input, "additionalAuthenticatedData", "verifiedAdditionalAuthenticatedDataCrc32c"),
      protectionLevel: key.protectionLevel,
    };
  }

  #decrypt(name: string, member: string, input: Input): Record<string, unknown> {
    if (!KEY.test(name)) throw new Refused(404, "NOT_FOUND", "Method not found.");
    const key = this.#find(name, member, "cloudkms.cryptoKeyVersions.useToDecrypt");
    const [ciphertext, aad] = [
      blob(input, "ciphertext", 131_072),
      blob(input, "additionalAuthenticatedData", 65_536),
    ];
    if (ciphertext.length < 64 || !ciphertext.subarray(0, 3).equals(PREFIX))
      throw invalid("Decryption failed: the ciphertext is invalid.");
    if (!ciphertext.subarray(3, 35).equals(idOf(key)))
      throw invalid("Decryption failed: verify that 'name' refers to the correct CryptoKey.");
    const version = ciphertext[35] ?? 0;
    const { key: secret } = this.#usable(key, version);
    const opener = createDecipheriv("aes-256-gcm", secret, ciphertext.subarray(36, 48));
    opener.setAAD(aad).setAuthTag(ciphertext.subarray(-16));
    try {
      const plaintext = Buffer.concat([opener.update(ciphertext.subarray(48, -16)), opener.final()]);
      return {
        plaintext: plaintext.toString("base64"),
        plaintextCrc32c: String(crc32c(plaintext)),
        ...(version === key.primary ? { usedPrimary: true } : {}),
        protectionLevel: key.protectionLevel,
      };
    } catch {
      throw invalid("Decryption failed: the ciphertext is invalid.");
    }
  }

  #find(name: string, member: string, permission: string): FakeKey {
    const key = this.keys.get(name);
    const given = this.granted.get(member) ?? new Set(KEY_USE);
    if (!given.has(permission))
      throw new Refused(
        403,
        "PERMISSION_DENIED",
        `Permission '${permission}' denied on resource '${name}' (or it may not exist).`,
        "IAM_PERMISSION_DENIED",
      );
    if (key === undefined) throw new Refused(404, "NOT_FOUND", `CryptoKey ${name} not found.`);
    return key;
  }

  #usable(key: FakeKey, number: number): FakeVersion {
    const version = key.versions[number - 1];
    if (number === 0) throw precondition(`CryptoKey ${key.name} has no primary version set.`);
    if (version === undefined)
      throw new Refused(404, "NOT_FOUND", `CryptoKeyVersion ${versionName(key, number)} not found.`);
    if (version.state !== "ENABLED")
      throw precondition(`${versionName(key, number)} is not enabled, current state is: ${version.state}.`);
    return version;
  }
}

/** Gives a key another version, which becomes the primary one. */
export function rotate(key: FakeKey): void {
  key.versions.push({ state: "ENABLED", key: randomBytes(32) });
  key.primary = key.versions.length;
}

export function versionName({ name }: FakeKey, number: number): string {
  return `${name}/cryptoKeyVersions/${number}`;
}

type Input = Readonly<Record<string, unknown>>;

function parsed(operation: string, body: Buffer): Input {
  let input: unknown;
  try {
    input = JSON.parse(body.toString());
  } catch {
    throw invalid("Invalid JSON payload received.");
  }
  if (typeof input !== "object" || input === null) throw invalid("Invalid JSON payload received.");
  // Google's SDK repeats the name of the path.
  const unknown = Object.keys(input).find((name) => name !== "name" && !MEMBERS[operation]?.includes(name));
  if (unknown !== undefined)
    throw invalid(`Invalid JSON payload received. Unknown name "${unknown}": Cannot find field.`);
  return input as Input;
}

function blob(input: Input, name: string, most: number): Buffer {
  const text = input[name] ?? "";
  const bytes = typeof text === "string" ? Buffer.from(text, "base64") : undefined;
  if (bytes === undefined || bytes.toString("base64") !== text)
    throw invalid(`Invalid value at '${name}' (TYPE_BYTES), Base64 decoding failed`);
  if (bytes.length > most)
    throw invalid(`The length of '${name}' is ${bytes.length} bytes, which is larger than the maximum.`);
  const crc = input[`${name}Crc32c`];
  if (crc !== undefined && String(crc) !== String(crc32c(bytes)))
    throw invalid(`The checksum in field ${name}_crc32c did not match the data in field ${name}.`);
  return bytes;
}

function verified(input: Input, name: string, member: string): Record<string, unknown> {
  return input[`${name}Crc32c`] === undefined ? {} : { [member]: true };
}

function idOf({ name }: FakeKey): Buffer {
  return createHash("sha256").update(name).digest();
}

function invalid(message: string): Refused {
  return new Refused(400, "INVALID_ARGUMENT", message);
}

function precondition(message: string): Refused {
  return new Refused(400, "FAILED_PRECONDITION", message);
}
