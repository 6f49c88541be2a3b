/** Forged snapshots of etcd: the scan ends, reads little more than the file, names no value, and counts no object that is not there. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { EtcdFault } from "../../host/etcd/etcd-fault.ts";
import type { Scan } from "../../host/etcd/scan.ts";
import { scanStore } from "../../host/etcd/scan-file.ts";
import { scanFindings } from "../../host/etcd/scan-findings.ts";
import { scanReport } from "../../host/etcd/scan-report.ts";
import { readStoredValue } from "../../host/etcd/stored-value.ts";
import { encrypted, type Revision, storeWith } from "../support/bolt-store.ts";
import { type Change, change, changedBytes, mutated } from "./bytes.ts";
import { assertSentence } from "./manifest.ts";
import type { Target } from "./target.ts";

/** In the clear objects: no output may have it. */
const SECRET = "THE-VALUE-OF-A-SECRET";
const DATA = Buffer.from("ciphertext".repeat(8));
const VALUES = [
  encrypted("k1.active", "kleidi", DATA),
  encrypted("k1.older", "kleidi", DATA),
  encrypted("arn:aws:kms", "aws", DATA),
  Buffer.from(`k8s\0${SECRET}`),
  Buffer.from("k8s:enc:aescbc:v1:key1:ciphertext"),
  Buffer.from(SECRET),
];
const KEYS = new Map([["k1.active", { name: "kek", state: "active" as const }]]);

const revision: fc.Arbitrary<Revision> = fc
  .tuple(
    fc.constantFrom("secrets/a/1", "secrets/a/2", "secrets/b/1", "example.com/widgets/a"),
    fc.nat({ max: 7 }),
  )
  .map(([name, index]) => {
    const value = VALUES[index];
    return { key: `/registry/${name}`, ...(value === undefined ? {} : { value }) };
  });
/** Most bytes of a page are zeros behind its data: an edit is of the n-th byte that is not. */
const edit = fc.record({
  nth: fc.nat({ max: 4000 }),
  byte: fc.oneof(fc.constantFrom(0, 1, 2, 0x7f, 0xff), fc.nat({ max: 255 })),
});
const forged = fc.record({
  changes: fc.array(revision, { minLength: 1, maxLength: 24 }),
  edits: fc.array(edit, { maxLength: 4 }),
  rest: fc.array(change, { maxLength: 1 }),
});

function storeOf({
  changes,
  edits,
  rest,
}: {
  changes: Revision[];
  edits: { nth: number; byte: number }[];
  rest: Change[];
}): Uint8Array {
  const bytes = storeWith(changes);
  const places = [...bytes.keys()].filter((at) => bytes[at] !== 0);
  for (const { nth, byte } of edits) bytes[places[nth % places.length] ?? 0] = byte;
  return rest.reduce(changedBytes, bytes as Uint8Array);
}

function scan(bytes: Uint8Array): Scan | EtcdFault {
  const buffer = Buffer.from(bytes);
  let read = 0;
  try {
    return scanStore(
      (position, length) => {
        const part = buffer.subarray(position, position + length);
        read += part.length;
        return part;
      },
      buffer.length,
      "/registry",
    );
  } catch (error) {
    if (!(error instanceof EtcdFault)) throw error;
    return error;
  } finally {
    assert.ok(read <= 2 * buffer.length + 4096, `${read} bytes were read of ${buffer.length}`);
  }
}

function assertQuiet(result: Scan): void {
  const context = { source: "snapshot.db", keys: KEYS, encrypted: ["secrets"] };
  const findings = scanFindings(result, context);
  for (const { detail } of findings) assertSentence(detail);
  const printed = JSON.stringify([findings, scanReport(result, context)]);
  assert.ok(!printed.includes(SECRET) && !printed.includes("VALUE-OF-A"), printed);
}

export const etcd: Target = {
  name: "etcd",
  async open(seen) {
    return {
      properties: [
        {
          name: "of a changed store, every part is counted or reported, and no value is printed",
          cases: 400,
          reaches: ["refused", "damaged parts", "intact"],
          property: fc.property(forged, (input) => {
            const result = scan(storeOf(input));
            if (result instanceof EtcdFault) {
              assertSentence(result.message);
              seen("refused");
              return;
            }
            assert.ok(result.objects <= input.changes.length, "objects that were not written are counted");
            assertQuiet(result);
            seen(result.faultCount > 0 ? "damaged parts" : "intact");
          }),
        },
        {
          name: "a changed value is read as one of the four kinds, and its name and key_id lie in it",
          cases: 1000,
          reaches: ["kms-v2", "damaged", "other", "clear"],
          property: fc.property(
            mutated(
              fc.constantFrom(...VALUES).map((value) => value as Uint8Array),
              3,
            ),
            (bytes) => {
              const stored = readStoredValue(bytes);
              seen(stored.kind);
              if (stored.kind === "kms-v2") {
                const has = (text: string) => Buffer.from(bytes).includes(text);
                assert.ok(has(stored.keyId), "the key_id is not in the value");
                assert.ok(Buffer.byteLength(stored.keyId) <= 1024);
              }
            },
          ),
        },
      ],
    };
  },
};
