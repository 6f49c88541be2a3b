/** TPM commands of an untrusted provider: the filter of host/capabilities/tpm, and the host's record of the answers. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decideCommand, QUOTA } from "../../host/capabilities/tpm/policy.ts";
import { ProviderContext } from "../../host/capabilities/tpm/provider-context.ts";
import { faultOf, managerAnswer } from "../../host/capabilities/tpm/response.ts";
import * as tpm from "../support/tpm-commands.ts";
import { assertSentence } from "./manifest.ts";
import type { Target } from "./target.ts";
import { GRANT, PERSISTENT, type Step, sha256, steps } from "./tpm-steps.ts";

/** A TPM that only records the existing handles and their owners. */
class Handles {
  readonly owners = new Map<number, number>();
  #next = 0;

  create(owner: number, type: number): number {
    const real = type * 2 ** 24 + this.#next++;
    this.owners.set(real, owner);
    return real;
  }
}

/** The handles of a forwarded command, read independently of the tested code: its area's, its sessions', and the one that it flushes. */
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
    assert.equal(view.readUInt8(at) & 0x9e, 0, "a session excludes others");
    at += 1;
    at += 2 + view.readUInt16BE(at);
    assert.ok(at <= end);
  }
  return found;
}

/** The number of handles in the area, by command code (TPM 2.0 Part 3). No other command is for a provider. */
const COUNT: Readonly<Record<number, number>> = {
  ...{ 305: 1, 339: 1, 341: 1, 343: 1, 350: 1, 357: 0, 363: 1, 364: 1, 371: 1 },
  ...{ 374: 2, 378: 0, 379: 0, 382: 0, 383: 1, 384: 1, 393: 1 },
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
        assert.ok(handles.owners.delete(real), "it flushes a handle that it does not own");
      assert.ok(![...handles.owners.values()].includes(step.who), "a handle of it is left in the TPM");
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
      assert.equal(tpm.rc(decision.answer) & 0xf0000, 0xb0000, "its layer is not the resource manager's");
      seen(`answered ${tpm.rc(decision.answer).toString(16)}`);
      continue;
    }
    const { forward, effects, name } = decision;
    assert.equal(forward.length, step.bytes.length);
    for (const real of handlesIn(forward)) {
      assert.ok(
        SHARED.has(real) || handles.owners.get(real) === step.who,
        `0x${real.toString(16)} is not its own`,
      );
    }
    seen(`forwarded ${name}`);
    if (step.fails !== 0) {
      context.reportsMissingHandle(effects, managerAnswer(step.fails));
      seen("fails");
      continue;
    }
    // the effects in the TPM: the command creates, and flushes
    const code = Buffer.from(forward).readUInt32BE(6);
    const ended = effects.ends.map((number) => context.owned.real(number));
    const type = {
      305: 0x80,
      343: 0x80,
      374: Buffer.from(forward).readUInt8(forward.length - 5) === 0 ? 2 : 3,
    }[code];
    const real = type === undefined ? undefined : handles.create(step.who, type);
    assert.equal(effects.creates !== undefined, real !== undefined);
    const header = Uint8Array.from(managerAnswer(0));
    const response = real === undefined ? header : tpm.join(header, tpm.u32(real));
    const learnt = context.applySuccess(effects, response, real);
    for (const each of ended) if (each !== undefined) handles.owners.delete(each);
    assert.ok(learnt !== undefined);
    if (real !== undefined) {
      const number = tpm.handleIn(learnt);
      assert.ok(!mine.has(number), "a number is used twice");
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
        name: "two providers at one TPM: a forwarded command names only objects that are the provider's own or granted, within its quotas",
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
