/**
 * The setting of an attack: an honest provider runs through the whole test file, works during the attack, and must not be affected. After
 * each test the attackers are stopped, and the host's process must be as before.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, afterEach, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type ErrorCode, KleidiError } from "../../host/error.ts";
import { checkStatusReply } from "../../host/kms/check-reply.ts";
import type { SimpleVersion } from "../../host/kms/keyset.ts";
import type { Sealed } from "../../host/kms/provider.ts";
import { open, seal } from "../../host/kms/seal.ts";
import type { Supervisor } from "../../host/sandbox/supervisor.ts";
import { localModule } from "../support/fixture.ts";
import { type Sandbox, type SandboxOptions, startSandbox } from "../support/sandbox.ts";
import { nodePid } from "../support/wall.ts";
import { guest } from "./guest.ts";

export const plaintext = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
/** Long enough for each operation of a guest that does not loop, also on a busy machine. */
const DEADLINE_MS = 2000;
const SETTLE_MS = 10_000;

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  /** The cause, which appears only in the host's log. */
  readonly cause?: string;
}

export const FAILED = 'Cannot get a reply from provider "hostile": its guest failed';
export const REPLY = 'Cannot accept the reply of provider "hostile"';

export class Arena {
  #honest: Sandbox | undefined;
  #key: SimpleVersion | undefined;
  #sealed: Sealed | undefined;
  #pids: number[] = [];
  #before: { descriptors: number; children: number } = { descriptors: 0, children: 0 };
  readonly #attackers: Sandbox[] = [];
  readonly #unhandled: unknown[] = [];

  constructor() {
    const keep = (error: unknown) => this.#unhandled.push(error);
    before(async () => {
      process.on("unhandledRejection", keep);
      this.#honest = await startSandbox("honest", localModule, { keys: ["kek"], deadlineMs: 10_000 });
      const { version } = await this.#honest.provider.status("kek");
      this.#key = await this.#honest.key("kek", version);
      this.#sealed = await seal(this.#key, plaintext);
      await both(this.#honest.supervisor);
      this.#pids = this.#honest.supervisor.pids;
      this.#before = resources();
    });
    afterEach(async () => {
      const attackers = this.#attackers.splice(0);
      await Promise.all(attackers.map((each) => each.stop()));
      for (const { faults } of attackers) assert.deepEqual(faults, [], "the host failed in a host call");
      await this.honestWork();
      assert.deepEqual(this.#honest?.supervisor.pids, this.#pids, "the honest provider's processes");
      assert.deepEqual([this.#honest?.ends, this.#honest?.faults, this.#honest?.denials], [[], [], []]);
      assert.deepEqual(await settled(this.#before), this.#before);
      assert.deepEqual(this.#unhandled, []);
    });
    after(async () => {
      await this.#honest?.stop();
      process.off("unhandledRejection", keep);
    });
  }

  /** Starts a hostile provider, which is stopped after the test. */
  async enter(name: string, options: SandboxOptions = {}): Promise<Sandbox> {
    return await this.start(guest(name), options);
  }

  async start(path: string, options: SandboxOptions = {}, name = "hostile"): Promise<Sandbox> {
    const sandbox = await startSandbox(name, path, { deadlineMs: DEADLINE_MS, ...options });
    this.#attackers.push(sandbox);
    return sandbox;
  }

  /** The honest provider encrypts, reads back, and decrypts an earlier ciphertext. */
  async honestWork(): Promise<void> {
    assert.ok(this.#key !== undefined && this.#sealed !== undefined);
    assert.deepEqual(await open(this.#key, this.#sealed), plaintext);
    await seal(this.#key, plaintext);
  }

  /** Runs an attack while the honest provider works; it must be refused with this message. */
  async refused(attack: () => Promise<unknown>, { code, message, cause }: Refusal): Promise<void> {
    const [error] = await Promise.all([failure(attack), this.honestWork()]);
    // offsets within a module are irrelevant here
    const said = error.message.replace(/ byte \d+/g, " byte N");
    assert.deepEqual({ message: said, code: error.code }, { message, code });
    if (cause !== undefined) assert.equal(String(error.cause), cause);
  }
}

/** Waits until both processes of a provider are loaded. */
export async function both(supervisor: Supervisor): Promise<void> {
  await until(() => supervisor.pids.length === 2);
}

export async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + SETTLE_MS; !condition(); await sleep(5)) {
    assert.ok(performance.now() < end, `this condition was never met: ${condition}`);
  }
}

export async function failure(work: () => Promise<unknown>): Promise<KleidiError> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof KleidiError, `a KleidiError, not ${(error as Error).stack}`);
    return error;
  }
  return assert.fail("it should have been refused");
}

/** The number of descriptors and child processes of this process. */
function resources(): { descriptors: number; children: number } {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim();
  return {
    descriptors: readdirSync("/proc/self/fd").length,
    children: children === "" ? 0 : children.split(" ").length,
  };
}

/** Returns the counts once they are as before, or after a timeout. */
async function settled(before: ReturnType<typeof resources>): Promise<ReturnType<typeof resources>> {
  const end = performance.now() + SETTLE_MS;
  for (;;) {
    const now = resources();
    if (JSON.stringify(now) === JSON.stringify(before) || performance.now() > end) return now;
    await sleep(10);
  }
}

export type Rpc = "status" | "encrypt" | "decrypt";

/** Makes one call with the key "attack-N", as the host does; 0 requests no attack. */
export async function call(sandbox: Sandbox, rpc: Rpc, attack: number): Promise<unknown> {
  const name = attack === 0 ? "good" : `attack-${attack}`;
  const key = await sandbox.key(name, "v1");
  if (rpc === "encrypt") return await seal(key, plaintext);
  if (rpc === "decrypt")
    return await open(key, { ciphertext: plaintext.map((byte) => byte ^ 0x55), annotations: [] });
  const reply = await sandbox.provider.status(name);
  checkStatusReply(sandbox.provider.name, reply);
  return reply;
}

/** Encrypt without the host's read-back and checks. */
export async function encrypt(sandbox: Sandbox, attack: number): Promise<Sealed> {
  const request = { key: `attack-${attack}`, version: "v1", plaintext, associatedData: new Uint8Array() };
  return await sandbox.provider.encrypt(request);
}

/** The number that the guest reports with $tell, in its ciphertext. */
export async function reportedNumber(sandbox: Sandbox, attack: number): Promise<number> {
  const { ciphertext } = await encrypt(sandbox, attack);
  assert.equal(ciphertext.length, 4);
  return Buffer.from(ciphertext).readInt32LE();
}

/** Node alone has a larger resident set. */
const NODE_KIB = 30 << 10;

/** Measures the peak resident memory of a process in KiB, sampled until it is gone. */
export function watchPeak(started: number | undefined): () => number {
  const pid = nodePid(started ?? 0);
  let peak = 0;
  const timer = setInterval(() => {
    try {
      const [, resident] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
      peak = Math.max(peak, Number(resident ?? 0));
    } catch {
      clearInterval(timer);
    }
  }, 50);
  return () => {
    clearInterval(timer);
    assert.ok(peak > NODE_KIB, `the measured process is not Node: ${peak} KiB`);
    return peak;
  };
}
