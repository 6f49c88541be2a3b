import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { assertSentence } from "../../../test/support/thrown.ts";
import * as tpm from "../../../test/support/tpm-commands.ts";
import type { Rpc } from "../../host-call.ts";
import { COMMANDS } from "./commands.ts";
import { decideCommand, type OwnedHandles, QUOTA, type TpmGrant } from "./policy.ts";
import { STORAGE_PRIMARY, STORAGE_PRIMARY_SHA256 } from "./template.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const PERSISTENT = 0x81000001;
const GRANT: TpmGrant = {
  hierarchies: ["owner"],
  persistent: [PERSISTENT],
  templates: [STORAGE_PRIMARY_SHA256],
  unseal: true,
};
/** The handle numbers of the provider and of the TPM. */
const OBJECT = 0x80001000;
const HMAC_SESSION = 0x02001001;
const POLICY_SESSION = 0x03001002;
const REAL = new Map([
  [OBJECT, 0x80000001],
  [HMAC_SESSION, 0x02000001],
  [POLICY_SESSION, 0x03000002],
]);
const OWNED: OwnedHandles = {
  real: (handle) => REAL.get(handle),
  objects: 1,
  sessions: 1,
  requiresAuthValue: (session) => session === POLICY_SESSION,
};

function decide(bytes: Uint8Array, rpc: Rpc = "encrypt", owned = OWNED, grant = GRANT) {
  return decideCommand(bytes, { rpc, grant, owned, sha256 });
}

/** The outcome in one word. */
function verdict(bytes: Uint8Array, rpc: Rpc = "encrypt", owned = OWNED, grant = GRANT): string {
  const decision = decide(bytes, rpc, owned, grant);
  if ("denied" in decision) return `denied: ${decision.denied}`;
  return "answer" in decision ? `answered ${tpm.rc(decision.answer).toString(16)}` : "forwarded";
}

const session = (handle: number, attributes = 1): tpm.Session => ({
  handle,
  attributes,
  nonce: new Uint8Array(16),
  hmac: new Uint8Array(32),
});
const NONE = new Uint8Array();
const code = (number: number) => tpm.command(number, [], []);

/** The fields that a TPM adds to a template when it creates the object. */
const unique = new Uint8Array(32).fill(7);
const policy = new Uint8Array(32).fill(9);
/** The public areas of the tpm provider's keys: its two kinds, imported or generated, with and without PCRs. */
const LOADABLE: [string, Uint8Array][] = [
  ["an imported key", tpm.keyedHash(0x00040452, { unique })],
  ["a generated key under a policy", tpm.keyedHash(0x00040432, { unique, policy })],
  ["an imported key under a policy", tpm.keyedHash(0x00040412, { unique, policy })],
  ["sealed data", tpm.keyedHash(0x00000452, { unique, hmac: false })],
  ["sealed data under a policy", tpm.keyedHash(0x00000412, { unique, policy, hmac: false })],
];

