/** An attacker between the host and the TPM learns no secret, and every change is detected. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { requireDebian } from "../test/support/debian.ts";
import { buildAll } from "./build.ts";
import { Host } from "./tpm/harness/host.ts";
import { Swtpm } from "./tpm/harness/swtpm.ts";

const SEED = new Uint8Array(32).fill(5);
const KEK = new Uint8Array(32).map((_, index) => 200 - index);
const FAULT = 5;

let module: WebAssembly.Module;
let tpm: Swtpm;

before(async () => {
  requireDebian(["swtpm"]);
  const built = (await buildAll()).find(({ name }) => name === "tpm");
  assert.ok(built);
  module = new WebAssembly.Module(await readFile(built.path));
  tpm = await new Swtpm().start();
});

after(() => tpm.remove());

/** A host with a loaded key, its version, and a ciphertext. */
function warm(scheme: string): { host: Host; version: string; ciphertext: Uint8Array } {
  const host = new Host(module, tpm);
  const { version } = host.provision({ key: "kek", scheme, import: KEK });
  const { ciphertext } = host.encrypt({ version, plaintext: SEED });
  assert.equal(ciphertext.length, 97);
  return { host, version, ciphertext };
}

for (const scheme of ["hmac", "sealed"]) {
  test(`a listener sees none of the KEK, the auth value, the AES key and the seed under ${scheme}`, () => {
    const { host, version, ciphertext } = warm(scheme);
    assert.deepEqual(host.decrypt({ version, ciphertext }).plaintext, SEED);
    host.status();
    host.flush();
    const record = Buffer.from(host.state.get("kek") ?? "").toString();
    const auth = Buffer.from(/^auth: (.*)$/m.exec(record)?.[1] ?? "", "hex");
    assert.equal(auth.length, 32);
    const keyId = Buffer.from(version, "hex");
    const context = Buffer.concat([keyId, ciphertext.subarray(17, 49)]);
    const input = Buffer.concat([Buffer.of(0, 0, 0, 1), label(scheme), context, Buffer.of(0, 0, 1, 0)]);
    const key = createHmac("sha256", KEK).update(input).digest();
    const heard = Buffer.concat(host.wire);
    assert.ok(heard.length > 1000);
    for (const secret of [KEK, auth, key, SEED]) {
      assert.equal(heard.indexOf(secret), -1);
      // Half of a secret must not be visible either.
      assert.equal(heard.indexOf(secret.subarray(0, 16)), -1);
    }
  });

  test(`a change of any bit of a response is detected under ${scheme}`, () => {
    const { host, version, ciphertext } = warm(scheme);
    const target = scheme === "hmac" ? "HMAC" : "Unseal";
    let length = 0;
    host.meddle = (_, response) => {
      length = response.length;
      return response;
    };
    host.decrypt({ version, ciphertext });
    assert.ok(length > 100);
    for (let bit = 0; bit < length * 8; bit++) {
      host.meddle = (_, response) => response;
      assert.equal(host.status().version, version);
      let left = 1;
      host.meddle = (name, response) => (name === target && left-- > 0 ? flip(response, bit) : response);
      const reply = host.decrypt({ version, ciphertext });
      // Some codes report a missing handle: the provider replaces it, and the answer is correct.
      const rebuilt = bit >= 6 * 8 && bit < 10 * 8 && reply.failure === undefined;
      if (rebuilt) assert.deepEqual(reply.plaintext, SEED);
      else {
        assert.equal(reply.plaintext.length, 0, `bit ${bit}`);
        assert.ok(reply.failure, `bit ${bit}`);
        assert.deepEqual([host.memory.length, host.handles.size], [0, 0], "the session is not used again");
      }
      if (bit >= 10 * 8) assert.equal(reply.failure?.code, FAULT, `bit ${bit}`);
    }
    host.flush();
  });
}

test("a response replayed from an earlier call is detected, and the next call succeeds", () => {
  const { host, version, ciphertext } = warm("hmac");
  let earlier: Uint8Array | undefined;
  host.meddle = (_, response) => {
    earlier ??= response;
    return response;
  };
  assert.deepEqual(host.decrypt({ version, ciphertext }).plaintext, SEED);
  host.meddle = () => earlier ?? assert.fail();
  const reply = host.decrypt({ version, ciphertext });
  assert.equal(reply.failure?.code, FAULT);
  assert.match(reply.failure?.message ?? "", /HMAC is wrong/);
  assert.deepEqual(host.commands, ["HMAC"]);
  host.meddle = (_, response) => response;
  assert.deepEqual(host.decrypt({ version, ciphertext }).plaintext, SEED);
  host.flush();
});

test("a truncated, oversized or absurd response is a fault, and never traps the guest", () => {
  const { host, version, ciphertext } = warm("hmac");
  const absurd = [
    () => new Uint8Array(0),
    (response: Uint8Array) => response.subarray(0, 9),
    (response: Uint8Array) => response.subarray(0, -1),
    (response: Uint8Array) => sized(Buffer.from(response).subarray(0, -1)),
    (response: Uint8Array) => sized(Buffer.concat([response, Buffer.of(0)])),
    (response: Uint8Array) => sized(Buffer.concat([response.subarray(0, 10), Buffer.alloc(4, 0xff)])),
    (response: Uint8Array) => sized(Buffer.from(response.subarray(0, 10))),
  ];
  for (const change of absurd) {
    for (const name of ["CreatePrimary", "StartAuthSession", "Load", "HMAC"]) {
      host.flush();
      host.meddle = (command, response) => (command === name ? change(response) : response);
      const reply = host.decrypt({ version, ciphertext });
      assert.equal(reply.failure?.code, FAULT, `${name}: ${reply.failure?.message}`);
    }
  }
});

test("no message of the guest contains a secret", () => {
  const { host, version, ciphertext } = warm("hmac");
  const record = Buffer.from(host.state.get("kek") ?? "").toString();
  const auth = /^auth: (.*)$/m.exec(record)?.[1] ?? assert.fail();
  const texts: string[] = [];
  for (const code of [0x98e, 0x9a2, 0x921, 0x101, 0x18b]) {
    const response = Buffer.alloc(10);
    response.writeUInt32BE(10, 2);
    response.writeUInt32BE(code, 6);
    host.meddle = (name, given) => (name === "HMAC" ? new Uint8Array(response) : given);
    texts.push(host.decrypt({ version, ciphertext }).failure?.message ?? assert.fail());
  }
  for (const text of texts) {
    assert.ok(!text.includes(auth) && !text.includes(Buffer.from(KEK).toString("hex")));
  }
  host.flush();
});

function label(scheme: string): Buffer {
  return Buffer.from(`kleidi tpm ${scheme} 1 seed\0`);
}

function flip(response: Uint8Array, bit: number): Uint8Array {
  const changed = Buffer.from(response);
  const at = bit >> 3;
  changed.writeUInt8(changed.readUInt8(at) ^ (1 << (bit & 7)), at);
  return new Uint8Array(changed);
}

/** Returns the response with the size in its header corrected. */
function sized(response: Buffer): Uint8Array {
  response.writeUInt32BE(response.length, 2);
  return new Uint8Array(response);
}
