/** The requests that a credential is for: a line that ends in a slash covers more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LoginMethod } from "./method.ts";
import { methodOf } from "./methods.ts";

const GOOGLE = "/v1/projects/p/locations/l/keyRings/r/cryptoKeys/k";
const ID = "0a".repeat(16);
const CASES = {
  gcp: {
    good: [`GET ${GOOGLE}`, `POST ${GOOGLE}/cryptoKeyVersions/7:encrypt`, `POST ${GOOGLE}:decrypt`],
    bad: [
      `POST ${GOOGLE}/cryptoKeyVersions/7:destroy`,
      `POST ${GOOGLE}/cryptoKeyVersions/7:restore`,
      `POST ${GOOGLE}/cryptoKeyVersions/7:encrypt/x`,
      `POST ${GOOGLE}/cryptoKeyVersions/x:encrypt`,
      `POST ${GOOGLE}/cryptoKeyVersions/`,
      `POST ${GOOGLE}/cryptoKeyVersions`,
      `POST ${GOOGLE}`,
    ],
  },
  azure: {
    good: [
      "GET /keys/kek?api-version=7.4",
      "GET /keys/kek/versions?api-version=7.4&maxresults=25",
      `POST /keys/kek/${ID}/wrapkey?api-version=7.4`,
      `POST /keys/kek/${ID}/unwrapkey?api-version=7.4`,
    ],
    bad: [
      "POST /keys/kek/create?api-version=7.4",
      "POST /keys/kek/backup?api-version=7.4",
      "POST /keys/kek/rotate?api-version=7.4",
      "POST /keys/kek/import?api-version=7.4",
      `POST /keys/kek/${ID}/sign?api-version=7.4`,
      `POST /keys/kek/${ID}?api-version=7.4`,
      "DELETE /keys/kek?api-version=7.4",
    ],
  },
} as const;

for (const [kind, { good, bad }] of Object.entries(CASES)) {
  test(`credential.${kind} is for requests of a key only`, () => {
    const { fits }: LoginMethod = methodOf({ kind: kind as keyof typeof CASES });
    assert.ok(fits);
    for (const request of good) assert.equal(fits(request), true, request);
    for (const request of bad) assert.equal(fits(request), false, request);
  });
}
