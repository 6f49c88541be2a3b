import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "./config-error.ts";
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

function faultsIn(text: string): string {
  try {
    parseConfig(text, "/etc/k.yaml");
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  assert.fail("the configuration was accepted");
}

const DEVICE =
  "/dev/tpmrm0, or a virtual TPM: swtpm: and a path, or swtpm: or mssim: and a loopback address and port";
const OF_TPM = "providers.one.grants.tpm";

const cases: readonly (readonly [name: string, from: string, to: string, fault: string])[] = [
  ...[
    "/dev/tpm0",
    "swtpm:run/tpm.sock",
    "swtpm:10.0.0.1:2321",
    "swtpm:localhost:2321",
    "mssim:/tpm.sock",
  ].map(
    (device) =>
      [
        `the device ${device}`,
        "/dev/tpmrm0",
        device,
        `10:17 ${OF_TPM}.device: expected ${DEVICE}, found "${device}"; write: device: /dev/tpmrm0`,
      ] as const,
  ),
  ...["127.0.0.1:65536", "127.0.0.1:0", "127.256.0.1:1", "[::2]:1"].map(
    (address) =>
      [
        `a virtual TPM at ${address}`,
        "/dev/tpmrm0",
        `"mssim:${address}"`,
        `10:17 ${OF_TPM}.device: expected ${DEVICE}, found "mssim:${address}"; write: device: /dev/tpmrm0`,
      ] as const,
  ),
  [
    "a TPM without a device",
    "      tpm:\n        device: /dev/tpmrm0",
    "      tpm:\n        hierarchies: [owner]",
    `9:7 ${OF_TPM}.device: expected ${DEVICE}, found nothing; write: device: /dev/tpmrm0`,
  ],
  [
    "a hierarchy that is none",
    "/dev/tpmrm0",
    "/dev/tpmrm0\n        hierarchies: [owner, lockout]",
    `11:30 ${OF_TPM}.hierarchies[1]: expected owner, endorsement or platform, found "lockout"; write: - owner`,
  ],
  [
    "a handle without quotes",
    "/dev/tpmrm0",
    "/dev/tpmrm0\n        persistent: [0x81000001]",
    `11:22 ${OF_TPM}.persistent[0]: expected a quoted handle from 0x81000000 to 0x81ffffff, found the number 0x81000001; write: - "0x81000001"`,
  ],
  [
    "a handle that is not persistent",
    "/dev/tpmrm0",
    '/dev/tpmrm0\n        persistent: ["0x80000001"]',
    `11:22 ${OF_TPM}.persistent[0]: expected a quoted handle from 0x81000000 to 0x81ffffff, found "0x80000001"; write: - "0x81000001"`,
  ],
  [
    "a template that is no hash",
    "/dev/tpmrm0",
    "/dev/tpmrm0\n        templates: [abc]",
    `11:21 ${OF_TPM}.templates[0]: expected 64 lower-case hex digits, found "abc"; write: - <64 hex digits>`,
  ],
  [
    "provisioning among the RPCs of a grant",
    "/dev/tpmrm0",
    "/dev/tpmrm0\n        rpcs: [provision]",
    `11:16 ${OF_TPM}.rpcs[0]: expected status, encrypt or decrypt, found "provision"; write: - encrypt`,
  ],
  [
    "a record whose name leads elsewhere",
    "names: [kek-1]",
    "names: [../kek-1]",
    '11:24 providers.one.grants.state.names[0]: expected a name of a-z, 0-9, "." and "-", at most 63 characters, the first a letter or digit, found "../kek-1"; write: - kek-2026',
  ],
  [
    "a record that is granted to two providers",
    "{ module: b,",
    "{ grants: { state: { names: [kek-2, kek-1] } }, module: b,",
    '12:44 providers.two.grants.state.names[1]: expected a record that is granted once (line 11 grants it), found "kek-1"; remove it, or give this one another name',
  ],
  [
    "a record that is granted twice",
    "names: [kek-1]",
    "names: [kek-1, kek-1]",
    '11:31 providers.one.grants.state.names[1]: expected a record that is granted once (line 11 grants it), found "kek-1"; remove it, or give this one another name',
  ],
  [
    "a grant of a record without a folder of records",
    "state: { directory: state }\n",
    "",
    "1:1 state: expected a folder of records, because a provider is granted some, found nothing; write: state: { directory: /var/lib/kleidi/state }",
  ],
];

for (const [name, from, to, fault] of cases)
  test(`parseConfig refuses ${name}`, () => {
    assert.ok(VALID.includes(from));
    const message = faultsIn(VALID.replace(from, () => to));
    assert.equal(message, `Cannot use the configuration /etc/k.yaml: 1 fault\n/etc/k.yaml:${fault}`);
  });

const grantsIn = (text: string) => parseConfig(text, "/etc/k.yaml").providers[0]?.grants;

test("a TPM's grant has the owner hierarchy and nothing else unless it says so", () => {
  assert.deepEqual(grantsIn(VALID), {
    tpm: { device: "/dev/tpmrm0", hierarchies: ["owner"], persistent: [], templates: [], unseal: false },
    state: { names: ["kek-1"] },
  });
});

test("a TPM's grant is what it says", () => {
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

test("the folder of records is resolved against the file's", () => {
  assert.deepEqual(parseConfig(VALID, "/etc/k.yaml").state, { directory: "/etc/state" });
});
