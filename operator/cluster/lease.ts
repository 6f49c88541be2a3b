/** Leader election by a Lease (coordination.k8s.io/v1): one replica works, the others are on standby. */
import { ApiError } from "../../host/migration/api.ts";
import type { Client } from "./client.ts";

export interface LeaseOptions {
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly seconds: number;
}

interface Lease {
  readonly metadata: { readonly resourceVersion?: string; readonly name: string };
  readonly spec: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly renewTime?: string;
    readonly acquireTime?: string;
    readonly leaseTransitions?: number;
  };
}

export class LeaseHolder {
  readonly #client: Client;
  readonly #options: LeaseOptions;
  /** When the last renewal was accepted, by the monotonic clock. */
  #heldAt: number | undefined;
  #mine: Lease | undefined;
  /** The lease of another holder, and when this replica saw it change: the clocks of other machines are not trusted. */
  #other: { readonly version: string | undefined; readonly at: number } | undefined;

  constructor(client: Client, options: LeaseOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** @returns true if this replica may work now: less than two thirds of the duration has passed since the last renewal */
  get holds(): boolean {
    return this.#heldAt !== undefined && performance.now() - this.#heldAt < this.#options.seconds * 667;
  }

  /** Renews or acquires the lease; one request while this replica holds it. @throws ApiError */
  async acquireOrRenew(): Promise<boolean> {
    const began = performance.now();
    const lease = this.#mine ?? (await this.#read());
    if (lease !== undefined && lease !== this.#mine && !this.#isFree(lease)) return false;
    try {
      this.#mine = await this.#write(lease);
      this.#heldAt = began;
      return true;
    } catch (error) {
      if (!(error instanceof ApiError) || ![404, 409].includes(error.code)) throw error;
      this.#mine = undefined;
      this.#heldAt = undefined;
      return false;
    }
  }

  /** Releases the lease, so that another replica need not wait. */
  async release(): Promise<void> {
    const mine = this.#mine;
    if (mine === undefined) return;
    this.#mine = undefined;
    this.#heldAt = undefined;
    await this.#put({ ...mine, spec: { ...mine.spec, holderIdentity: "", leaseDurationSeconds: 1 } });
  }

  async #read(): Promise<Lease | undefined> {
    try {
      return await this.#client.json<Lease>("GET", `${this.#path}/${this.#options.name}`);
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return undefined;
      throw error;
    }
  }

  #isFree({ metadata, spec }: Lease): boolean {
    const { holderIdentity, leaseDurationSeconds = this.#options.seconds } = spec;
    if (!holderIdentity || holderIdentity === this.#options.identity) return true;
    const seen = this.#other;
    if (seen?.version === metadata.resourceVersion && seen !== undefined)
      return performance.now() - seen.at > leaseDurationSeconds * 1000;
    this.#other = { version: metadata.resourceVersion, at: performance.now() };
    return false;
  }

  #write(before: Lease | undefined): Promise<Lease> {
    const { identity, seconds, name } = this.#options;
    const now = new Date().toISOString().replace("Z", "000Z");
    const last = before?.spec;
    const same = last?.holderIdentity === identity;
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: seconds,
      renewTime: now,
      acquireTime: (same ? last?.acquireTime : undefined) ?? now,
      leaseTransitions: (last?.leaseTransitions ?? 0) + (before === undefined || same ? 0 : 1),
    };
    if (before !== undefined) return this.#put({ ...before, spec });
    const body = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name }, spec };
    return this.#client.json<Lease>("POST", this.#path, { body });
  }

  #put(lease: Lease): Promise<Lease> {
    return this.#client.json<Lease>("PUT", `${this.#path}/${this.#options.name}`, { body: lease });
  }

  get #path(): string {
    return `/apis/coordination.k8s.io/v1/namespaces/${this.#options.namespace}/leases`;
  }
}
