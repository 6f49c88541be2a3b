/**
 * The host's side of kleidi:tpm and kleidi:state for tests of this provider: without the filter, with the rules for turns and memory, and
 * with hooks that observe and change the traffic.
 */
import { createCipheriv, createDecipheriv, createECDH, createHash, createHmac } from "node:crypto";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as pb from "../../../proto/provider/v1/provider_pb.ts";
import { type Answer, type HostCalls, StandIn } from "../../../sdk/assemblyscript/stand-in.ts";
import { cryptoCalls } from "../../../sdk/assemblyscript/stand-in-crypto.ts";

const FLUSH = 0x165;
/** Load, CreatePrimary, StartAuthSession: a handle follows the response's header. */
const GIVE_HANDLES = new Set([0x157, 0x131, 0x176]);

/** Commands by their names in TPM 2.0 Part 3. */
const NAMES = new Map([
  [0x131, "CreatePrimary"],
  [0x153, "Create"],
  [0x155, "HMAC"],
  [0x157, "Load"],
  [0x15e, "Unseal"],
  [FLUSH, "FlushContext"],
  [0x16b, "PolicyAuthValue"],
  [0x176, "StartAuthSession"],
  [0x17e, "PCR_Read"],
  [0x17f, "PolicyPCR"],
  [0x189, "PolicyGetDigest"],
]);

type Rpc = "status" | "encrypt" | "decrypt" | "provision";

export class Host {
  readonly #module: WebAssembly.Module;
  readonly state = new Map<string, Uint8Array>();
  /** Undefined: the host has no device. */
  tpm: { transmit(command: Uint8Array): Uint8Array } | undefined;
  memory = new Uint8Array(0);
  /** All traffic with the TPM, as a listener on the bus sees it. */
  readonly wire: Uint8Array[] = [];
  /** The commands of the last call, and all its host calls. */
  commands: string[] = [];
  calls: string[] = [];
  /** The lines of the last call, each after its level. */
  log: string[] = [];
  /** Changes a response in transit. */
  meddle: (command: string, response: Uint8Array) => Uint8Array = (_, response) => response;
  /** Handles of this provider in the TPM. */
  readonly handles = new Set<number>();
  #inside = false;

  constructor(module: WebAssembly.Module, tpm: Host["tpm"]) {
    this.#module = module;
    this.tpm = tpm;
  }

