/** The gpg provider in its sandbox, with the real keystore and the real gpg, in both directions. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { buildAll } from "../../providers/build.ts";
import { requireDebian } from "../support/debian.ts";
import { Gpg, READABLE } from "../support/gpg.ts";
import { type Sandbox, startSandbox } from "../support/sandbox.ts";

requireDebian(["gnupg"]);

/**
 * The limits of the contract, the cipher's block sizes, and those where a packet has 191 to 193 bytes, at which the encoding of its length
 * changes: the protected data is 88 bytes longer than the plaintext (one less inside the short form), the literal data 45.
 */
const SIZES = [1, 2, 15, 16, 17, 32, 103, 104, 105, 146, 147, 148, 190, 191, 192, 193, 511, 512];
const SECRETS = { kek: randomBytes(32), other: randomBytes(32) };
const PASSPHRASE = SECRETS.kek.toString("base64url");
const AAD = Uint8Array.of(1, 2, 3);
const PLAINTEXT = randomBytes(32);

let gpg: Gpg;
let sandbox: Sandbox;
let module: string;
let version: string;

before(async () => {
  gpg = new Gpg();
  module = (await buildAll()).find(({ name }) => name === "gpg")?.path ?? assert.fail("no module");
  sandbox = await startSandbox("gpg", module, { passphrases: SECRETS });
  version = (await sandbox.provider.status("kek")).version;
});

after(async () => {
  await sandbox.stop();
  gpg.close();
  assert.deepEqual([sandbox.faults, sandbox.denials], [[], []]);
});

async function encrypt(plaintext: Uint8Array): Promise<Uint8Array> {
  const request = { key: "kek", version, plaintext, associatedData: AAD };
  const { ciphertext, annotations } = await sandbox.provider.encrypt(request);
  assert.deepEqual(annotations, []);
  return ciphertext;
}

async function decrypt(ciphertext: Uint8Array, associatedData = AAD): Promise<Buffer> {
  const request = { key: "kek", version, ciphertext, associatedData, annotations: [] };
  return Buffer.from(await sandbox.provider.decrypt(request));
}

/** The provider's reasons why a message is not its own. */
async function refusal(work: Promise<unknown>): Promise<string> {
  let said: string | undefined;
  await assert.rejects(work, (error: Error & { code: string }) => {
    assert.equal(error.code, "ciphertext-invalid");
    said = String(error.cause);
    return true;
  });
  return said ?? "";
}

for (const size of SIZES) {
  test(`gpg --decrypt opens the provider's message, and the provider opens gpg's: ${size} bytes`, async () => {
    const plaintext = randomBytes(size);
    const ciphertext = await encrypt(plaintext);
    assert.ok(ciphertext.length <= 1023, `${ciphertext.length} bytes`);
    assert.deepEqual(gpg.decrypt(PASSPHRASE, ciphertext), plaintext);
    assert.deepEqual(await decrypt(ciphertext), plaintext);
    assert.deepEqual(await decrypt(gpg.symmetric(PASSPHRASE, plaintext, READABLE)), plaintext);
  });
}

test("gpg --list-packets shows the packets that the provider's page documents", async () => {
  const shown = gpg.packets(PASSPHRASE, await encrypt(PLAINTEXT));
  assert.match(shown, /:symkey enc packet: version 4, cipher 9, (aead 0,\s?)?s2k 3, hash 8/);
  assert.match(shown, /salt [0-9A-F]{16}, count 65536 \(96\)/);
  assert.match(shown, /:encrypted data packet:\n\tlength: \d+\n\tmdc_method: 2/);
  assert.match(shown, /:literal data packet:\n\tmode b \(62\), created 0, name="kleidi:[0-9a-f]{32}",\n/);
  assert.match(shown, /raw data: 32 bytes/);
  assert.equal(shown.match(/^:/gm)?.length, 3);
});

test("gpg does not open a message with another passphrase, or a changed one", async () => {
  const ciphertext = await encrypt(PLAINTEXT);
  assert.throws(() => gpg.decrypt(SECRETS.other.toString("base64url"), ciphertext), /Bad session key/);
  const changed = Uint8Array.from(ciphertext);
  changed.set([(changed.at(-1) ?? 0) ^ 1], changed.length - 1);
  assert.throws(() => gpg.decrypt(PASSPHRASE, changed), /gpg ended with 2/);
});

