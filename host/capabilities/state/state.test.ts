import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { StateGetRequestSchema, StatePutRequestSchema } from "../../../proto/provider/v1/provider_pb.ts";
import { assertRefused } from "../../../test/support/failures.ts";
import { assertSentence } from "../../../test/support/thrown.ts";
import { HostCode, type Rpc } from "../../host-call.ts";
import { createGate } from "../gate.ts";
import type { Grants } from "../policy.ts";
import { StateDirectory } from "./directory.ts";
import { openState } from "./state.ts";

const EVERY = ["status", "encrypt", "decrypt", "provision"];
const VALUE = Uint8Array.of(1, 2, 3);

/** A provider that is granted "kek", behind the real gate. */
function setUp(t: TestContext, grants: Grants = { state: { names: ["kek"] } }) {
  const path = mkdtempSync(join(tmpdir(), "kleidi-state-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  const faults: string[] = [];
  const gate = createGate({
    clients: new Map([
      [
        "tpm",
        {
          requests: [{ capability: "state", operations: ["get", "put"], rpcs: EVERY }],
          grants,
          hostCalls: 9,
          hostCallsPerMinute: 99,
        },
      ],
    ]),
    capabilities: { state: openState(new StateDirectory(path)) },
    alwaysGranted: new Set(),
    witness: { decided() {}, performed() {}, fault: (_call, error) => faults.push(String(error)) },
  });
  const ask = (operation: string, rpc: Rpc, request: Uint8Array) =>
    gate({
      provider: "tpm",
      rpc,
      ordinal: 1,
      ordinalOfCapability: 1,
      capability: "state",
      operation,
      request,
      signal: new AbortController().signal,
    });
  return {
    path,
    faults,
    ask,
    get: (name: string, rpc: Rpc = "encrypt") =>
      ask("get", rpc, toBinary(StateGetRequestSchema, create(StateGetRequestSchema, { name }))),
    put: (name: string, value: Uint8Array, rpc: Rpc = "provision") =>
      ask("put", rpc, toBinary(StatePutRequestSchema, create(StatePutRequestSchema, { name, value }))),
  };
}

test("every RPC gets the record that provisioning created", async (t) => {
  const { get, put } = setUp(t);
  assert.equal((await put("kek", VALUE)).code, HostCode.OK);
  for (const rpc of EVERY) assert.deepEqual((await get("kek", rpc as Rpc)).body, VALUE);
});

test("get of a record that was never created is not found", async (t) => {
  assert.equal((await setUp(t).get("kek")).code, HostCode.NOT_FOUND);
});

for (const rpc of ["status", "encrypt", "decrypt"] as const) {
  test(`put in ${rpc} is denied, and creates nothing`, async (t) => {
    const { put, path } = setUp(t);
    assertRefused(t, await put("kek", VALUE, rpc), HostCode.DENIED);
    assert.deepEqual(readdirSync(path), []);
  });
}

test("put over an existing record is invalid, and leaves it unchanged", async (t) => {
  const { get, put } = setUp(t);
  await put("kek", VALUE);
  assert.equal((await put("kek", Uint8Array.of(9))).code, HostCode.INVALID);
  assert.deepEqual((await get("kek")).body, VALUE);
});

for (const name of ["other", "", "../kek", "kek\0", "KEK"]) {
  test(`a record ${JSON.stringify(name)} that is not granted is denied`, async (t) => {
    const { get, put } = setUp(t);
    assert.equal((await get(name)).code, HostCode.DENIED);
    assert.equal((await put(name, VALUE)).code, HostCode.DENIED);
  });
}

test("without a grant everything is denied", async (t) => {
  assert.equal((await setUp(t, {}).get("kek")).code, HostCode.DENIED);
});

for (const [bytes, code] of [
  [0, HostCode.INVALID],
  [1, HostCode.OK],
  [16_384, HostCode.OK],
  [16_385, HostCode.INVALID],
] as const) {
  test(`put of ${bytes} bytes gives code ${code}`, async (t) => {
    assert.equal((await setUp(t).put("kek", new Uint8Array(bytes))).code, code);
  });
}

test("a malformed request is invalid", async (t) => {
  assert.equal((await setUp(t).ask("get", "encrypt", Uint8Array.of(0xff))).code, HostCode.INVALID);
});

test("a damaged record is unavailable, not absent, and the host gets the reason", async (t) => {
  const { get, path, faults } = setUp(t);
  writeFileSync(join(path, "kek.state"), "", { mode: 0o600 });
  assert.equal((await get("kek")).code, HostCode.UNAVAILABLE);
  assert.equal(faults.length, 1);
  assertSentence(t, String(faults[0]), { FOLDER: path });
});
