/** Reads the API server's audit log of the requests of kleidi's service accounts. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NAMESPACE } from "./cluster.ts";

export interface AuditEvent {
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource: string; readonly subresource?: string };
}

const ACCOUNTS = ["kleidi-operator", "kleidi-agent", "kleidi-migration"];
const PREFIX = `system:serviceaccount:${NAMESPACE}:`;

export class AuditLog {
  readonly #file: string;
  readonly #policy: string;

  /** @param folder in which the policy and the log are written */
  constructor(folder: string) {
    this.#file = join(folder, "audit.log");
    this.#policy = join(folder, "audit-policy.yaml");
    const users = ACCOUNTS.map((name) => `${PREFIX}${name}`);
    const rules = [{ level: "Metadata", users }, { level: "None" }];
    const policy = { apiVersion: "audit.k8s.io/v1", kind: "Policy", omitStages: ["RequestReceived"], rules };
    writeFileSync(this.#policy, JSON.stringify(policy));
  }

  /** Flags for the API server. */
  get flags(): string[] {
    return [`--audit-policy-file=${this.#policy}`, `--audit-log-path=${this.#file}`];
  }

  /** The requests of an account so far, in order. */
  requestsOf(account: string): AuditEvent[] {
    const lines = readFileSync(this.#file, "utf8").split("\n").slice(0, -1);
    const events = lines.map((line): AuditEvent => JSON.parse(line));
    return events.filter(({ user }) => user.username === `${PREFIX}${account}`);
  }
}

/** @example nameOf({ verb: "patch", ... }) // "patch kleidinodes/status" */
export function nameOf({ verb, objectRef, requestURI }: AuditEvent): string {
  const { resource, subresource } = objectRef ?? {};
  if (resource === undefined) return `${verb} ${requestURI}`;
  return `${verb} ${resource}${subresource === undefined ? "" : `/${subresource}`}`;
}
