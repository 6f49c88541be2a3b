/** TPM commands of a provider that nobody trusts: the filter of host/broker/tpm, and what the host remembers of its answers. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { ProviderContext } from "../../host/broker/tpm/context.ts";
import { decideCommand, QUOTA, type TpmGrant } from "../../host/broker/tpm/policy.ts";
import { faultOf, managerAnswer } from "../../host/broker/tpm/response.ts";
import { STORAGE_PRIMARY, STORAGE_PRIMARY_SHA256 } from "../../host/broker/tpm/template.ts";
import type { Rpc } from "../../host/host-call.ts";
import * as tpm from "../support/tpm-commands.ts";
import { mutated } from "./bytes.ts";
import { assertSentence } from "./manifest.ts";
import type { Target } from "./target.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const NONE = new Uint8Array();
const PERSISTENT = 0x81000001;
const GRANT: TpmGrant = {
  hierarchies: ["owner"],
  persistent: [PERSISTENT],
  templates: [STORAGE_PRIMARY_SHA256],
};
const RPCS: readonly Rpc[] = ["status", "encrypt", "decrypt", "provision"];
const [OBJECT, HMAC_SESSION, POLICY_SESSION] = [0x80000000, 0x02000000, 0x03000000] as const;
/** The numbers that a provider is given first, for an object and two sessions. */
const FIRST = [OBJECT + 0x1000, HMAC_SESSION + 0x1001, POLICY_SESSION + 0x1002] as const;
const NUMBERS = Array.from({ length: 8 }, (_, i) => 0x1000 + i);

/** What a provider that knows the format may write where a handle stands. */
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
    arbitrary: fc.tuple(object, template).map(([parent, template]) => tpm.load(parent, NONE, template)),
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
/** With a size that is right again, for the most part: else the first check is all that is tried. */
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

type Step =
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
      // what a TPM answers: mostly success
      fails: fc.oneof(
        { weight: 6, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.constantFrom(0x910, 0x918, 0x18b, 0x98b, 0x1cb, 0x101) },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lost" as const), who }) },
);

/** What each provider does first, for the most part: with nothing of its own, little would be forwarded. */
const prologue = [0, 1].flatMap((who) =>
  [tpm.createPrimary(), tpm.startSession(0), tpm.startSession(1)].map(
    (bytes): Step => ({ kind: "command", who, rpc: "encrypt", bytes, fails: 0 }),
  ),
);
const steps = fc
  .tuple(fc.integer({ min: 0, max: 4 }), fc.array(step, { minLength: 1, maxLength: 12, size: "max" }))
  .map(([begins, more]) => (begins === 0 ? more : [...prologue, ...more]));

/** A TPM that only knows which handles are there, and whose. */
class Handles {
  readonly owners = new Map<number, number>();
  #next = 0;

  create(owner: number, type: number): number {
    const real = type * 2 ** 24 + this.#next++;
    this.owners.set(real, owner);
    return real;
  }
}

/** The handles of a forwarded command, read without the code that is tested: those of its area, of its sessions, and the one that it flushes. */
function handlesIn(forward: Uint8Array): number[] {
  const view = Buffer.from(forward);
  const code = view.readUInt32BE(6);
  const count = COUNT[code];
  assert.ok(count !== undefined, `the command 0x${code.toString(16)} is forwarded`);
  const found = Array.from({ length: count }, (_, i) => view.readUInt32BE(10 + 4 * i));
  if (code === 0x165) found.push(view.readUInt32BE(10));
  if (view.readUInt16BE(0) === 0x8001) return found;
  const begin = 10 + 4 * count;
  const end = begin + 4 + view.readUInt32BE(begin);
  for (let at = begin + 4; at < end; ) {
    found.push(view.readUInt32BE(at));
    at += 4;
    at += 2 + view.readUInt16BE(at);
    assert.equal(view.readUInt8(at) & 0x9e, 0, "a session locks others out");
    at += 1;
    at += 2 + view.readUInt16BE(at);
    assert.ok(at <= end);
  }
  return found;
}

/** By command code, the handles in its area (TPM 2.0 Part 3). No other command is for a provider. */
const COUNT: Readonly<Record<number, number>> = {
  ...{ 305: 1, 339: 1, 341: 1, 343: 1, 350: 1, 357: 0, 363: 1, 364: 1, 371: 1 },
  ...{ 374: 2, 378: 0, 379: 0, 383: 1, 384: 1, 393: 1 },
};
const SHARED = new Set([tpm.OWNER, tpm.NULL_HIERARCHY, tpm.PASSWORD, PERSISTENT]);
const typeOf = (handle: number) => handle >>> 24;

