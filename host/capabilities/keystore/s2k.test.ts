import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import vectors from "../../../proto/provider/v1/vectors.json" with { type: "json" };
import { Secret } from "../../lib/secret.ts";
import { passphraseOf } from "./key-file.ts";
import { MAX_COUNT, SLICE, s2k } from "./s2k.ts";

const SALT = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const PASSPHRASE = new TextEncoder().encode("correct horse battery staple");
const largest = { salt: SALT, count: MAX_COUNT, length: 32 };
const never = () => new AbortController().signal;

for (const { name, key, salt, count, length, body } of vectors.keystore_s2k) {
  test(`s2k derives the same key as GnuPG: ${name}`, async () => {
    const passphrase = passphraseOf(new Secret(Uint8Array.fromHex(key)));
    const numbers = { salt: Uint8Array.fromHex(salt), count, length };
    const derived = await passphrase.use((text) => s2k(text, numbers, never()));
    assert.equal(Buffer.from(derived ?? []).toString("hex"), body);
  });
}

test("s2k hashes the repetitions, for any passphrase and count", async () => {
  const count = fc.oneof(
    fc.integer({ min: 1024, max: 4096 }),
    fc.integer({ min: SLICE - 64, max: SLICE + 64 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 64 }), count, async (passphrase, count) => {
      const all = Buffer.alloc(count, Buffer.concat([SALT, passphrase]));
      const derived = await s2k(passphrase, { salt: SALT, count, length: 32 }, never());
      assert.deepEqual(derived, createHash("sha256").update(all).digest());
    }),
  );
});

/** Counts the turns of the event loop while `work` runs. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let [turns, done] = [0, false];
  void work.finally(() => {
    done = true;
  });
  for (; !done; turns++) await nextTurn();
  return turns;
}

test("s2k yields to the event loop after every slice", async () => {
  const turns = await turnsDuring(s2k(PASSPHRASE, largest, never()));
  assert.ok(turns >= Math.floor(MAX_COUNT / SLICE), `${turns} turns`);
});

test("concurrent derivations take turns, one slice each", async () => {
  const all = Promise.all([0, 1, 2].map(() => s2k(PASSPHRASE, largest, never())));
  const turns = await turnsDuring(all);
  assert.ok(turns >= 3 * Math.floor(MAX_COUNT / SLICE), `${turns} turns`);
});

test("s2k stops when the call has ended", async () => {
  const controller = new AbortController();
  const work = s2k(PASSPHRASE, largest, controller.signal);
  await nextTurn();
  controller.abort();
  assert.ok((await turnsDuring(work)) <= 3);
  assert.equal(await work, undefined);
});

test("s2k hashes a part of a passphrase that is longer than a slice", { timeout: 60_000 }, async () => {
  const passphrase = Uint8Array.from({ length: SLICE + 10 }, (_, i) => i % 251);
  for (const count of [1024, SLICE + 5, 2 * SLICE + 40]) {
    const all = Buffer.alloc(count, Buffer.concat([SALT, passphrase]));
    const derived = await s2k(passphrase, { salt: SALT, count, length: 32 }, never());
    assert.deepEqual(derived, createHash("sha256").update(all).digest(), `${count} bytes`);
  }
});

test("s2k leaves nothing of the passphrase in memory, finished or aborted", async (t) => {
  const kept: Buffer[] = [];
  const keep = (bytes: Buffer) => {
    kept.push(bytes);
    return bytes;
  };
  const { alloc, concat } = Buffer;
  t.mock.method(Buffer, "alloc", (...given: Parameters<typeof alloc>) => keep(alloc(...given)));
  t.mock.method(Buffer, "concat", (...given: Parameters<typeof concat>) => keep(concat(...given)));
  const numbers = { salt: SALT, count: 5000, length: 32 };
  assert.ok(await s2k(PASSPHRASE, numbers, never()));
  assert.equal(await s2k(PASSPHRASE, numbers, AbortSignal.abort()), undefined);
  assert.equal(kept.length, 4);
  for (const bytes of kept) assert.ok(bytes.length > 0 && bytes.every((byte) => byte === 0));
});
