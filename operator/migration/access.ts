/** The rights of the migration: its own service account, whose token is requested only while objects are rewritten. */
import { ApiError } from "../../host/migration/api.ts";
import { parseResource } from "../../host/migration/resource.ts";
import type { Client } from "../cluster/client.ts";

const LIFETIME_SECONDS = 600;
const RENEW_MS = (LIFETIME_SECONDS * 1000) / 2;

export interface AccessOptions {
  readonly namespace: string;
  /** Absent: no service account is configured, and the operator cannot migrate. */
  readonly serviceAccount?: string | undefined;
}

interface Verb {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
}

export class MigrationAccess {
  readonly #cluster: Client;
  readonly #options: AccessOptions;
  readonly client: Client;
  #token = "";
  #renewedAt: number | undefined;

  constructor(cluster: Client, options: AccessOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.client = cluster.as(() => this.#token);
  }

  /**
   * Requests a token if the last one has passed half its lifetime, and checks each right.
   * @returns the rights that are missing, as verb and resource
   * @throws ApiError the API server did not answer
   */
  async missing(by: "Operator" | "StorageVersionMigration", resources: readonly string[]): Promise<string[]> {
    const { serviceAccount, namespace } = this.#options;
    if (serviceAccount === undefined)
      return ["create serviceaccounts/token: the operator was started without --migration-service-account"];
    try {
      await this.#renew(namespace, serviceAccount);
    } catch (error) {
      if (!(error instanceof ApiError) || ![403, 404].includes(error.code)) throw error;
      return [`create serviceaccounts/token ${serviceAccount} in namespace ${namespace}: ${error.reason}`];
    }
    const needed = by === "Operator" ? resources.flatMap(verbsOf) : MIGRATION_VERBS;
    const missing: string[] = [];
    for (const each of needed)
      if (!(await this.#may(each)))
        missing.push(
          `${each.verb} ${each.resource}${each.group && `.${each.group}`} for service account ${namespace}/${serviceAccount}`,
        );
    return missing;
  }

  async #renew(namespace: string, serviceAccount: string): Promise<void> {
    if (this.#renewedAt !== undefined && performance.now() - this.#renewedAt < RENEW_MS) return;
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`;
    const body = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { expirationSeconds: LIFETIME_SECONDS },
    };
    const { status } = await this.#cluster.json<{ status: { token: string } }>("POST", path, { body });
    this.#token = status.token;
    this.#renewedAt = performance.now();
  }

  async #may(resourceAttributes: Verb): Promise<boolean> {
    const kind = "SelfSubjectAccessReview";
    const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    const body = { apiVersion: "authorization.k8s.io/v1", kind, spec: { resourceAttributes } };
    return (await this.client.json<{ status: { allowed: boolean } }>("POST", path, { body })).status.allowed;
  }
}

const MIGRATION_VERBS: readonly Verb[] = ["get", "create", "delete"].map((verb) => {
  return { verb, group: "storagemigration.k8s.io", resource: "storageversionmigrations" };
});

function verbsOf(name: string): Verb[] {
  const { group, resource } = parseResource(name);
  return ["list", "patch"].map((verb) => ({ verb, group, resource }));
}
