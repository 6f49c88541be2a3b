/** KMS of the AWS stand-in: TrentService over the AWS JSON 1.1 protocol. It refuses each member, header and value that KMS does not have. */
import { createCipheriv, createDecipheriv, createHash, randomBytes, randomUUID } from "node:crypto";
import type { Received, Sent } from "../listener.ts";
import { type Identities, type Identity, Refused } from "./identities.ts";

/** A key as KMS describes it (DescribeKey), and its materials, the current one last. */
export interface FakeKey {
  readonly arn: string;
  state: string;
  usage: string;
  spec: string;
  readonly origin: string;
  readonly multiRegion: boolean;
  readonly materials: { readonly id: string; readonly key: Buffer }[];
}

/** An answer that the next requests get in place of their own. */
export interface Fault {
  readonly code: string;
  readonly message?: string;
  readonly status?: number;
  /** How many requests. */
  times: number;
  /** Only this operation. */
  readonly operation?: string;
}

const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  DescribeKey: ["KeyId", "GrantTokens"],
  Encrypt: ["KeyId", "Plaintext", "EncryptionContext", "GrantTokens", "EncryptionAlgorithm", "DryRun"],
  Decrypt: ["KeyId", "CiphertextBlob", "EncryptionContext", "GrantTokens", "EncryptionAlgorithm", "DryRun"],
};
/** As the blobs of KMS begin; the rest is the stand-in's own. */
const PREFIX = Buffer.from("0102020078", "hex");
const NOT_HERE =
  "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.";

export class FakeKms {
  readonly region: string;
  readonly account: string;
  readonly partition: string;
  readonly keys = new Map<string, FakeKey>();
  readonly aliases = new Map<string, string>();
  readonly faults: Fault[] = [];
  readonly #identities: Identities;

  constructor(identities: Identities, region: string, account: string, partition = "aws") {
    this.#identities = identities;
    this.region = region;
    this.account = account;
    this.partition = partition;
  }

  /** Creates a symmetric key. @param replica a multi-Region key of another Region, whose materials it shares */
  create(options: { multiRegion?: boolean; replica?: FakeKey; usage?: string; spec?: string } = {}): FakeKey {
    const { multiRegion = false, replica, usage = "ENCRYPT_DECRYPT", spec = "SYMMETRIC_DEFAULT" } = options;
    const id =
      replica === undefined
        ? multiRegion
          ? `mrk-${randomBytes(16).toString("hex")}`
          : randomUUID()
        : (replica.arn.split("/")[1] ?? "");
    const key: FakeKey = {
      arn: `arn:${this.partition}:kms:${this.region}:${this.account}:key/${id}`,
      state: "Enabled",
      usage,
      spec,
      origin: "AWS_KMS",
      multiRegion: multiRegion || replica !== undefined,
      materials: replica?.materials ?? [],
    };
    if (replica === undefined) rotate(key);
    this.keys.set(key.arn, key);
    return key;
  }

  answer(request: Received): Sent {
    const [, operation = ""] = /^TrentService\.(\w+)$/.exec(request.headers["x-amz-target"] ?? "") ?? [];
    const fault = this.faults.find(({ operation: only }) => only === undefined || only === operation);
    try {
      if (fault !== undefined) {
        fault.times--;
        if (fault.times <= 0) this.faults.splice(this.faults.indexOf(fault), 1);
        return failure(fault.code, fault.message ?? "", fault.status ?? 400);
      }
      return this.#perform(operation, request);
    } catch (error) {
      if (error instanceof Refused) return failure(error.code, error.message, 400);
      throw error;
    }
  }

