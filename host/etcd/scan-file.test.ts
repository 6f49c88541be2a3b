/** Stores that are damaged or forged: each fault is named, the rest is scanned, and the scan ends. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  branch,
  bucket,
  encrypted,
  keyBucket,
  leaf,
  meta,
  PAGE_SIZE,
  revisions,
  storeOf,
  storeWith,
} from "../../test/support/bolt-store.ts";
import { EtcdFault } from "./etcd-fault.ts";
import { scanStore } from "./scan-file.ts";

const OLD = encrypted("k1.old");
const NEW = encrypted("k1.new");
const key = (name: string) => `/registry/secrets/default/${name}`;
const CHANGES = [
  { key: key("a"), value: OLD },
  { key: key("b"), value: OLD },
  { key: key("c"), value: OLD },
  { key: "/registry/configmaps/default/a", value: Buffer.from("k8s\0…") },
  { key: key("a"), value: NEW },
  { key: key("c") },
  { key: "compact_rev_key", value: Buffer.from("12") },
];

function scan(bytes: Buffer) {
  let read = 0;
  const result = scanStore(
    (position, length) => {
      read += Math.max(0, Math.min(length, bytes.length - position));
      return bytes.subarray(position, position + length);
    },
    bytes.length,
    "/registry",
  );
  assert.ok(read <= 2 * bytes.length + 4096, `${read} bytes were read of ${bytes.length}`);
  const groups = result.groups.map(({ resource, stored, count }) => {
    const what = stored.kind === "kms-v2" ? `${stored.provider} ${stored.keyId}` : stored.kind;
    return `${count} ${resource} ${what}`;
  });
  return { ...result, groups };
}

/** A page of the bucket, whose leaf has all changes. */
const ALL = revisions(CHANGES);
const SECRETS = ["1 configmaps clear", "1 secrets kleidi k1.new", "1 secrets kleidi k1.old"];