  status(key = "kek"): pb.StatusReply {
    const request = create(pb.StatusRequestSchema, { key });
    return fromBinary(pb.StatusReplySchema, this.#call("status", toBinary(pb.StatusRequestSchema, request)));
  }

  encrypt(fields: MessageInitShape<typeof pb.EncryptRequestSchema>): pb.EncryptReply {
    const request = create(pb.EncryptRequestSchema, { key: "kek", ...fields });
    const input = toBinary(pb.EncryptRequestSchema, request);
    return fromBinary(pb.EncryptReplySchema, this.#call("encrypt", input));
  }

  decrypt(fields: MessageInitShape<typeof pb.DecryptRequestSchema>): pb.DecryptReply {
    const request = create(pb.DecryptRequestSchema, { key: "kek", ...fields });
    const input = toBinary(pb.DecryptRequestSchema, request);
    return fromBinary(pb.DecryptReplySchema, this.#call("decrypt", input));
  }

  provision(fields: MessageInitShape<typeof pb.ProvisionRequestSchema> = {}): pb.ProvisionReply {
    const request = create(pb.ProvisionRequestSchema, { key: "kek", ...fields });
    const input = toBinary(pb.ProvisionRequestSchema, request);
    return fromBinary(pb.ProvisionReplySchema, this.#call("provision", input));
  }

  /** Flushes everything, as the host does when it stops, or after a call without `leave`. */
  flush(): void {
    for (const handle of this.handles) this.#flush(handle);
    this.handles.clear();
    this.memory = new Uint8Array(0);
  }

  #call(rpc: Rpc, input: Uint8Array): Uint8Array {
    this.commands = [];
    this.log = [];
    this.#inside = false;
    const { returned, output, calls } = new StandIn(this.#module, this.#hostCalls(rpc)).call(
      `kleidi_${rpc}`,
      input,
    );
    this.calls = calls.map(({ name }) => name);
    if (this.#inside) this.flush();
    if (returned !== 0 || output === undefined) throw new Error("The guest returned no reply");
    return output;
  }

  #hostCalls(rpc: Rpc): HostCalls {
    return {
      ...cryptoCalls,
      ...moreCrypto,
      "log.write": (bytes) => {
        const { level, message } = fromBinary(pb.LogWriteRequestSchema, bytes);
        this.log.push(`${["debug", "info", "warn", "error"][level]} ${message}`);
        return new Uint8Array(0);
      },
      "state.get": (bytes) => this.state.get(fromBinary(pb.StateGetRequestSchema, bytes).name) ?? 3,
      "state.put": (bytes) => {
        const { name, value } = fromBinary(pb.StatePutRequestSchema, bytes);
        if (rpc !== "provision" || this.state.has(name)) return 1;
        this.state.set(name, value);
        return new Uint8Array(0);
      },
      "tpm.enter": () => {
        if (this.tpm === undefined) return 5;
        this.#inside = true;
        const context = create(pb.TpmContextSchema, { memory: this.memory });
        this.memory = new Uint8Array(0);
        return toBinary(pb.TpmContextSchema, context);
      },
      "tpm.leave": (bytes) => {
        const { memory } = fromBinary(pb.TpmLeaveRequestSchema, bytes);
        if (!this.#inside || memory.length > 1024) return 2;
        this.memory = new Uint8Array(memory);
        this.#inside = false;
        return new Uint8Array(0);
      },
      "tpm.transmit": (bytes) => this.#transmit(fromBinary(pb.TpmTransmitRequestSchema, bytes).command),
    };
  }

  #transmit(command: Uint8Array): Answer {
    if (!this.#inside || this.tpm === undefined) return 2;
    const code = Buffer.from(command).readUInt32BE(6);
    const name = NAMES.get(code) ?? "unknown";
    this.commands.push(name);
    const response = this.tpm.transmit(command);
    this.wire.push(command, response);
    // Even if the handle is gone already.
    if (code === FLUSH) this.handles.delete(Buffer.from(command).readUInt32BE(10));
    if (GIVE_HANDLES.has(code) && Buffer.from(response).readUInt32BE(6) === 0) {
      this.handles.add(Buffer.from(response).readUInt32BE(10));
      this.#checkQuotas();
    }
    return this.meddle(name, new Uint8Array(response));
  }

  /** The host's quotas: three objects and two sessions. */
  #checkQuotas(): void {
    const objects = [...this.handles].filter((handle) => handle >>> 24 === 0x80).length;
    if (objects > 3 || this.handles.size - objects > 2) throw new Error("The guest went over its quota");
  }

  #flush(handle: number): void {
    const command = Buffer.alloc(14);
    command.writeUInt16BE(0x8001, 0);
    command.writeUInt32BE(14, 2);
    command.writeUInt32BE(FLUSH, 6);
    command.writeUInt32BE(handle, 10);
    this.tpm?.transmit(command);
  }
}

const moreCrypto: HostCalls = {
  "crypto.digest": (bytes) => {
    const { algorithm, data } = fromBinary(pb.CryptoDigestRequestSchema, bytes);
    return createHash(algorithm).update(data).digest();
  },
  "crypto.hmac": (bytes) => {
    const { algorithm, key, data } = fromBinary(pb.CryptoHmacRequestSchema, bytes);
    return createHmac(algorithm, key).update(data).digest();
  },
  "crypto.aes_cfb_encrypt": (bytes) => {
    const { key, iv, data } = fromBinary(pb.CryptoCfbRequestSchema, bytes);
    return createCipheriv("aes-128-cfb", key, iv).update(data);
  },
  "crypto.aes_cfb_decrypt": (bytes) => {
    const { key, iv, data } = fromBinary(pb.CryptoCfbRequestSchema, bytes);
    return createDecipheriv("aes-128-cfb", key, iv).update(data);
  },
  "crypto.ecdh": (bytes) => {
    const { privateKey, peer } = fromBinary(pb.CryptoEcdhRequestSchema, bytes);
    const own = createECDH("prime256v1");
    own.setPrivateKey(privateKey);
    try {
      return peer.length === 0 ? own.getPublicKey() : own.computeSecret(peer);
    } catch {
      return 2;
    }
  },
};