  #perform(operation: string, request: Received): Sent {
    const { method, path, headers } = request;
    if (method !== "POST" || path !== "/" || MEMBERS[operation] === undefined)
      throw new Refused("UnknownOperationException", "");
    if (headers["content-type"] !== "application/x-amz-json-1.1")
      throw new Refused("UnknownOperationException", "");
    const identity = this.#identities.verify(request, this.region, "kms");
    const input = parsed(operation, request.body);
    if (operation === "DescribeKey") return this.#describe(input, identity);
    return operation === "Encrypt" ? this.#encrypt(input, identity) : this.#decrypt(input, identity);
  }

  #describe(input: Input, identity: Identity): Sent {
    const key = this.#find(input, identity, "kms:DescribeKey");
    const [, , , , account, id = ""] = key.arn.split(":");
    return success({
      KeyMetadata: {
        AWSAccountId: account,
        Arn: key.arn,
        CreationDate: 1795596031.123,
        CurrentKeyMaterialId: key.materials.at(-1)?.id,
        CustomerMasterKeySpec: key.spec,
        Description: "",
        Enabled: key.state === "Enabled",
        ...(key.usage === "ENCRYPT_DECRYPT" ? { EncryptionAlgorithms: [key.spec] } : {}),
        KeyId: id.replace("key/", ""),
        KeyManager: "CUSTOMER",
        KeySpec: key.spec,
        KeyState: key.state,
        KeyUsage: key.usage,
        MultiRegion: key.multiRegion,
        Origin: key.origin,
        ...(key.state === "PendingDeletion" ? { DeletionDate: 1798188031.5 } : {}),
      },
    });
  }

  #encrypt(input: Input, identity: Identity): Sent {
    const key = this.#usable(this.#find(input, identity, "kms:Encrypt"));
    const plaintext = blob(input, "Plaintext", 4096);
    const [material, iv] = [key.materials.at(-1), randomBytes(12)];
    if (material === undefined)
      throw new Refused("KMSInvalidStateException", `${key.arn} is pending import.`);
    const cipher = createCipheriv("aes-256-gcm", material.key, iv).setAAD(contextOf(input));
    const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    const ciphertext = Buffer.concat([PREFIX, nameOf(key), Buffer.from(material.id, "hex"), iv, sealed]);
    return success({
      CiphertextBlob: ciphertext.toString("base64"),
      EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
      KeyId: key.arn,
    });
  }

  #decrypt(input: Input, identity: Identity): Sent {
    const ciphertext = blob(input, "CiphertextBlob", 6144);
    const { key, material } = this.#madeBy(ciphertext);
    const named = input.KeyId === undefined ? key : this.#find(input, identity, "kms:Decrypt");
    this.#allow(identity, "kms:Decrypt", named);
    if (named !== key)
      throw new Refused(
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
      );
    this.#usable(key);
    const opener = createDecipheriv("aes-256-gcm", material.key, ciphertext.subarray(69, 81));
    opener.setAAD(contextOf(input)).setAuthTag(ciphertext.subarray(-16));
    try {
      const plaintext = Buffer.concat([opener.update(ciphertext.subarray(81, -16)), opener.final()]);
      return success({
        EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
        KeyId: key.arn,
        KeyMaterialId: material.id,
        Plaintext: plaintext.toString("base64"),
      });
    } catch {
      throw new Refused("InvalidCiphertextException", "");
    }
  }

  #madeBy(ciphertext: Buffer): { key: FakeKey; material: FakeKey["materials"][number] } {
    if (ciphertext.length < 98 || !ciphertext.subarray(0, 5).equals(PREFIX))
      throw new Refused("InvalidCiphertextException", "");
    const key = [...this.keys.values()].find((each) => nameOf(each).equals(ciphertext.subarray(5, 37)));
    const id = ciphertext.subarray(37, 69).toString("hex");
    const material = key?.materials.find((each) => each.id === id);
    if (key === undefined) throw new Refused("AccessDeniedException", NOT_HERE);
    if (material === undefined) throw new Refused("InvalidCiphertextException", "");
    return { key, material };
  }

  #find({ KeyId: name }: Input, identity: Identity, action: string): FakeKey {
    if (typeof name !== "string" || name === "" || name.length > 2048)
      throw new Refused(
        "ValidationException",
        "1 validation error detected: Value at 'keyId' failed to satisfy constraint: Member must not be null",
      );
    const arn = this.#arnOf(name);
    const key = this.keys.get(arn);
    if (key === undefined) {
      // KMS looks at the permission first: a key that is not there is told to those who may use one.
      if (!identity.allowed.has(action)) throw denied(identity, action, arn);
      const isAlias = name.includes("alias/");
      throw new Refused(
        "NotFoundException",
        isAlias ? `Alias ${this.#aliasArn(name)} is not found.` : `Key '${arn}' does not exist`,
      );
    }
    this.#allow(identity, action, key);
    return key;
  }

  #allow(identity: Identity, action: string, key: FakeKey): void {
    if (!identity.allowed.has(action)) throw denied(identity, action, key.arn);
  }

  #arnOf(name: string): string {
    if (!name.startsWith("arn:")) {
      if (name.startsWith("alias/")) return this.aliases.get(name) ?? "";
      return `arn:${this.partition}:kms:${this.region}:${this.account}:key/${name}`;
    }
    const [, partition, service, region, , resource = ""] = name.split(":");
    if (partition !== this.partition || service !== "kms" || region !== this.region)
      throw new Refused("NotFoundException", `Invalid arn ${region}`);
    return resource.startsWith("alias/") ? (this.aliases.get(resource) ?? "") : name;
  }

  #aliasArn(name: string): string {
    return name.startsWith("arn:")
      ? name
      : `arn:${this.partition}:kms:${this.region}:${this.account}:${name}`;
  }

  #usable(key: FakeKey): FakeKey {
    if (key.usage !== "ENCRYPT_DECRYPT")
      throw new Refused(
        "InvalidKeyUsageException",
        `${key.arn} key usage is ${key.usage} which is not valid for this operation.`,
      );
    if (key.state === "Enabled") return key;
    if (key.state === "Disabled") throw new Refused("DisabledException", `${key.arn} is disabled.`);
    const words = key.state.replaceAll(/([A-Z])/g, " $1").toLowerCase();
    throw new Refused("KMSInvalidStateException", `${key.arn} is${words}.`);
  }
}