/** Each allowed command, and the command that the TPM gets. */
const ALLOWED: [string, Rpc, (object: number, hmac: number, policy: number) => Uint8Array][] = [
  ["CreatePrimary", "encrypt", () => tpm.createPrimary()],
  ["CreatePrimary in the null hierarchy", "encrypt", () => tpm.createPrimary(tpm.NULL_HIERARCHY)],
  ["Create of a generated key", "provision", (object) => tpm.create(object)],
  [
    "Create of a key from given bytes",
    "provision",
    (object) => tpm.create(object, { template: tpm.keyedHash(0x00040452), data: new Uint8Array(32) }),
  ],
  [
    "Create of a key under a policy",
    "provision",
    (object) => tpm.create(object, { template: tpm.keyedHash(0x00040432, { policy: new Uint8Array(32) }) }),
  ],
  [
    "Create of sealed data",
    "provision",
    (object) =>
      tpm.create(object, { template: tpm.keyedHash(tpm.SEALED, { hmac: false }), data: new Uint8Array(32) }),
  ],
  [
    "Create with an authorization by session",
    "provision",
    (object, hmac) => tpm.create(object, { sessions: [session(hmac, 0x61)] }),
  ],
  ["Create under a persistent parent", "provision", () => tpm.create(PERSISTENT)],
  ["Load of a key", "status", (object) => tpm.load(object, new Uint8Array(90), tpm.loadable())],
  ["Load under a persistent parent", "status", () => tpm.load(PERSISTENT, NONE, tpm.loadable())],
  ...LOADABLE.map(([what, area]): (typeof ALLOWED)[number] => [
    `Load of ${what}`,
    "encrypt",
    (object) => tpm.load(object, NONE, area),
  ]),
  ["HMAC with a password", "encrypt", (object) => tpm.hmac(object, NONE)],
  ["HMAC with an HMAC session", "encrypt", (object, hmac) => tpm.hmac(object, NONE, session(hmac, 0x61))],
  ["HMAC with a policy session", "decrypt", (object, _, policy) => tpm.hmac(object, NONE, session(policy))],
  [
    "HMAC with three sessions",
    "decrypt",
    (object, hmac, policy) =>
      tpm.command(0x155, [object], [session(policy), session(hmac, 0x20), session(hmac, 0x40)]),
  ],
  ["Unseal", "decrypt", (object) => tpm.unseal(object)],
  ["ReadPublic", "status", (object) => tpm.readPublic(object)],
  ["ReadPublic of a persistent object", "status", () => tpm.readPublic(PERSISTENT)],
  ["StartAuthSession", "encrypt", () => tpm.startSession()],
  ["StartAuthSession, policy", "encrypt", () => tpm.startSession(1)],
  [
    "StartAuthSession, salted and bound",
    "encrypt",
    (object) => tpm.startSession(0, { key: object, bind: object }),
  ],
  [
    "StartAuthSession, salted for a persistent key",
    "encrypt",
    () => tpm.startSession(0, { key: PERSISTENT }),
  ],
  ["StartAuthSession, trial", "provision", () => tpm.startSession(3)],
  ["GetRandom", "encrypt", () => tpm.getRandom(64)],
  [
    "HMAC of 4,096 bytes in all",
    "encrypt",
    (object) => tpm.hmac(object, new Uint8Array(4096 - tpm.hmac(object, NONE).length)),
  ],
  ["GetRandom with a session", "encrypt", (_, hmac) => tpm.getRandom(64, [session(hmac, 0x41)])],
  ...[0, 2, 5, 6, 8].map((capability): (typeof ALLOWED)[number] => [
    `GetCapability ${capability}`,
    "status",
    () => tpm.getCapability(capability),
  ]),
  ["FlushContext of an object", "encrypt", (object) => tpm.flushContext(object)],
  ["FlushContext of a session", "encrypt", (_, hmac) => tpm.flushContext(hmac)],
  ["PCR_Read", "status", () => tpm.pcrRead()],
  ["PolicyPCR", "encrypt", (_, __, policy) => tpm.policyPcr(policy)],
  ["PolicyAuthValue", "encrypt", (_, __, policy) => tpm.policyAuthValue(policy)],
  ["PolicyCommandCode", "encrypt", (_, __, policy) => tpm.policyCommandCode(policy)],
  ["PolicyGetDigest", "encrypt", (_, __, policy) => tpm.policyGetDigest(policy)],
  ["PolicyRestart", "encrypt", (_, __, policy) => tpm.policyRestart(policy)],
];

for (const [what, rpc, build] of ALLOWED) {
  test(`decideCommand forwards ${what} with the TPM's own handles and no other change`, () => {
    const [object, hmac, policy] = [...REAL.values()] as [number, number, number];
    const decision = decide(build(OBJECT, HMAC_SESSION, POLICY_SESSION), rpc);
    assert.ok("forward" in decision, verdict(build(OBJECT, HMAC_SESSION, POLICY_SESSION), rpc));
    assert.deepEqual(decision.forward, build(object, hmac, policy));
  });
}

test("every command of the table is forwarded by a vector", () => {
  const forwarded = new Set(ALLOWED.map(([, , build]) => Buffer.from(build(0, 0, 0)).readUInt32BE(6)));
  assert.deepEqual([...forwarded].sort(), [...COMMANDS.keys()].sort());
});

