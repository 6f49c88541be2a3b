/** The commands of two untrusted providers to one TPM, as a script. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import type { TpmGrant } from "../../host/capabilities/tpm/policy.ts";
import { STORAGE_PRIMARY, STORAGE_PRIMARY_SHA256 } from "../../host/capabilities/tpm/template.ts";
import type { Rpc } from "../../host/host-call.ts";
import * as tpm from "../support/tpm-commands.ts";
import { mutated } from "./bytes.ts";

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const NONE = new Uint8Array();
export const PERSISTENT = 0x81000001;
export const GRANT: TpmGrant = {
  hierarchies: ["owner"],
  persistent: [PERSISTENT],
  unseal: true,
  templates: [STORAGE_PRIMARY_SHA256],
};
const RPCS: readonly Rpc[] = ["status", "encrypt", "decrypt", "provision"];
const [OBJECT, HMAC_SESSION, POLICY_SESSION] = [0x80000000, 0x02000000, 0x03000000] as const;
/** The first numbers that a provider gets, for an object and two sessions. */
const FIRST = [OBJECT + 0x1000, HMAC_SESSION + 0x1001, POLICY_SESSION + 0x1002] as const;
const NUMBERS = Array.from({ length: 8 }, (_, i) => 0x1000 + i);

/** Possible values of a handle, from a provider that knows the format. */
const handle = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...FIRST) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom(OBJECT, HMAC_SESSION, POLICY_SESSION), fc.constantFrom(...NUMBERS))
      .map(([type, number]) => type + number),
  },
  { weight: 2, arbitrary: fc.constantFrom(tpm.OWNER, tpm.NULL_HIERARCHY, PERSISTENT) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      0x80000000,
      0x80000001,
      0x02000000,
      0x03000000,
      0x81000002,
      0x4000000c,
      0x4000000a,
      0,
      0xffffffff,
    ),
  },
);
const object = fc.oneof(
  { weight: 12, arbitrary: fc.constant(FIRST[0]) },
  { weight: 6, arbitrary: fc.constantFrom(...NUMBERS).map((number) => OBJECT + number) },
  { weight: 1, arbitrary: handle },
);
const policySession = fc.oneof(
  { weight: 12, arbitrary: fc.constant(FIRST[2]) },
  { weight: 6, arbitrary: fc.constantFrom(...NUMBERS).map((number) => POLICY_SESSION + number) },
  { weight: 1, arbitrary: handle },
);
const session: fc.Arbitrary<tpm.Session> = fc.record({
  handle: fc.oneof({ weight: 3, arbitrary: fc.constant(tpm.PASSWORD) }, { weight: 2, arbitrary: handle }),
  attributes: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(0, 1, 0x21, 0x41, 0x61) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
  ),
  nonce: fc.uint8Array({ maxLength: 20 }),
  hmac: fc.uint8Array({ maxLength: 32 }),
});
const template = fc.oneof(
  fc.constantFrom(STORAGE_PRIMARY, tpm.keyedHash(tpm.HMAC_KEY), tpm.keyedHash(tpm.SEALED, { hmac: false })),
  mutated(fc.constantFrom(STORAGE_PRIMARY, tpm.keyedHash(tpm.HMAC_KEY)), 1),
);
/** The public area of an object made from a template, as the TPM returns it: with a unique field. */
const area = template.map((template) =>
  Buffer.concat([template.subarray(0, -2), tpm.sized(new Uint8Array(32))]),
);
const valid: fc.Arbitrary<Uint8Array> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(tpm.OWNER, tpm.NULL_HIERARCHY), template)
      .map(([hierarchy, template]) => tpm.createPrimary(hierarchy, template)),
  },
  { weight: 3, arbitrary: fc.constantFrom(0, 1, 3).map((type) => tpm.startSession(type)) },
  {
    weight: 2,
    arbitrary: fc.tuple(object, template).map(([parent, template]) => tpm.create(parent, { template })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(object, fc.oneof({ weight: 4, arbitrary: area }, { weight: 1, arbitrary: template }))
      .map(([parent, area]) => tpm.load(parent, NONE, area)),
  },
  { weight: 2, arbitrary: fc.tuple(object, session).map(([key, session]) => tpm.hmac(key, NONE, session)) },
  fc
    .tuple(object, fc.array(session, { maxLength: 4 }))
    .map(([key, sessions]) => tpm.command(0x155, [key], sessions, tpm.sized(NONE), tpm.u16(0x000b))),
  fc.tuple(object, session).map(([key, session]) => tpm.unseal(key, session)),
  fc.tuple(handle, handle).map(([key, bind]) => tpm.startSession(0, { key, bind })),
  object.map(tpm.readPublic),
  fc
    .tuple(fc.integer({ min: 0, max: 70 }), fc.array(session, { maxLength: 3 }))
    .map(([bytes, sessions]) => tpm.getRandom(bytes, sessions)),
  fc.integer({ min: 0, max: 10 }).map((capability) => tpm.getCapability(capability)),
  { weight: 3, arbitrary: handle.map(tpm.flushContext) },
  policySession.chain((session) =>
    fc.constantFrom(
      tpm.policyPcr(session),
      tpm.policyAuthValue(session),
      tpm.policyCommandCode(session),
      tpm.policyGetDigest(session),
      tpm.policyRestart(session),
    ),
  ),
  fc
    .tuple(fc.integer({ min: 0x11f, max: 0x1ff }), handle, session)
    .map(([code, handle, session]) => tpm.command(code, [handle], [session])),
);
/** Mostly with a corrected size: otherwise only the first check would be tested. */
const command = fc.oneof(
  { weight: 6, arbitrary: valid },
  {
    weight: 3,
    arbitrary: fc
      .tuple(mutated(valid, 3), fc.integer({ min: 0, max: 5 }))
      .map(([bytes, sizing]) => (sizing === 0 ? bytes : resized(bytes))),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
);

function resized(bytes: Uint8Array): Uint8Array {
  if (bytes.length < 6) return bytes;
  const copy = Uint8Array.from(bytes);
  new DataView(copy.buffer).setUint32(2, copy.length);
  return copy;
}

export type Step =
  | {
      readonly kind: "command";
      readonly who: number;
      readonly rpc: Rpc;
      readonly bytes: Uint8Array;
      readonly fails: number;
    }
  | { readonly kind: "lost"; readonly who: number };
const who = fc.constantFrom(0, 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant("command" as const),
      who,
      rpc: fc.constantFrom(...RPCS),
      bytes: command,
      // a TPM's response: mostly success
      fails: fc.oneof(
        { weight: 6, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.constantFrom(0x910, 0x918, 0x18b, 0x98b, 0x1cb, 0x101) },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lost" as const), who }) },
);

/** The usual first commands of each provider: without objects of its own, little would be forwarded. */
const prologue = [0, 1].flatMap((who) =>
  [tpm.createPrimary(), tpm.startSession(0), tpm.startSession(1)].map(
    (bytes): Step => ({ kind: "command", who, rpc: "encrypt", bytes, fails: 0 }),
  ),
);
export const steps = fc
  .tuple(fc.integer({ min: 0, max: 4 }), fc.array(step, { minLength: 1, maxLength: 12, size: "max" }))
  .map(([begins, more]) => (begins === 0 ? more : [...prologue, ...more]));