function play(steps: readonly Step[], seen: (outcome: string) => void): void {
  const handles = new Handles();
  const contexts = [0, 1].map(() => new ProviderContext(async () => {}));
  const given = [new Set<number>(), new Set<number>()];
  for (const step of steps) {
    const context = contexts[step.who] as ProviderContext;
    const mine = given[step.who] as Set<number>;
    if (step.kind === "lost") {
      for (const real of context.empty())
        assert.ok(handles.owners.delete(real), "it gives back what it does not have");
      assert.ok(![...handles.owners.values()].includes(step.who), "something of it is left in the TPM");
      continue;
    }
    const before = Buffer.from(step.bytes).toString("hex");
    const decision = decideCommand(step.bytes, { rpc: step.rpc, grant: GRANT, owned: context.owned, sha256 });
    assert.equal(Buffer.from(step.bytes).toString("hex"), before, "the provider's bytes were changed");
    if ("denied" in decision) {
      assertSentence(`${decision.name} ${decision.denied}`);
      seen("denied");
      continue;
    }
    if ("answer" in decision) {
      assert.equal(faultOf(decision.answer), undefined);
      assert.equal(tpm.rc(decision.answer) & 0xf0000, 0xb0000, "it says that it is the TPM that answers");
      seen(`answered ${tpm.rc(decision.answer).toString(16)}`);
      continue;
    }
    const { forward, after, name } = decision;
    assert.equal(forward.length, step.bytes.length);
    for (const real of handlesIn(forward)) {
      assert.ok(
        SHARED.has(real) || handles.owners.get(real) === step.who,
        `0x${real.toString(16)} is not its own`,
      );
    }
    seen(`forwarded ${name}`);
    if (step.fails !== 0) {
      context.misses(after, managerAnswer(step.fails));
      seen("fails");
      continue;
    }
    // what the TPM does: it creates, and flushes what the command ends
    const code = Buffer.from(forward).readUInt32BE(6);
    const ended = after.ends.map((number) => context.owned.real(number));
    const type = {
      305: 0x80,
      343: 0x80,
      374: Buffer.from(forward).readUInt8(forward.length - 5) === 0 ? 2 : 3,
    }[code];
    const real = type === undefined ? undefined : handles.create(step.who, type);
    assert.equal(after.creates !== undefined, real !== undefined);
    const header = Uint8Array.from(managerAnswer(0));
    const response = real === undefined ? header : tpm.join(header, tpm.u32(real));
    const learnt = context.learn(after, response, real);
    for (const each of ended) if (each !== undefined) handles.owners.delete(each);
    assert.ok(learnt !== undefined);
    if (real !== undefined) {
      const number = tpm.handleIn(learnt);
      assert.ok(!mine.has(number), "a number is given twice");
      mine.add(number);
      assert.equal(typeOf(number), typeOf(real));
      assert.equal(context.owned.real(number), real);
    }
    assert.ok(context.owned.objects <= QUOTA.objects && context.owned.sessions <= QUOTA.sessions);
    assert.equal(
      context.owned.size,
      [...handles.owners.values()].filter((owner) => owner === step.who).length,
    );
  }
}

export const tpmFilter: Target = {
  name: "tpm-filter",
  open: async (seen) => ({
    properties: [
      {
        name: "two providers at one TPM: what is forwarded names what is the provider's own or granted, within its quotas",
        cases: 1500,
        reaches: [
          "denied",
          "fails",
          ...[0x910, 0x918, 0x903, 0x09a, 0x142, 0x144].map(
            (rc) => `answered ${(0xb0000 | rc).toString(16)}`,
          ),
          ...["CreatePrimary", "StartAuthSession", "HMAC", "ReadPublic", "GetRandom", "GetCapability"].map(
            (name) => `forwarded TPM2_${name}`,
          ),
          ...["FlushContext", "PolicyPCR", "PolicyRestart", "Create", "Load"].map(
            (name) => `forwarded TPM2_${name}`,
          ),
        ],
        property: fc.property(steps, (steps) => play(steps, seen)),
      },
    ],
  }),
};