describe("scanStore", () => {
  test("counts the newest revision of each key, and no deleted key", () => {
    const { groups, objects, revision, faults } = scan(storeWith(CHANGES));
    assert.deepEqual([groups, objects, revision, faults], [SECRETS, 3, 6, []]);
  });

  test("reads a bucket that is stored in its parent's page", () => {
    const inline = Buffer.concat([bucket(0), leaf(0, ALL)]);
    const { groups, faults } = scan(storeOf([], leaf(2, [keyBucket(inline)])));
    assert.deepEqual([groups, faults], [SECRETS, []]);
  });

  test("reads a value that is longer than a page", () => {
    const long = encrypted("k1.old", "kleidi", new Uint8Array(5 * PAGE_SIZE));
    const { groups } = scan(storeOf([leaf(3, revisions([{ key: key("long"), value: long }]))]));
    assert.deepEqual(groups, ["1 secrets kleidi k1.old"]);
  });

  test("uses the other meta page if one is damaged", () => {
    for (const damaged of [0, 1]) {
      const bytes = storeWith(CHANGES);
      bytes.fill(0xff, damaged * PAGE_SIZE, (damaged + 1) * PAGE_SIZE);
      assert.deepEqual(scan(bytes).groups, SECRETS);
    }
  });

  const FILES: Record<string, Buffer> = {
    "an empty file": Buffer.alloc(0),
    "a file of zeros": Buffer.alloc(8 * PAGE_SIZE),
    "two damaged meta pages": Buffer.concat([Buffer.alloc(2 * PAGE_SIZE, 1), leaf(2, [])]),
    "a file whose end is missing": storeWith(CHANGES).subarray(0, 4 * PAGE_SIZE),
    "a page size that does not exist": Buffer.concat([meta(0, 1, 4, 1000), Buffer.alloc(4096)]),
  };
  for (const [name, bytes] of Object.entries(FILES))
    test(`refuses ${name}`, () => {
      assert.throws(
        () => scan(bytes),
        (error) => error instanceof EtcdFault && /not a bbolt file/.test(error.message),
      );
    });

  test("refuses a store without the bucket of etcd", () => {
    assert.throws(() => scan(storeOf([], leaf(2, []))), { message: 'it has no bucket "key"' });
    assert.throws(() => scan(storeOf([], branch(2, [999]))), {
      message: 'it has no bucket "key": page 999: it lies outside of the file',
    });
  });

  test("refuses a file that is written meanwhile", () => {
    const bytes = storeWith(CHANGES);
    const later = meta(0, 9, bytes.length / PAGE_SIZE);
    const read = (position: number, length: number) => {
      const page = Buffer.from(bytes.subarray(position, position + length));
      if (position > 2 * PAGE_SIZE) bytes.set(later, 0);
      return page;
    };
    assert.throws(() => scanStore(read, bytes.length, "/registry"), {
      message: "it was written during the scan",
    });
  });

  const good = leaf(4, ALL);
  const at5 = (id: number, flags = 2, count = 0, overflow = 0) => {
    const page = leaf(5, []);
    page.writeBigUInt64LE(BigInt(id), 0);
    page.writeUInt16LE(flags, 8);
    page.writeUInt16LE(count, 10);
    page.writeUInt32LE(overflow, 12);
    return page;
  };
  const outside = leaf(5, revisions([{ key: key("x"), value: OLD }]));
  outside.writeUInt32LE(0xffff_fff0, 16 + 12);
  const before = leaf(5, revisions([{ key: key("x"), value: OLD }]));
  before.writeUInt32LE(0, 16 + 4);
  const size = good.length / PAGE_SIZE;
  const PAGES: Record<string, readonly [page: Buffer, fault: RegExp]> = {
    "a page with the number of another": [at5(99), /^page 5: it has the number of page 99$/],
    "a page of the free list": [at5(5, 0x10), /^page 5: it is neither a leaf nor a branch of the tree$/],
    "a page with more elements than fit": [
      at5(5, 2, 0xffff),
      /^page 5: it has 65535 elements, which is more than fit/,
    ],
    "a page that ends outside of the file": [at5(5, 2, 0, 3), /^page 5: its end lies outside of the file$/],
    "a page that claims to be huge": [
      at5(5, 2, 0, 0xffff_ffff),
      /^page 5: it is 4398046511104 bytes, at most 67108864 are read$/,
    ],
    "an element that ends outside of its page": [outside, /^page 5: its element 0 lies outside of it$/],
    "an element that begins in the header": [before, /^page 5: its element 0 lies outside of it$/],
  };
  for (const [name, [page, fault]] of Object.entries(PAGES))
    test(`reports ${name}, and scans the others`, () => {
      const numbered = Buffer.from(page);
      if (numbered.readBigUInt64LE(0) === 5n) numbered.writeBigUInt64LE(BigInt(4 + size), 0);
      const { groups, faults, faultCount } = scan(storeOf([branch(3, [4, 4 + size]), good, numbered]));
      assert.deepEqual([groups, faultCount], [SECRETS, 1]);
      assert.match(faults[0]?.replace(`page ${4 + size}`, "page 5") ?? "", fault);
    });

  test("ends where pages lead to each other, and where the tree is too deep", () => {
    const { faults } = scan(storeOf([branch(3, [3, 4, 4]), branch(4, [3, 2, 0, 1])]));
    assert.deepEqual(faults, [
      "page 1: it lies outside of the file",
      "page 0: it lies outside of the file",
      "page 2: two pages lead to it",
      "page 3: two pages lead to it",
      "page 4: two pages lead to it",
      "page 3: two pages lead to it",
    ]);
    const deep = Array.from({ length: 40 }, (_, i) => branch(3 + i, [4 + i]));
    assert.deepEqual(scan(storeOf(deep)).faults, ["page 36: it is 33 levels deep, at most 32 are read"]);
  });

  test("prints no value whose bytes a damaged length makes a part of its key", () => {
    const [pair] = revisions([{ key: key("a"), value: Buffer.from("k8s\0secret") }]);
    assert.ok(pair);
    const value = Buffer.from(pair.value);
    value.writeUInt8(value.length - 2, 1); // the length of the key
    const { faults, objects } = scan(storeOf([leaf(3, [{ ...pair, value }])]));
    assert.deepEqual([faults, objects], [["the value of revision 2_0 is damaged"], 0]);
  });

  test("reports revisions that are out of order, of another form, or damaged, and does not count them", () => {
    const [first, second, third, fourth] = ALL;
    assert.ok(first && second && third && fourth);
    const odd = { key: Buffer.from("not-a-revision"), value: second.value };
    const cut = { key: fourth.key, value: fourth.value.subarray(0, 12) };
    const { faults, groups } = scan(storeOf([leaf(3, [third, second, first, odd, cut])]));
    assert.deepEqual(groups, ["1 secrets kleidi k1.old"]);
    assert.deepEqual(faults, [
      "the value of revision 5_0 is damaged",
      "a key of 14 bytes is not a revision",
      "revision 3_0 is out of order",
      "revision 4_0 is out of order",
    ]);
  });
});