// TPM_CC_FIRST to the last code of Part 2 of version 184, some after it, and vendor codes.
const CODES = [
  ...Array.from({ length: 0x1ff - 0x11e }, (_, i) => 0x11f + i),
  ...[0, 1, 0x11e, 0xffff, 0x10131, 0x8000017b, 0xffffffff, 0x40000155],
  ...[0x20000000, 0x20000001, 0x20000131, 0x2000017b, 0x20001000],
];
const PROVIDERS_CODES = [
  ...[0x131, 0x153, 0x155, 0x157, 0x15e, 0x165, 0x16b, 0x16c],
  ...[0x173, 0x176, 0x17a, 0x17b, 0x17e, 0x17f, 0x180, 0x189],
];

for (const rpc of ["status", "encrypt", "decrypt", "provision"] as const) {
  test(`${rpc} allows the listed ones of ${CODES.length} command codes, and no other`, () => {
    const notDenied = CODES.filter((each) => !verdict(code(each), rpc).startsWith("denied"));
    assert.deepEqual(
      notDenied,
      PROVIDERS_CODES.filter((each) => rpc === "provision" || each !== 0x153),
    );
  });
}

const FULL_OF_OBJECTS: OwnedHandles = { ...OWNED, objects: QUOTA.objects };
const FULL_OF_SESSIONS: OwnedHandles = { ...OWNED, sessions: QUOTA.sessions };
const NOT_OURS = 0x80000001;

/** A real command with bytes changed at an offset. */
function changed(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy.set(values, at);
  return copy;
}

/** Adds a byte at the end and adjusts the size. */
function longer(bytes: Uint8Array, length: number): Uint8Array {
  return changed(tpm.join(bytes, new Uint8Array(length)), 2, ...tpm.u32(bytes.length + length));
}

const created = (template: Uint8Array) => tpm.create(OBJECT, { template });

