/** A host, a real swtpm, and an attacker between them who listens, changes, repeats, delays and cuts. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KmsClient } from "../../host/grpc/client.ts";
import { Fixture } from "./fixture.ts";
import { Swtpm } from "./swtpm.ts";
import { tpmNode } from "./tpm-node.ts";
import { type Reaction, TpmProxy } from "./tpm-proxy.ts";
import { untilWell } from "./until-well.ts";

export const PLAINTEXT = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));

/**
 * How long the caller of an attacked call waits, in milliseconds: the host repeats the call for most of that time. A new connection needs
 * more commands before the attacked one.
 */
export const WAITS = { known: 1_000, isNew: 1_500 } as const;

/** The permitted codes of a call whose TPM answers are not trusted: none blames the ciphertext. */
const GAVE_UP: Readonly<Record<number, string>> = {
  4: "DEADLINE_EXCEEDED",
  9: "FAILED_PRECONDITION",
  13: "INTERNAL",
  14: "UNAVAILABLE",
};

export type Change = (response: Buffer) => Buffer | Reaction;
export type Sealed = Awaited<ReturnType<KmsClient["encrypt"]>>;
type Call = () => Promise<{ plaintext: Uint8Array }>;

export interface Attack {
  readonly code: number;
  readonly change: Change;
  /** The connection is new: the call loads all objects again. */
  readonly isNew?: boolean;
  /** From the nth response on. */
  readonly nth?: number;
  /** Only one response. The host also probes its keys, so it may belong to another call: then this call succeeds. */
  readonly isSingle?: boolean;
}

interface Parts {
  readonly tpm: Swtpm;
  readonly proxy: TpmProxy;
  readonly fixture: Fixture;
  readonly host: ChildProcess;
  readonly client: KmsClient;
  readonly kek: Buffer;
  readonly auths: readonly Buffer[];
  readonly sealed: Sealed;
}

export class AttackedTpm {
  readonly proxy: TpmProxy;
  readonly client: KmsClient;
  /** The imported KEK. */
  readonly kek: Buffer;
  /** Auth values of all keys that were created through the proxy. */
  readonly auths: readonly Buffer[];
  /** PLAINTEXT, encrypted before the first attack. */
  readonly sealed: Sealed;
  readonly #tpm: Swtpm;
  readonly #fixture: Fixture;
  readonly #host: ChildProcess;

  private constructor({ tpm, proxy, fixture, host, client, kek, auths, sealed }: Parts) {
    this.#tpm = tpm;
    this.proxy = proxy;
    this.#fixture = fixture;
    this.#host = host;
    this.client = client;
    this.kek = kek;
    this.auths = auths;
    this.sealed = sealed;
  }

  static async start(): Promise<AttackedTpm> {
    const tpm = await Swtpm.start("unix");
    const path = join(tpm.folder, "proxy.sock");
    const proxy = await TpmProxy.start(path, tpm.socket);
    const device = `swtpm:${path}`;
    const generated = tpmNode({ device });
    await generated.runAside("key", "init");
    const auths = [authIn(generated, "kek")];
    await generated.close();
    // A long interval: no probe interferes while a test counts the commands.
    const fixture = tpmNode({ device, interval: "60s", others: ["sealed"], unseal: true });
    const kek = randomBytes(32);
    const file = join(fixture.folder, "kek.hex");
    writeFileSync(file, `${kek.toString("hex")}\n`, { mode: 0o600 });
    await fixture.runAside("key", "init", "kek", "--import", file);
    await fixture.runAside("key", "init", "sealed", "--scheme", "sealed", "--import", file);
    auths.push(authIn(fixture, "kek"), authIn(fixture, "sealed"));
    const host = await fixture.serve();
    const client = new KmsClient(fixture.socket);
    const sealed = await client.encrypt({ plaintext: PLAINTEXT });
    return new AttackedTpm({ tpm, proxy, fixture, host, client, kek, auths, sealed });
  }

  async close(): Promise<void> {
    this.client.close();
    await this.#fixture.close();
    await this.proxy.close();
    await this.#tpm.stop();
  }

  async opens(one: Sealed): Promise<void> {
    assert.deepEqual(Uint8Array.from((await this.client.decrypt(one)).plaintext), PLAINTEXT);
  }

  /**
   * Makes one call while the TPM's responses are changed; afterwards the host recovers by itself. By default every response is changed:
   * the host's own probes use the TPM at any time, and the outcome must depend on the bytes only.
   */
  async attack(
    { code, change, isNew = false, nth = 1, isSingle = false }: Attack,
    call: Call = () => this.client.decrypt(this.sealed, WAITS[isNew ? "isNew" : "known"]),
  ): Promise<string> {
    // Before the connection is cut, so that nothing can be loaded in between.
    const tampering = isSingle ? this.proxy.next(code, change, nth) : this.proxy.every(code, change, nth);
    if (isNew) await this.proxy.cut();
    const how = await outcome(call());
    this.proxy.honest();
    assert.ok(tampering.done, `no response to 0x${code.toString(16)} was tampered with`);
    await untilWell(async () => {
      await this.client.status();
      await this.opens(this.sealed);
    });
    return how;
  }

  /** Fails if the host does not serve, does not stop cleanly, or leaves anything in the TPM. */
  async assertUnharmed(): Promise<void> {
    // An object whose handle was changed on the way is unknown to the host until it has a new connection.
    await this.proxy.cut();
    await untilWell(async () => {
      await this.client.status();
      await this.opens(await this.client.encrypt({ plaintext: PLAINTEXT }));
      await this.opens(this.sealed);
    });
    assert.equal(await Fixture.stop(this.#host), 0);
    assert.equal(await this.#tpm.loaded(), "");
  }
}

/** "right", or the name of the code; any other outcome is the fault that the test looks for. */
export async function outcome(call: ReturnType<Call>): Promise<string> {
  try {
    const { plaintext } = await call;
    assert.deepEqual(Uint8Array.from(plaintext), PLAINTEXT, "a wrong plaintext");
    return "right";
  } catch (error) {
    const { code, details } = error as { code?: number; details?: string };
    if (code === undefined) throw error;
    assert.ok(code in GAVE_UP, `${code}: ${details}`);
    // The host's own message, and not gRPC's for a host that is gone or too late.
    assert.match(details ?? "", /^Cannot /);
    return GAVE_UP[code] ?? "";
  }
}

function authIn({ folder }: Fixture, key: string): Buffer {
  const [, auth = ""] =
    /^auth: ([0-9a-f]{64})$/m.exec(readFileSync(join(folder, "state", `${key}.state`), "utf8")) ?? [];
  return Buffer.from(auth, "hex");
}
