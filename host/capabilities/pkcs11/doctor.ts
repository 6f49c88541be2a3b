/** Examines tokens for `kleidi doctor`: opens each with its PIN, as the host would, and looks at the granted keys. */
import type { Finding } from "../../finding.ts";
import { isMapping } from "../../schema/outline.ts";
import type { ExamineContext, Examined } from "../capability.ts";
import { checkGrant } from "./check.ts";
import { parseFacts } from "./facts.ts";
import { ModuleFailure } from "./failure.ts";
import type { Pkcs11Config } from "./grant.ts";
import { type Mechanism, Message } from "./module/protocol.mjs";
import { startOf } from "./start.ts";
import { TokenClient } from "./token-client.ts";

const REMEDIES: Partial<Record<string, string>> = {
  load: "Look at the module's path and architecture, and at its libraries: ldd FILE. Folders of libraries outside of the system's go into grants.pkcs11.reads.",
  "token-missing":
    "Compare the label in grants.pkcs11.token with pkcs11-tool --module FILE --list-slots, and grant the paths, environment variables and network that the module needs.",
  "token-twice": "Give the tokens different labels.",
  "pin-refused":
    "Put the right PIN into the file of grants.pkcs11.pin. Each wrong one brings the token nearer to its lock.",
  "pin-refused-locked":
    "Unlock the token as its security officer, for example with pkcs11-tool --init-pin --so-pin, then touch the PIN's file.",
  "pin-locked": "Unlock the token as its security officer, for example with pkcs11-tool --init-pin --so-pin.",
  "pin-file": "Put the PIN there, one line, readable for the host's user only.",
  "key-missing": "Create the key: pkcs11-tool --keygen --key-type aes:32 --label LABEL --sensitive.",
  "key-twice": "Give each key a label of its own: pkcs11-tool --list-objects lists them.",
};
const HINT = "Ask the HSM's vendor for the meaning of the code, and look at the HSM's own log.";

export async function examineTokens({
  grants,
  startNative,
}: ExamineContext<Pkcs11Config>): Promise<Examined[]> {
  const all: Examined[] = [];
  for (const [provider, grant] of grants) {
    const files = checkGrant(provider, grant);
    const findings = files.ok ? await examineToken(grant, startNative) : [];
    all.push({ provider, findings: [files, ...findings] });
  }
  return all;
}

async function examineToken(
  grant: Pkcs11Config,
  startNative: ExamineContext["startNative"],
): Promise<Finding[]> {
  const subject = `token ${grant.token}`;
  let facts: Readonly<Record<string, unknown>> = {};
  const client = new TokenClient({
    module: grant.module,
    token: grant.token,
    pinFile: grant.pin.file,
    environment: grant.environment,
    start: startOf(grant, startNative),
    onOpened: (opened) => {
      facts = parseFacts(opened);
    },
  });
  try {
    const keys: Finding[] = [];
    const all = [
      ...grant.keys.map((key) => [key, grant.mechanism] as const),
      ...grant.foreign.map((key) => [key, "aes-gcm"] as const),
    ];
    for (const [key, mechanism] of all)
      keys.push(await examineKey(client, `${subject} key ${key}`, key, mechanism));
    // Without facts the token was not opened, and each key has the same fault.
    if (Object.keys(facts).length === 0) return keys.slice(0, 1).map((each) => ({ ...each, subject }));
    return [tokenFinding(subject, facts, grant), ...keys];
  } finally {
    client.close();
  }
}

function tokenFinding(
  subject: string,
  facts: Readonly<Record<string, unknown>>,
  { keys, foreign, mechanism }: Pkcs11Config,
): Finding {
  const text = (name: string) =>
    String(facts[name] ?? "")
      .replace(/[^\x20-\x7e]/g, "?")
      .slice(0, 64);
  const detail = `${text("manufacturer")} ${text("model")}, serial ${text("serial")}, firmware ${text("firmware")}; module ${text("library")} ${text("version")}, Cryptoki ${text("cryptoki")}`;
  const needed = new Set<Mechanism>([
    ...(keys.length > 0 ? [mechanism] : []),
    ...(foreign.length > 0 ? ["aes-gcm" as const] : []),
  ]);
  const had = (isMapping(facts.mechanisms) ? facts.mechanisms : {}) as Partial<Record<Mechanism, unknown>>;
  const missing = [...needed].filter((each) => had[each] !== true);
  if (missing.length === 0) return { subject, ok: true, detail };
  const hint =
    had["aes-kw"] === true && !needed.has("aes-kw")
      ? "It has CKM_AES_KEY_WRAP: write mechanism: aes-kw into grants.pkcs11 before the first use of the key."
      : "A newer firmware or another policy of the HSM may allow it.";
  const names = missing.map((each) => NAMES[each]).join(" and ");
  return { subject, ok: false, detail: `${detail}; it has no ${names}`, hint };
}

const NAMES: Readonly<Record<Mechanism, string>> = {
  "aes-gcm": "CKM_AES_GCM",
  "aes-kw": "CKM_AES_KEY_WRAP",
};

async function examineKey(
  client: TokenClient,
  subject: string,
  key: string,
  mechanism: Mechanism,
): Promise<Finding> {
  try {
    const found = parseFacts(
      await client.perform(
        { type: Message.FIND, fields: [Buffer.from(mechanism), Buffer.from(key)] },
        new AbortController().signal,
      ),
    );
    const detail = `AES-${Number(found.bits)}, ${found.extractable === true ? "extractable" : "not extractable"}`;
    if (found.extractable !== true) return { subject, ok: true, detail };
    const hint = "A user of the token can take its bytes out. Create keys as sensitive and not extractable.";
    return { subject, ok: true, detail, hint };
  } catch (error) {
    if (!(error instanceof ModuleFailure)) throw error;
    return { subject, ok: false, detail: error.message, hint: REMEDIES[error.kind] ?? HINT };
  }
}