const REFUSED: [string, Uint8Array, string, { rpc?: Rpc; owned?: OwnedHandles; grant?: TpmGrant }?][] = [
  ["no bytes", NONE, "answered b0142"],
  ["9 bytes", tpm.getRandom(8).subarray(0, 9), "answered b0142"],
  ["4,097 bytes", longer(tpm.hmac(OBJECT, NONE), 4097 - tpm.hmac(OBJECT, NONE).length), "answered b0142"],
  ["tag 8000", changed(tpm.getRandom(8), 0, 0x80, 0x00), "answered b001e"],
  ["tag 8003", changed(tpm.getRandom(8), 0, 0x80, 0x03), "answered b001e"],
  ["tag 00c1", changed(tpm.getRandom(8), 0, 0x00, 0xc1), "answered b001e"],
  ["a size one too large", changed(tpm.getRandom(8), 5, 13), "answered b0142"],
  ["a size one too small", changed(tpm.getRandom(8), 5, 11), "answered b0142"],
  ["Clear", tpm.command(0x126, [0x4000000c], [tpm.EMPTY_AUTH]), "denied"],
  ["Create in encrypt", tpm.create(OBJECT), "denied"],
  ["Create in status", tpm.create(OBJECT), "denied", { rpc: "status" }],
  ["a truncated handle area", tpm.command(0x173, [], [], tpm.u16(0x8000)), "answered b009a"],
  ["an object that is not the provider's", tpm.readPublic(NOT_OURS), "answered b0910"],
  ["a bind object that is not the provider's", tpm.startSession(0, { bind: NOT_OURS }), "answered b0911"],
  ["a session in an object's place", tpm.readPublic(HMAC_SESSION), "answered b0184"],
  ["an NV index in an object's place", tpm.readPublic(0x01400001), "answered b0184"],
  ["a PCR in an object's place", tpm.readPublic(0), "answered b0184"],
  ["an HMAC session in a policy session's place", tpm.policyRestart(HMAC_SESSION), "answered b0184"],
  ["an object in a policy session's place", tpm.policyRestart(OBJECT), "answered b0184"],
  ["a policy session that is not the provider's", tpm.policyPcr(0x03000002), "answered b0910"],
  ["a persistent object that is not granted", tpm.readPublic(0x81000002), "denied"],
  ["HMAC with a persistent object", tpm.hmac(PERSISTENT, NONE), "answered b0184"],
  ["Unseal of a persistent object", tpm.unseal(PERSISTENT), "answered b0184"],
  ["Load under a hierarchy", tpm.load(tpm.OWNER, NONE, NONE), "denied"],
  ["a session bound to a hierarchy", tpm.startSession(0, { bind: tpm.OWNER }), "denied"],
  ["HMAC with the null handle", tpm.hmac(tpm.NULL_HIERARCHY, NONE), "denied"],
  ["CreatePrimary for the lockout", tpm.createPrimary(0x4000000a), "denied"],
  ["CreatePrimary for endorsement", tpm.createPrimary(0x4000000b), "denied"],
  ["CreatePrimary for the platform", tpm.createPrimary(0x4000000c), "denied"],
  ["CreatePrimary with an object", tpm.createPrimary(OBJECT), "denied"],
  [
    "a template with another attribute",
    tpm.createPrimary(tpm.OWNER, changed(STORAGE_PRIMARY, 6, 0x00)),
    "denied",
  ],
  [
    "a template with an extra byte",
    tpm.createPrimary(tpm.OWNER, tpm.join(STORAGE_PRIMARY, tpm.u8(0))),
    "denied",
  ],
  ["our template without the grant", tpm.createPrimary(), "denied", { grant: { ...GRANT, templates: [] } }],
  [
    "CreatePrimary without a template",
    tpm.command(0x131, [tpm.OWNER], [tpm.EMPTY_AUTH], tpm.sized(tpm.u32(0))),
    "answered b009a",
  ],
  ["a fourth object by CreatePrimary", tpm.createPrimary(), "answered b0902", { owned: FULL_OF_OBJECTS }],
  [
    "a fourth object by Load",
    tpm.load(OBJECT, NONE, tpm.loadable()),
    "answered b0902",
    { owned: FULL_OF_OBJECTS },
  ],
  ["a third session", tpm.startSession(), "answered b0903", { owned: FULL_OF_SESSIONS }],
  ["a trial session in encrypt", tpm.startSession(3), "denied"],
  ["a session of an unknown type", tpm.startSession(4), "answered b03c4"],
  [
    "StartAuthSession with a session",
    tpm.command(0x176, [tpm.NULL_HIERARCHY, tpm.NULL_HIERARCHY], [session(HMAC_SESSION)]),
    "answered b0145",
  ],
  [
    "PolicyPCR with a session",
    tpm.command(0x17f, [POLICY_SESSION], [session(HMAC_SESSION)]),
    "answered b0145",
  ],
  [
    "FlushContext with a session",
    tpm.command(0x165, [], [session(HMAC_SESSION)], tpm.u32(HMAC_SESSION)),
    "answered b0145",
  ],
  ["GetCapability with a session", tpm.command(0x17a, [], [session(HMAC_SESSION)]), "answered b0145"],
  ["HMAC without an authorization", tpm.command(0x155, [OBJECT], [], tpm.u32(0)), "answered b0125"],
  [
    "an authorization area of no sessions",
    changed(tpm.command(0x155, [OBJECT], [], tpm.u32(0)), 0, 0x80, 0x02),
    "answered b0144",
  ],
  [
    "an authorization area larger than the command",
    changed(tpm.hmac(OBJECT, NONE), 14, 0, 0, 1, 0),
    "answered b0144",
  ],
  ["a truncated authorization area", changed(tpm.hmac(OBJECT, NONE), 17, 8), "answered b009a"],
  [
    "a session that exceeds its area",
    changed(tpm.hmac(OBJECT, new Uint8Array(32)), 18 + 8, 16),
    "answered b009a",
  ],
  [
    "four sessions",
    tpm.command(
      0x155,
      [OBJECT],
      [1, 2, 3, 4].map(() => tpm.EMPTY_AUTH),
    ),
    "answered b0144",
  ],
  ["a session that is not the provider's", tpm.hmac(OBJECT, NONE, session(0x02000001)), "answered b0918"],
  [
    "a second session that is not the provider's",
    tpm.command(0x155, [OBJECT], [tpm.EMPTY_AUTH, session(0x03000002)]),
    "answered b0919",
  ],
  ["an object in a session's place", tpm.hmac(OBJECT, NONE, session(OBJECT)), "answered b0984"],
  ["a hierarchy in a session's place", tpm.hmac(OBJECT, NONE, session(tpm.OWNER)), "answered b0984"],
  ...[0x02, 0x04, 0x08, 0x10, 0x80].map((bit): (typeof REFUSED)[number] => [
    `a session with attribute ${bit.toString(16)}`,
    tpm.hmac(OBJECT, NONE, session(HMAC_SESSION, 1 | bit)),
    "answered b0982",
  ]),
  [
    "a password with the audit attribute",
    tpm.hmac(OBJECT, NONE, { ...tpm.EMPTY_AUTH, attributes: 0x80 }),
    "answered b0982",
  ],
  ["GetRandom of 65 bytes", tpm.getRandom(65), "answered b01c4"],
  ["GetRandom truncated", tpm.command(0x17b, [], [], tpm.u8(1)), "answered b009a"],
  ...[1, 3, 4, 7, 9, 10, 0x100].map((capability): (typeof REFUSED)[number] => [
    `GetCapability ${capability}`,
    tpm.getCapability(capability),
    "denied",
  ]),
  ["FlushContext of a handle that is not the provider's", tpm.flushContext(NOT_OURS), "answered b01c4"],
  ["FlushContext of a persistent object", tpm.flushContext(PERSISTENT), "answered b01c4"],
  ["FlushContext truncated", tpm.command(0x165, [], [], tpm.u16(0x8000)), "answered b009a"],
  ...(
    [
      ["without fixedTPM", tpm.keyedHash(0x00040470)],
      ["without fixedParent", tpm.keyedHash(0x00040462)],
      ["without noDA", tpm.keyedHash(0x00040072)],
      ["without sign", tpm.keyedHash(0x00000472)],
      ["that decrypts", tpm.keyedHash(0x00060472)],
      ["that is restricted", tpm.keyedHash(0x00050472)],
      ["with the top attribute bit", tpm.keyedHash(0x80040472)],
      ["that can be duplicated", tpm.keyedHash(0x00040c72)],
      ["without any way to use it", tpm.keyedHash(0x00040432)],
      ["with a policy of 31 bytes", tpm.keyedHash(0x00040472, { policy: new Uint8Array(31) })],
      ["with SHA-1 names", changed(tpm.keyedHash(tpm.HMAC_KEY), 3, 0x04)],
      ["for HMAC-SHA1", changed(tpm.keyedHash(tpm.HMAC_KEY), 13, 0x04)],
      ["for XOR", changed(tpm.keyedHash(tpm.HMAC_KEY), 11, 0x0a)],
      ["of an ECC key", STORAGE_PRIMARY],
      ["with an extra byte", tpm.join(tpm.keyedHash(tpm.HMAC_KEY), tpm.u8(0))],
      ["with a unique field", tpm.join(tpm.keyedHash(tpm.HMAC_KEY).slice(0, -2), tpm.sized(tpm.u8(1)))],
      ["cut short", tpm.keyedHash(tpm.HMAC_KEY).slice(0, -1)],
      ["of no bytes", NONE],
      ["with administration by policy", tpm.keyedHash(0x000404f2)],
      ["with a policy beside the authorization value", tpm.keyedHash(0x00040472, { policy })],
      ["of sealed data that sign", tpm.keyedHash(0x00040452, { hmac: false })],
      ["of sealed data that the TPM generates", tpm.keyedHash(0x00000472, { hmac: false })],
    ] as const
  ).map(([how, template]): (typeof REFUSED)[number] => [
    `Create of a template ${how}`,
    created(template),
    "denied",
    { rpc: "provision" },
  ]),
  ...(
    [
      ["of a key without fixedTPM", tpm.keyedHash(0x00040470, { unique })],
      ["of a key without fixedParent", tpm.keyedHash(0x00040462, { unique })],
      ["of a key whose failures lock the TPM", tpm.keyedHash(0x00040072, { unique })],
      ["of a key that decrypts", tpm.keyedHash(0x00060472, { unique })],
      ["of a key that is restricted", tpm.keyedHash(0x00050472, { unique })],
      ["of a key that can be duplicated", tpm.keyedHash(0x00040c72, { unique })],
      ["of a key with a second way to use it", tpm.keyedHash(0x00040472, { unique, policy })],
      ["of a key with administration by policy", tpm.keyedHash(0x000404f2, { unique })],
      [
        "of a key with a policy of another hash",
        tpm.keyedHash(0x00040432, { unique, policy: new Uint8Array(48) }),
      ],
      ["of data that tpm2_create seals with a PIN", tpm.keyedHash(0x00000052, { unique, hmac: false })],
      ["of data that tpm2_create seals to PCRs", tpm.keyedHash(0x00000012, { unique, policy, hmac: false })],
      ["of data that clevis seals", tpm.keyedHash(0x00000492, { unique, policy, hmac: false })],
      ["of a template, which has no unique field yet", tpm.keyedHash(tpm.HMAC_KEY)],
      [
        "of a key with a unique field of 31 bytes",
        tpm.keyedHash(tpm.HMAC_KEY, { unique: new Uint8Array(31) }),
      ],
      [
        "of a key with a unique field of 48 bytes",
        tpm.keyedHash(tpm.HMAC_KEY, { unique: new Uint8Array(48) }),
      ],
      ["of a key with SHA-1 names", changed(tpm.loadable(), 3, 0x04)],
      ["of a storage key", STORAGE_PRIMARY],
      ["of a key with an extra byte", tpm.join(tpm.loadable(), tpm.u8(0))],
      ["of a truncated key", tpm.loadable().slice(0, -1)],
      ["of no public area", NONE],
    ] as const
  ).map(([how, area]): (typeof REFUSED)[number] => [
    `Load ${how}`,
    tpm.load(OBJECT, new Uint8Array(90), area),
    "denied",
  ]),
  [
    "Load without a public area",
    tpm.command(0x157, [OBJECT], [tpm.EMPTY_AUTH], tpm.sized(unique)),
    "answered b009a",
  ],
  ["Unseal without the grant", tpm.unseal(OBJECT), "denied", { grant: { ...GRANT, unseal: false } }],
  ...(["HMAC", "Unseal"] as const).map((name): (typeof REFUSED)[number] => [
    `${name} by a policy without the authorization value`,
    name === "HMAC"
      ? tpm.hmac(OBJECT, NONE, session(POLICY_SESSION))
      : tpm.unseal(OBJECT, session(POLICY_SESSION)),
    "denied",
    { owned: { ...OWNED, requiresAuthValue: () => false } },
  ]),
];

