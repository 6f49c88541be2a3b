/**
 * The cost of the TPM command filter: microseconds per decision, by command, and for the most expensive input of a provider. No TPM
 * is involved. Timings are noisy: compare within one run.
 */
import { createHash } from "node:crypto";
import { type CommandContext, decideCommand } from "../host/capabilities/tpm/policy.ts";
import { STORAGE_PRIMARY_SHA256 } from "../host/capabilities/tpm/template.ts";
import * as tpm from "../test/support/tpm-commands.ts";

const ROUNDS = 7;
const CALLS = 20_000;
const OBJECT = 0x80001000;
const SESSION = 0x02001001;
const owned = new Map([
  [OBJECT, 0x80000001],
  [SESSION, 0x02000001],
]);
const context: CommandContext = {
  rpc: "provision",
  grant: { hierarchies: ["owner"], persistent: [], templates: [STORAGE_PRIMARY_SHA256], unseal: false },
  owned: { real: (handle) => owned.get(handle), objects: 1, sessions: 1, requiresAuthValue: () => true },
  sha256: (bytes) => createHash("sha256").update(bytes).digest("hex"),
};
const session = { handle: SESSION, attributes: 0x61, nonce: new Uint8Array(32), hmac: new Uint8Array(32) };
const SUBJECTS: Record<string, Uint8Array> = {
  GetRandom: tpm.getRandom(32),
  "HMAC, one session": tpm.hmac(OBJECT, new Uint8Array(84), session),
  StartAuthSession: tpm.startSession(0, { key: OBJECT }),
  CreatePrimary: tpm.createPrimary(),
  Create: tpm.create(OBJECT),
  Load: tpm.load(OBJECT, new Uint8Array(160), tpm.loadable()),
  "HMAC, three sessions, 4 KiB": tpm.command(
    0x155,
    [OBJECT],
    [session, session, session],
    new Uint8Array(3800),
  ),
  "denied: Clear": tpm.command(0x126, [0x4000000c], [tpm.EMPTY_AUTH]),
  "answered: cut short": tpm.command(0x17b, [], [], tpm.u8(1)),
};

const rows = Object.entries(SUBJECTS).map(([command, bytes]) => {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const begun = performance.now();
    for (let i = 0; i < CALLS; i++) decideCommand(bytes, context);
    return ((performance.now() - begun) * 1000) / CALLS;
  });
  rounds.sort((a, b) => a - b);
  const decision = decideCommand(bytes, context);
  const end = "forward" in decision ? "forwarded" : "denied" in decision ? "denied" : "answered";
  return { command, bytes: bytes.length, end, µs: (rounds[ROUNDS >> 1] ?? 0).toFixed(2) };
});
console.log(`The filter: medians of ${ROUNDS} rounds of ${CALLS} decisions (target: at most 20 µs):`);
console.table(rows);
