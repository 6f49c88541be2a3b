/** Objects of other programs under the shared storage primary of the TPM: a hostile guest has their blobs, and cannot use them. */
import assert from "node:assert/strict";
import { createHash, createHmac, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { assertRefused } from "../../../test/support/failures.ts";
import { Swtpm } from "../../../test/support/swtpm.ts";
import { setUp } from "../../../test/support/tpm-calls.ts";
import * as tpm from "../../../test/support/tpm-commands.ts";
import { HostCode } from "../../host-call.ts";
import { CC } from "./commands.ts";

const PRIMARY = [
  ...["-C", "o", "-g", "sha256", "-G", "ecc256:aes128cfb", "-c", "primary.ctx"],
  ...["-a", "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt"],
];
const SECRET = "what another program has sealed.";
const NONE = new Uint8Array();
const OWN = new TextEncoder().encode("the guest's own");

interface Blob {
  readonly privatePart: Uint8Array;
  readonly publicPart: Uint8Array;
}

let swtpm: Swtpm;

before(async () => {
  swtpm = await Swtpm.start();
  writeFileSync(join(swtpm.folder, "secret"), SECRET);
  await swtpm.tool("tpm2_createprimary", ...PRIMARY);
  await swtpm.tool("tpm2_createpolicy", "--policy-pcr", "-l", "sha256:0,7", "-L", "pcrs");
});

after(() => swtpm.stop());

/** Created by tpm2_create, like an operator's object or the key of a disk encryption. */
async function sealed(...options: string[]): Promise<Blob> {
  const files = ["-u", "foreign.pub", "-r", "foreign.priv"];
  await swtpm.tool("tpm2_create", "-C", "primary.ctx", "-i", "secret", ...files, ...options);
  await swtpm.tool("tpm2_flushcontext", "-t");
  const read = (name: string) => Uint8Array.from(readFileSync(join(swtpm.folder, name)).subarray(2));
  return { publicPart: read("foreign.pub"), privatePart: read("foreign.priv") };
}

/** TPM2_PT_LOCKOUT_COUNTER, as tpm2-tools report it. */
async function failuresCounted(): Promise<string | undefined> {
  const properties = await swtpm.tool("tpm2_getcap", "properties-variable");
  return /^TPM2_PT_LOCKOUT_COUNTER: (\w+)$/m.exec(properties)?.[1];
}

/** A guest that has entered, and its storage primary. */
async function inside(t: TestContext, { unseal = true } = {}) {
  const { Call, capability, decisions } = setUp(t, swtpm.device, { unseal });
  const call = new Call("a", "provision");
  await call.enter();
  const primary = tpm.handleIn(await call.done(tpm.createPrimary()));
  return { call, primary, decisions, capability };
}

for (const [what, ...options] of [
  ["sealed with a PIN", "-p", "1234"],
  ["sealed without one", "-a", "fixedtpm|fixedparent|userwithauth"],
  ["sealed to PCRs alone", "-L", "pcrs"],
  ["sealed as clevis does it", "-L", "pcrs", "-a", "fixedtpm|fixedparent|adminwithpolicy|noda"],
  [
    "sealed with a PIN and a policy",
    "-L",
    "pcrs",
    "-p",
    "1234",
    "-a",
    "fixedtpm|fixedparent|userwithauth|noda",
  ],
] as const)
  test(`a foreign blob, ${what}, is refused at Load, and nothing counts towards the TPM's lockout`, async (t) => {
    const { publicPart, privatePart } = await sealed(...options);
    const { call, primary, decisions, capability } = await inside(t);
    for (let i = 0; i < 4; i++) {
      const answer = await call.transmit(tpm.load(primary, privatePart, publicPart));
      assert.equal(answer.code, HostCode.DENIED);
    }
    assert.equal(
      decisions.at(-1)?.why,
      "kleidi:tpm transmit in provision: TPM2_Load: the object is neither an HMAC-SHA256 key nor sealed data of the form that TPM2_Create may create here",
    );
    await capability.close();
    assert.equal(await failuresCounted(), "0x0");
  });

test("a foreign blob whose public area was rewritten into one of ours is refused by the TPM itself", async (t) => {
  const { publicPart, privatePart } = await sealed("-p", "1234");
  const rewritten = Buffer.from(publicPart);
  rewritten.writeUInt32BE(tpm.SEALED, 4);
  const { call, primary, capability } = await inside(t);
  const [TPM_RC_INTEGRITY, OF_PARAMETER_1] = [0x9f, 0x140];
  assert.equal(
    tpm.rc(await call.send(tpm.load(primary, privatePart, rewritten))),
    TPM_RC_INTEGRITY | OF_PARAMETER_1,
  );
  await capability.close();
  assert.equal(await failuresCounted(), "0x0");
});

/** The attributes of the provider's own keys with PCRs: such a blob cannot be distinguished by its shape. */
const LIKE_OURS = ["-L", "pcrs", "-a", "fixedtpm|fixedparent|noda"] as const;

const pcrs = (session: number) =>
  tpm.command(
    CC.PolicyPCR,
    [session],
    [],
    tpm.sized(NONE),
    tpm.u32(1),
    tpm.u16(0x000b),
    Uint8Array.of(3, 0x81, 0, 0),
  );
const policySession = async (call: { done(command: Uint8Array): Promise<Uint8Array> }, type = 1) => {
  const response = await call.done(tpm.startSession(type));
  const [nonce = NONE] = tpm.sizedAt(response, 14, 1);
  return { handle: tpm.handleIn(response), nonce };
};

test("a foreign blob with only PCRs and the provider's own attributes is not unsealed without the grant", async (t) => {
  const { publicPart, privatePart } = await sealed(...LIKE_OURS);
  const { call, primary } = await inside(t, { unseal: false });
  const object = tpm.handleIn(await call.done(tpm.load(primary, privatePart, publicPart)));
  const session = await policySession(call);
  await call.done(pcrs(session.handle));
  assertRefused(
    t,
    await call.transmit(tpm.unseal(object, { handle: session.handle, attributes: 1 })),
    HostCode.DENIED,
  );
});

test("with the grant such a blob is not unsealed either, because its policy does not require an authorization value", async (t) => {
  const { publicPart, privatePart } = await sealed(...LIKE_OURS);
  const { call, primary } = await inside(t);
  const object = tpm.handleIn(await call.done(tpm.load(primary, privatePart, publicPart)));
  const session = await policySession(call);
  await call.done(pcrs(session.handle));
  const bare = { handle: session.handle, attributes: 1 };
  assertRefused(t, await call.transmit(tpm.unseal(object, bare)), HostCode.DENIED);
  // With the value, the policy differs from that of the object.
  await call.done(tpm.policyAuthValue(session.handle));
  const [TPM_RC_POLICY_FAIL, OF_SESSION_1] = [0x9d, 0x900];
  assert.equal(tpm.rc(await call.send(tpm.unseal(object, bare))), TPM_RC_POLICY_FAIL | OF_SESSION_1);
});

/** Authorized by a policy session that is neither salted nor bound, and that requires the authorization value. */
function unsealWith(
  object: number,
  area: Uint8Array,
  auth: Uint8Array,
  session: { handle: number; nonce: Uint8Array },
) {
  const name = tpm.join(tpm.u16(0x000b), createHash("sha256").update(area).digest());
  const cpHash = createHash("sha256")
    .update(tpm.join(tpm.u32(CC.Unseal), name))
    .digest();
  const [nonce, attributes] = [randomBytes(16), 1];
  const hmac = createHmac("sha256", auth)
    .update(tpm.join(cpHash, nonce, session.nonce, tpm.u8(attributes)))
    .digest();
  return tpm.unseal(object, { handle: session.handle, nonce, attributes, hmac });
}

test("a session that required the value for the guest's own object does not unseal it either, because that use consumed the value", async (t) => {
  const { publicPart, privatePart } = await sealed(...LIKE_OURS);
  const { call, primary } = await inside(t);
  const trial = (await policySession(call, 3)).handle;
  await call.done(pcrs(trial));
  await call.done(tpm.policyAuthValue(trial));
  const [policy = NONE] = tpm.sizedAt(await call.done(tpm.policyGetDigest(trial)), 10, 1);
  await call.done(tpm.flushContext(trial));
  const template = tpm.keyedHash(0x00000412, { policy: Uint8Array.from(policy), hmac: false });
  const userAuth = Uint8Array.from(randomBytes(32));
  const made = await call.done(tpm.create(primary, { template, userAuth, data: OWN }));
  const [ownPrivate = NONE, ownPublic = NONE] = tpm.sizedAt(made, 14, 2);
  const own = tpm.handleIn(await call.done(tpm.load(primary, ownPrivate, ownPublic)));
  const foreign = tpm.handleIn(await call.done(tpm.load(primary, privatePart, publicPart)));

  const session = await policySession(call);
  await call.done(pcrs(session.handle));
  await call.done(tpm.policyAuthValue(session.handle));
  const response = await call.done(unsealWith(own, ownPublic, userAuth, session));
  assert.ok(Buffer.from(response).includes(OWN));
  // The TPM has restarted the session's policy: now it could become the policy of the foreign blob.
  await call.done(pcrs(session.handle));
  const { code, body } = await call.transmit(tpm.unseal(foreign, { handle: session.handle, attributes: 1 }));
  assert.equal(code, HostCode.DENIED);
  assert.ok(!Buffer.from(body).includes(SECRET));
});

test("a session whose policy was restarted after TPM2_PolicyAuthValue does not unseal it either", async (t) => {
  const { publicPart, privatePart } = await sealed(...LIKE_OURS);
  const { call, primary } = await inside(t);
  const object = tpm.handleIn(await call.done(tpm.load(primary, privatePart, publicPart)));
  const session = await policySession(call);
  await call.done(tpm.policyAuthValue(session.handle));
  await call.done(tpm.policyRestart(session.handle));
  await call.done(pcrs(session.handle));
  const { code, body } = await call.transmit(tpm.unseal(object, { handle: session.handle, attributes: 1 }));
  assert.equal(code, HostCode.DENIED);
  assert.ok(!Buffer.from(body).includes(SECRET));
});