for (const [what, bytes, expected, { rpc, owned, grant } = {}] of REFUSED) {
  test(`decideCommand does not forward ${what}: ${expected}`, (t) => {
    const decided = verdict(bytes, rpc, owned, grant);
    if (expected !== "denied") return assert.equal(decided, expected);
    assert.match(decided, /^denied: /);
    assertSentence(t, decided);
  });
}

test("each refused command differs in one thing from a forwarded one", () => {
  // Guards the table itself: the unchanged commands of the vectors pass.
  for (const bytes of [
    tpm.getRandom(8),
    tpm.hmac(OBJECT, NONE),
    tpm.readPublic(OBJECT),
    tpm.startSession(),
  ]) {
    assert.equal(verdict(bytes), "forwarded");
  }
});

test("an additional hierarchy, template and persistent object are forwarded if they are granted", () => {
  const template = changed(STORAGE_PRIMARY, 6, 0x00);
  const grant = {
    hierarchies: ["endorsement"],
    persistent: [0x81000002],
    templates: [sha256(template)],
    unseal: false,
  };
  assert.equal(verdict(tpm.createPrimary(0x4000000b, template), "encrypt", OWNED, grant), "forwarded");
  assert.equal(verdict(tpm.readPublic(0x81000002), "encrypt", OWNED, grant), "forwarded");
});