/** Gives a key another material. The older ones decrypt further on, as KMS does it. */
export function rotate(key: FakeKey): void {
  key.materials.push({ id: randomBytes(32).toString("hex"), key: randomBytes(32) });
}

type Input = Readonly<Record<string, unknown>>;

function parsed(operation: string, body: Buffer): Input {
  let input: unknown;
  try {
    input = JSON.parse(body.toString());
  } catch {
    throw new Refused("SerializationException", "");
  }
  if (typeof input !== "object" || input === null) throw new Refused("SerializationException", "");
  const unknown = Object.keys(input).find((name) => !MEMBERS[operation]?.includes(name));
  if (unknown !== undefined) throw new Refused("SerializationException", `unknown member ${unknown}`);
  return input as Input;
}

function blob(input: Input, name: string, most: number): Buffer {
  const text = input[name];
  const bytes = typeof text === "string" ? Buffer.from(text, "base64") : Buffer.alloc(0);
  if (bytes.length === 0 || bytes.toString("base64") !== text)
    throw new Refused("SerializationException", name);
  if (bytes.length > most)
    throw new Refused(
      "ValidationException",
      `1 validation error detected: Value at '${name}' failed to satisfy constraint: Member must have length less than or equal to ${most}`,
    );
  return bytes;
}

/** Sorted: the order of the pairs has no meaning. */
function contextOf({ EncryptionContext: context = {} }: Input): Buffer {
  if (typeof context !== "object" || context === null) throw new Refused("SerializationException", "");
  const pairs = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1));
  if (pairs.some(([, value]) => typeof value !== "string" || value === ""))
    throw new Refused("ValidationException", "EncryptionContext");
  return Buffer.from(JSON.stringify(pairs));
}

/** 32 bytes that are the same in each Region. */
function nameOf({ arn }: FakeKey): Buffer {
  return createHash("sha256")
    .update(arn.split("/")[1] ?? "")
    .digest();
}

function denied({ arn }: Identity, action: string, resource: string): Refused {
  return new Refused(
    "AccessDeniedException",
    `User: ${arn} is not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`,
  );
}

function success(body: unknown): Sent {
  return { status: 200, type: "application/x-amz-json-1.1", body: JSON.stringify(body) };
}

function failure(code: string, message: string, status: number): Sent {
  // KMS writes "message" or "Message", and nothing if it has none to give.
  return {
    status,
    type: "application/x-amz-json-1.1",
    body: JSON.stringify({ __type: code, ...(message === "" ? {} : { message }) }),
  };
}
