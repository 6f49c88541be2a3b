/** A scan of etcd finds the key of an object of a composed key from the object itself. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { addComposed } from "../../host/checks/composed.ts";
import type { Config } from "../../host/config/config.ts";
import type { ConfiguredKey } from "../../host/etcd/scan-findings.ts";
import { readStoredValue } from "../../host/etcd/stored-value.ts";
import { EncryptedObjectSchema } from "../../proto/etcd/v3/etcd_pb.ts";
import { root } from "../support/fixture.ts";
import { keyIdOf } from "./decoder.ts";

const { objects } = JSON.parse(readFileSync(join(root, "docs", "formats.json"), "utf8"));
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));

function vector(name: string, change: (ciphertext: Uint8Array) => Uint8Array = (all) => all) {
  const found = objects.find((each: { name: string }) => each.name === name);
  const annotations = Object.entries<string>(found.annotations).map(([key, value]) => [key, bytes(value)]);
  const object = create(EncryptedObjectSchema, {
    encryptedData: new Uint8Array(64),
    keyId: found.keyId,
    encryptedDekSource: change(bytes(found.ciphertext)),
    annotations: Object.fromEntries(annotations),
    encryptedDekSourceType: 1,
  });
  const message = toBinary(EncryptedObjectSchema, object);
  const members: { key: string; keyId: string }[] = found.members.map(
    ({ key, version }: { key: string; version: string }) => ({ key, keyId: keyIdOf(key, version) }),
  );
  return {
    ...found,
    members,
    stored: readStoredValue(Buffer.concat([Buffer.from("k8s:enc:kms:v2:p:"), message])),
  };
}

async function found(name: string, known: number, active?: string): Promise<ConfiguredKey | undefined> {
  const { key, mode, members, stored, keyId } = vector(name);
  const ids = members
    .slice(0, known)
    .map((each: { key: string; keyId: string }): [string, ConfiguredKey] => [
      each.keyId,
      { name: each.key, state: "older" },
    ]);
  const keys = new Map<string, ConfiguredKey>(ids);
  const names = members.map((each: { key: string }) => each.key);
  const config = { keys: [{ name: key, mode, members: names, use: "active" }] } as unknown as Config;
  await addComposed(keys, config, [stored], active);
  return keys.get(keyId);
}

test("an object of a composed key names its members", () => {
  const { stored, members } = vector("any-of-two");
  assert.equal(stored.kind, "kms-v2");
  assert.deepEqual(stored.composed.keyIds, members.map(({ keyId }: { keyId: string }) => keyId).toSorted());
});

test("an object whose header is cut is damaged", () => {
  assert.equal(vector("any-of-two", (all) => all.slice(0, 40)).stored.kind, "damaged");
});

test("an object of anyOf is readable with one known member, and of allOf with all of them", async () => {
  assert.deepEqual(await found("any-of-two", 1), { name: "both", state: "older" });
  assert.equal(await found("any-of-two", 0), undefined);
  assert.deepEqual(await found("all-of-four", 4), { name: "four", state: "older" });
  assert.equal(await found("all-of-four", 3), undefined);
});

test("the key_id with which the composed key encrypts now is the active one", async () => {
  assert.equal((await found("any-of-two", 2, vector("any-of-two").keyId))?.state, "active");
});