test("the hash of the storage primary's template matches the constant", () => {
  assert.equal(sha256(STORAGE_PRIMARY), STORAGE_PRIMARY_SHA256);
});

test("effects: a session without continueSession ends, and so does a flushed handle", () => {
  const effectsOf = (bytes: Uint8Array) => {
    const decision = decide(bytes);
    return "forward" in decision ? decision.effects : undefined;
  };
  assert.deepEqual(effectsOf(tpm.hmac(OBJECT, NONE, session(HMAC_SESSION, 0x60))), {
    creates: undefined,
    ends: [HMAC_SESSION],
    handles: [OBJECT],
    sessions: [HMAC_SESSION],
    bindsAuthValue: undefined,
    restartsPolicy: [HMAC_SESSION],
  });
  assert.equal(effectsOf(tpm.policyAuthValue(POLICY_SESSION))?.bindsAuthValue, POLICY_SESSION);
  assert.deepEqual(effectsOf(tpm.policyAuthValue(POLICY_SESSION))?.restartsPolicy, []);
  assert.deepEqual(effectsOf(tpm.policyRestart(POLICY_SESSION))?.restartsPolicy, [POLICY_SESSION]);
  assert.deepEqual(effectsOf(tpm.hmac(OBJECT, NONE, session(POLICY_SESSION)))?.restartsPolicy, [
    POLICY_SESSION,
  ]);
  assert.deepEqual(effectsOf(tpm.hmac(OBJECT, NONE, session(HMAC_SESSION, 0x61)))?.ends, []);
  assert.deepEqual(effectsOf(tpm.flushContext(OBJECT))?.ends, [OBJECT]);
  assert.equal(effectsOf(tpm.createPrimary())?.creates, "object");
  assert.equal(effectsOf(tpm.startSession())?.creates, "session");
});