/** Options in addition to READABLE, and the name of the file, or none for stdin. */
const OPENED: readonly [options: readonly string[], name?: string][] = [
  [[]],
  [[], "seed.bin"],
  [["--s2k-count", "1088"], "seed.bin"],
  [["--s2k-count", "65536"]],
  [["--s2k-count", "65011712"]],
  [["--rfc4880", ...READABLE, "--cipher-algo", "AES256"], "seed.bin"],
  [["--gnupg", "--cipher-algo", "AES256"], "seed.bin"],
  [["--set-filename", "κλειδί"]],
  [["--set-filename", "x".repeat(255)]],
  [["--for-your-eyes-only"], "seed.bin"],
];
for (const [options, name] of OPENED) {
  test(`a message of gpg --symmetric is decrypted: ${options.join(" ")} ${name ?? "from stdin"}`, async () => {
    const message = gpg.symmetric(PASSPHRASE, PLAINTEXT, [...READABLE, ...options], name);
    assert.deepEqual(await decrypt(message), PLAINTEXT);
  });
}

/** Options, and the reason of the refusal. */
const REFUSED: readonly [options: readonly string[], says: RegExp][] = [
  [
    ["--s2k-digest-algo", "SHA1", "-z", "0"],
    /its S2K digest is 2, only 8 is read \(--s2k-digest-algo SHA256\)/,
  ],
  [["--s2k-digest-algo", "SHA512", "-z", "0"], /its S2K digest is 10, only 8 is read/],
  [["--s2k-digest-algo", "SHA256"], /compressed; create it with --compress-algo none/],
  [["--s2k-digest-algo", "SHA256", "--compress-algo", "bzip2"], /compressed; create it with/],
  [[...READABLE, "--cipher-algo", "AES128"], /its cipher is 7, only 9 is read \(--cipher-algo AES256\)/],
  [[...READABLE, "--s2k-mode", "1"], /its S2K is 1, only 3 is read \(--s2k-mode 3\)/],
  [[...READABLE, "--armor"], /armored messages are not supported/],
  [[...READABLE, "--textmode"], /its content is text/],
  [[...READABLE, "--set-filename", "kleidi:"], /it is bound to other associated data/],
];
for (const [options, says] of REFUSED) {
  test(`a message of gpg --symmetric is refused: ${options.join(" ")}`, async () => {
    assert.match(await refusal(decrypt(gpg.symmetric(PASSPHRASE, PLAINTEXT, options))), says);
  });
}

/** Runs as many calls at once as the provider accepts. */
async function allRefused(messages: readonly Uint8Array[]): Promise<void> {
  for (let at = 0; at < messages.length; at += 32) {
    await Promise.all(messages.slice(at, at + 32).map((message) => refusal(decrypt(message))));
  }
}

test("every changed bit of a message is refused", async () => {
  const message = await encrypt(PLAINTEXT);
  assert.deepEqual(await decrypt(message), PLAINTEXT);
  const changed = Array.from({ length: 8 * message.length }, (_, bit) => {
    const copy = Uint8Array.from(message);
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return copy;
  });
  await allRefused(changed);
});

test("every truncated message, and one with trailing bytes, is refused", async () => {
  const message = await encrypt(PLAINTEXT);
  // the contract does not allow an empty ciphertext
  const cut = Array.from({ length: message.length - 1 }, (_, at) => message.subarray(0, at + 1));
  await allRefused([...cut, Buffer.concat([message, Buffer.of(0)]), Buffer.concat([message, message])]);
});

test("a message is refused with another key's associated data, but one of gpg's is accepted", async () => {
  const message = await encrypt(PLAINTEXT);
  assert.match(await refusal(decrypt(message, Uint8Array.of(1, 2))), /it is bound to other associated data/);
  const foreign = gpg.symmetric(PASSPHRASE, PLAINTEXT, READABLE);
  assert.deepEqual(await decrypt(foreign, Uint8Array.of(1, 2)), PLAINTEXT);
});

test("a message with another passphrase is refused", async () => {
  const says = /it was modified, or encrypted with another passphrase/;
  const foreign = gpg.symmetric(SECRETS.other.toString("base64url"), PLAINTEXT, READABLE);
  assert.match(await refusal(decrypt(foreign)), says);
  const { version } = await sandbox.provider.status("other");
  const ciphertext = await encrypt(PLAINTEXT);
  const request = { key: "other", version, ciphertext, associatedData: AAD, annotations: [] };
  assert.match(await refusal(sandbox.provider.decrypt(request)), says);
});

test("another version of the passphrase is not used", async () => {
  const request = { key: "kek", version: "0".repeat(32), plaintext: PLAINTEXT, associatedData: AAD };
  await assert.rejects(sandbox.provider.encrypt(request), { code: "key-not-ready" });
});

test("a key that is granted for sealing cannot be used as a passphrase", async () => {
  const other = await startSandbox("gpg", module, { keys: ["kek"] });
  try {
    const { version } = await other.provider.status("kek");
    const request = { key: "kek", version, plaintext: PLAINTEXT, associatedData: AAD };
    await assert.rejects(other.provider.encrypt(request), { code: "capability-denied" });
    assert.deepEqual(other.denials, ["kleidi:keystore s2k in encrypt: this key is not one of 0 granted"]);
  } finally {
    await other.stop();
  }
});
