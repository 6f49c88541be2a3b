/**
 * For `kleidi doctor`: the permissions that the granted requests need, compared with those that the identity has on each key. KMS tells
 * each caller its own (testIamPermissions), without a permission for that.
 */
import type { Finding } from "../../../../finding.ts";
import { type Response, Unreachable } from "../../exchange.ts";
import type { AllowedRequest } from "../../request-syntax.ts";
import type { LeaseUse } from "../method.ts";
import { valueAt } from "../pointer.ts";
import { documentOf } from "../service.ts";

const KEY = /^(\/v1\/projects\/([^/]+)\/locations\/([^/]+)\/keyRings\/([^/]+)\/cryptoKeys\/([^/:]+))(.*)$/;
const READ = "cloudkms.cryptoKeys.get";
const ENCRYPT = "cloudkms.cryptoKeyVersions.useToEncrypt";
const DECRYPT = "cloudkms.cryptoKeyVersions.useToDecrypt";
/** A line for every version of a key lets a provider ask for this too. */
const DESTROY = "cloudkms.cryptoKeyVersions.destroy";

/** @param member the identity in an IAM policy, for the command */
export async function permissionFindings(
  subject: string,
  { allow, send, lease }: LeaseUse,
  member: string,
  signal: AbortSignal,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [key, needed] of neededOf(allow)) {
    const what = `the permissions on ${key.slice("/v1/".length)}`;
    const headers = { "content-type": "application/json" };
    const body = Buffer.from(JSON.stringify({ permissions: [...needed, DESTROY] }));
    const request = { method: "POST", path: `${key}:testIamPermissions`, headers, body };
    try {
      const given = permissionsIn(what, await send(lease.sign(request), signal));
      findings.push(findingOf({ subject, key, member }, [...needed], given));
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      findings.push({ subject, ok: true, detail: `not known: ${error.message}` });
    }
  }
  return findings;
}

/** The permissions that the lines of a grant need, by the path of the key. */
function neededOf(allow: readonly AllowedRequest[]): Map<string, Set<string>> {
  const needed = new Map<string, Set<string>>();
  for (const { path } of allow) {
    const [, key, , , , , rest] = KEY.exec(path) ?? [];
    if (key === undefined) continue;
    const permission = rest === "" ? READ : rest === ":decrypt" ? DECRYPT : ENCRYPT;
    needed.set(key, (needed.get(key) ?? new Set()).add(permission));
  }
  return needed;
}

/** @throws Unreachable KMS did not tell them */
function permissionsIn(what: string, answer: Response): string[] {
  if (answer.status !== 200) throw new Unreachable(`${what} were not told (${answer.status})`);
  // Without any, the member is absent.
  const given = valueAt(documentOf(what, answer), ["permissions"]) ?? [];
  return Array.isArray(given) ? given.filter((each) => typeof each === "string") : [];
}

function findingOf(
  { subject, key, member }: { subject: string; key: string; member: string },
  needed: readonly string[],
  given: readonly string[],
): Finding {
  const missing = needed.filter((each) => !given.includes(each));
  const name = key.slice("/v1/".length);
  if (missing.length > 0) {
    const roles = new Set(missing.map((each) => (each === READ ? "viewer" : "cryptoKeyEncrypterDecrypter")));
    const commands = [...roles].map((role) => bindingCommand(key, member, `roles/cloudkms.${role}`));
    const hint = `Add the role: ${commands.join(" && ")}`;
    return {
      subject,
      ok: false,
      detail: `${missing.join(", ")} on ${name}: missing, or there is no such key`,
      hint,
    };
  }
  const detail = `${needed.join(", ")} on ${name}`;
  if (!given.includes(DESTROY)) return { subject, ok: true, detail };
  const hint =
    "Take the role that has it from this identity: encrypting needs roles/cloudkms.cryptoKeyEncrypterDecrypter only.";
  return { subject, ok: true, warning: true, detail: `${detail}; and ${DESTROY}, which nothing needs`, hint };
}

function bindingCommand(key: string, member: string, role: string): string {
  const [, , project, location, ring, name] = KEY.exec(key) ?? [];
  return `gcloud kms keys add-iam-policy-binding ${name} --project=${project} --location=${location} --keyring=${ring} --member=${member} --role=${role}`;
}