test("the provider's bytes are not changed", () => {
  const bytes = tpm.hmac(OBJECT, NONE, session(HMAC_SESSION));
  const before = Uint8Array.from(bytes);
  decide(bytes);
  assert.deepEqual(bytes, before);
});

test("a command with a password ends no session; a session without continueSession ends", () => {
  const endsOf = (bytes: Uint8Array) => {
    const decision = decide(bytes);
    return "forward" in decision ? decision.effects.ends : assert.fail(verdict(bytes));
  };
  assert.deepEqual(endsOf(tpm.hmac(OBJECT, NONE)), []);
  assert.deepEqual(endsOf(tpm.hmac(OBJECT, NONE, session(HMAC_SESSION, 1))), []);
  assert.deepEqual(endsOf(tpm.hmac(OBJECT, NONE, session(HMAC_SESSION, 0))), [HMAC_SESSION]);
});

// ---- fuzzing ----

const RUNS = 20_000;
const SEEDS = [
  ...ALLOWED.map(([, , build]) => build(OBJECT, HMAC_SESSION, POLICY_SESSION)),
  ...REFUSED.map(([, bytes]) => bytes),
];
const INTERESTING = [
  ...[...REAL].flat(),
  ...[tpm.OWNER, tpm.NULL_HIERARCHY, tpm.PASSWORD, PERSISTENT, 0x81000002, 0x4000000c, 0, 1, 0xffffffff],
  ...CODES,
];

