import assert from "node:assert/strict";
import { test } from "node:test";
import { testRefusals } from "../../test/support/config-faults.ts";
import { parseConfig } from "./parse.ts";

const SHA = "0123456789abcdef".repeat(4);

const VALID = `apiVersion: kleidi.dev/v1
listen: { socket: /run/kms.sock }
state: { directory: state }
providers:
  one:
    module: a
    sha256: ${SHA}
    grants:
      tpm:
        device: /dev/tpmrm0
      state: { names: [kek-1] }
  two: { module: b, sha256: ${SHA} }
keys:
  - { name: kek-1, provider: one, use: active }
  - { name: kek-2, provider: two, use: decrypt }
`;

const OF_TPM = "providers.one.grants.tpm";

const cases: readonly (readonly [name: string, from: string, to: string, place: string])[] = [
  ...[
    "/dev/tpm0",
    "swtpm:run/tpm.sock",
    "swtpm:10.0.0.1:2321",
    "swtpm:localhost:2321",
    "mssim:/tpm.sock",
  ].map((device) => [`the device ${device}`, "/dev/tpmrm0", device, `10:17 ${OF_TPM}.device`] as const),
  ...["127.0.0.1:65536", "127.0.0.1:0", "127.256.0.1:1", "[::2]:1"].map(
    (address) =>
      [`a virtual TPM at ${address}`, "/dev/tpmrm0", `"mssim:${address}"`, `10:17 ${OF_TPM}.device`] as const,
  ),
  [
    "a TPM without a device",
    "      tpm:\n        device: /dev/tpmrm0",
    "      tpm:\n        hierarchies: [owner]",
    `9:7 ${OF_TPM}.device`,
  ],
  [
    "an unknown hierarchy",
    "/dev/tpmrm0",
    "/dev/tpmrm0\n        hierarchies: [owner, lockout]",
    `11:30 ${OF_TPM}.hierarchies[1]`,
  ],
  [
    "a handle without quotes",
    "/dev/tpmrm0",
    "/dev/tpmrm0\n        persistent: [0x81000001]",
    `11:22 ${OF_TPM}.persistent[0]`,
  ],
  [
    "a handle that is not persistent",
    "/dev/tpmrm0",
    '/dev/tpmrm0\n        persistent: ["0x80000001"]',
    `11:22 ${OF_TPM}.persistent[0]`,
  ],
  [
    "a template that is not a hash",
    "/dev/tpmrm0",
    "/dev/tpmrm0\n        templates: [abc]",
    `11:21 ${OF_TPM}.templates[0]`,
  ],
  [
    "provisioning among the RPCs of a grant",
    "/dev/tpmrm0",
    "/dev/tpmrm0\n        rpcs: [provision]",
    `11:16 ${OF_TPM}.rpcs[0]`,
  ],
  [
    "a record whose name is a path",
    "names: [kek-1]",
    "names: [../kek-1]",
    "11:24 providers.one.grants.state.names[0]",
  ],
  [
    "a record granted to two providers",
    "{ module: b,",
    "{ grants: { state: { names: [kek-2, kek-1] } }, module: b,",
    "12:44 providers.two.grants.state.names[1]",
  ],
  [
    "a record granted twice",
    "names: [kek-1]",
    "names: [kek-1, kek-1]",
    "11:31 providers.one.grants.state.names[1]",
  ],
  ["a grant of a record without a folder of records", "state: { directory: state }\n", "", "1:1 state"],
];

testRefusals(
  "grants",
  cases.map(([name, from, to, place]) => {
    assert.ok(VALID.includes(from), from);
    return { name, text: VALID.replace(from, () => to), place };
  }),
);

const grantsIn = (text: string) => parseConfig(text, "/etc/k.yaml").providers[0]?.grants;

test("a grant of a TPM has only the owner hierarchy by default", () => {
  assert.deepEqual(grantsIn(VALID), {
    tpm: { device: "/dev/tpmrm0", hierarchies: ["owner"], persistent: [], templates: [], unseal: false },
    state: { names: ["kek-1"] },
  });
});

test("a grant of a TPM has the configured values", () => {
  const grant = `/dev/tpmrm0
        hierarchies: []
        persistent: ["0x81000001"]
        templates: [${SHA}]
        unseal: true
        rpcs: [encrypt]`;
  assert.deepEqual(grantsIn(VALID.replace("/dev/tpmrm0", grant))?.tpm, {
    device: "/dev/tpmrm0",
    hierarchies: [],
    persistent: [0x81000001],
    templates: [SHA],
    unseal: true,
    rpcs: ["encrypt"],
  });
});

for (const device of ["/dev/tpmrm1", "swtpm:/run/tpm.sock", "swtpm:127.0.0.1:2321", '"mssim:[::1]:2321"']) {
  test(`the device ${device} is accepted`, () => {
    const grants = grantsIn(VALID.replace("/dev/tpmrm0", device));
    assert.equal(grants?.tpm?.device, device.replaceAll('"', ""));
  });
}

test("the folder of records is resolved against the folder of the file", () => {
  assert.deepEqual(parseConfig(VALID, "/etc/k.yaml").state, { directory: "/etc/state" });
});
