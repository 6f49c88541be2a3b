/** The TPM provider on malformed bytes: it reports them and never traps. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, beforeEach, test } from "node:test";
import fc from "fast-check";
import { requireDebian } from "../test/support/debian.ts";
import { buildAll } from "./build.ts";
import { Host } from "./tpm/harness/host.ts";
import { Swtpm } from "./tpm/harness/swtpm.ts";

const SEED = new Uint8Array(32).fill(5);
const KEY_UNUSABLE = 2;
const FAULT = 5;

let module: WebAssembly.Module;
let tpm: Swtpm;
let host: Host;
let version: string;

before(async () => {
  requireDebian(["swtpm"]);
  const built = (await buildAll()).find(({ name }) => name === "tpm");
  assert.ok(built);
  module = new WebAssembly.Module(await readFile(built.path));
  tpm = await new Swtpm().start();
});

after(() => tpm.remove());

beforeEach(() => {
  host?.flush();
  host = new Host(module, tpm);
  version = host.provision({ key: "kek" }).version;
});

function record(): Uint8Array {
  return host.state.get("kek") ?? assert.fail();
}

test("a truncated state record is refused at every length", () => {
  const whole = record();
  for (let length = 0; length < whole.length; length++) {
    host.state.set("kek", whole.slice(0, length));
    const { failure } = host.status();
    assert.equal(failure?.code, KEY_UNUSABLE, `${length} of ${whole.length} bytes: ${failure?.message}`);
    assert.deepEqual(host.commands, [], "the TPM gets no command");
  }
});

test("a state record with arbitrary bytes gives its own version or a failure", () => {
  const whole = record();
  const place = fc.nat({ max: whole.length - 1 });
  fc.assert(
    fc.property(place, fc.uint8Array({ minLength: 1, maxLength: 8 }), (at, bytes) => {
      const changed = Buffer.concat([whole.subarray(0, at), bytes, whole.subarray(at + bytes.length)]);
      host.flush();
      host.state.set("kek", new Uint8Array(changed));
      const reply = host.status();
      if (reply.failure === undefined) assert.equal(reply.version, version);
    }),
    { numRuns: 400 },
  );
});

test("a memory with arbitrary bytes gives the right answer or a failure, and the next call succeeds", () => {
  assert.equal(host.status().version, version);
  const { ciphertext } = host.encrypt({ version, plaintext: SEED });
  const place = fc.nat({ max: host.memory.length - 1 });
  fc.assert(
    fc.property(place, fc.uint8Array({ minLength: 1, maxLength: 8 }), fc.boolean(), (at, bytes, cut) => {
      const whole = host.memory;
      const rest = cut ? [] : [whole.subarray(at + bytes.length)];
      host.memory = new Uint8Array(Buffer.concat([whole.subarray(0, at), bytes, ...rest]));
      const reply = host.decrypt({ version, ciphertext });
      if (reply.failure === undefined) assert.deepEqual(reply.plaintext, SEED);
      // The host still flushes objects whose changed handle or name the guest no longer knows.
      host.flush();
      assert.deepEqual(host.decrypt({ version, ciphertext }).plaintext, SEED);
    }),
    { numRuns: 300 },
  );
});

test("no key is created under a primary whose point is not on the curve", () => {
  host.meddle = (name, response) => (name === "CreatePrimary" ? offTheCurve(response) : response);
  const { failure } = host.provision({ key: "other" });
  assert.equal(failure?.code, FAULT);
  assert.match(failure?.message ?? "", /not on P-256/);
  assert.deepEqual([host.handles.size, host.state.has("other")], [0, false]);
});

/** The response of CreatePrimary with another y, and the matching Name. */
function offTheCurve(response: Uint8Array): Uint8Array {
  const changed = Buffer.from(response);
  // Header, handle and size of the parameters; then outPublic with its own size.
  const size = changed.readUInt16BE(18);
  const area = changed.subarray(20, 20 + size);
  area.writeUInt8(area.readUInt8(size - 1) ^ 1, size - 1);
  // The Name's digest precedes the password's part: two empty TPM2Bs around the attributes.
  createHash("sha256")
    .update(area)
    .digest()
    .copy(changed, changed.length - 5 - 32);
  return new Uint8Array(changed);
}