type Mutation = (bytes: Uint8Array) => Uint8Array;
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(fc.nat(400), fc.nat(255)).map(
    ([at, value]): Mutation =>
      (bytes) =>
        bytes.length === 0 ? bytes : changed(bytes, at % bytes.length, value),
  ),
  fc.tuple(fc.nat(40), fc.constantFrom(...INTERESTING)).map(
    ([at, value]): Mutation =>
      (bytes) =>
        bytes.length < 4 ? bytes : changed(bytes, at % (bytes.length - 3), ...tpm.u32(value)),
  ),
  fc.nat(400).map(
    (at): Mutation =>
      (bytes) =>
        bytes.subarray(0, at % (bytes.length + 1)),
  ),
  fc.uint8Array({ maxLength: 64 }).map(
    (tail): Mutation =>
      (bytes) =>
        tpm.join(bytes, tail),
  ),
  fc.tuple(fc.nat(400), fc.nat(400), fc.nat(40)).map(
    ([from, to, length]): Mutation =>
      (bytes) => {
        const part = bytes.slice(from % (bytes.length + 1), (from % (bytes.length + 1)) + length);
        const at = to % (bytes.length + 1);
        return tpm.join(bytes.subarray(0, at), part, bytes.subarray(at));
      },
  ),
);
const fuzzed = fc
  .tuple(
    fc.constantFrom(...SEEDS),
    fc.array(mutation, { minLength: 0, maxLength: 4 }),
    // Mostly with a corrected size: otherwise only the first check would be tested.
    fc.integer({ min: 0, max: 7 }),
  )
  .map(([seed, mutations, sizing]) => {
    const bytes = mutations.reduce((result, mutate) => mutate(result), seed);
    return sizing === 0 || bytes.length < 6 ? bytes : changed(bytes, 2, ...tpm.u32(bytes.length));
  });
const raw = fc.uint8Array({ maxLength: 5000, size: "max" });
const PERMITTED = new Set([...REAL.values(), tpm.OWNER, tpm.NULL_HIERARCHY, PERSISTENT]);
const DISTINCT_RCS = 12;

test(`${RUNS} fuzzed commands: none throws, no forbidden one is forwarded, and none names a handle that is not the provider's`, (t) => {
  const seen = new Map<string, number>();
  const property = fc.property(
    fc.oneof({ weight: 15, arbitrary: fuzzed }, { weight: 1, arbitrary: raw }),
    fc.constantFrom<Rpc>("status", "encrypt", "decrypt", "provision"),
    (bytes, rpc) => {
      const decision = decide(bytes, rpc);
      const kind = "forward" in decision ? decision.name : verdict(bytes, rpc).slice(0, 14);
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
      if (!("forward" in decision)) return;
      const { forward, effects } = decision;
      const view = Buffer.from(forward);
      assert.equal(view.readUInt32BE(2), forward.length);
      assert.equal(forward.length, bytes.length);
      assert.ok(forward.length <= 4096);
      const allowed = COMMANDS.get(view.readUInt32BE(6));
      assert.ok(allowed !== undefined && (rpc === "provision" || allowed.code !== 0x153));
      // Parsed independently of the tested code: the handles and sessions that the TPM will see.
      for (const i of allowed.handles.keys()) assert.ok(PERMITTED.has(view.readUInt32BE(10 + 4 * i)));
      assert.deepEqual(
        sessionsOf(view, 10 + 4 * allowed.handles.length),
        effects.sessions.map((each) => REAL.get(each) ?? each),
      );
      if (allowed.code === 0x165) assert.ok([...REAL.values()].includes(view.readUInt32BE(10)));
      if (allowed.code === 0x17a) assert.notEqual(view.readUInt32BE(10), 1);
    },
  );
  fc.assert(property, { numRuns: RUNS });
  const forwarded = [...seen.keys()].filter((kind) => kind.startsWith("TPM2_"));
  assert.equal(forwarded.length, COMMANDS.size, "every allowed command is forwarded in some mutation");
  assert.ok(seen.size - forwarded.length > DISTINCT_RCS, "most refusals occur");
  t.diagnostic(JSON.stringify(Object.fromEntries([...seen].sort())));
});

/** The handles in an authorization area. */
function sessionsOf(view: Buffer, at: number): number[] {
  if (view.readUInt16BE(0) === 0x8001) return [];
  const end = at + 4 + view.readUInt32BE(at);
  const found: number[] = [];
  for (let next = at + 4; next < end; ) {
    const handle = view.readUInt32BE(next);
    assert.ok(handle === tpm.PASSWORD || [...REAL.values()].includes(handle));
    found.push(handle);
    next += 4;
    next += 2 + view.readUInt16BE(next);
    assert.equal(view.readUInt8(next) & 0x9e, 0);
    next += 1;
    next += 2 + view.readUInt16BE(next);
    assert.ok(next <= end);
  }
  assert.ok(found.length >= 1 && found.length <= 3);
  return found;
}
