/** One replica holds the Lease. The API server is a Lease in memory that refuses a stale resourceVersion, as the real one does. */
import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import { ApiError, type RequestOptions } from "../../host/migration/api.ts";
import type { Client } from "./client.ts";
import { LeaseHolder } from "./lease.ts";

const SECONDS = 15;

class Server {
  lease: { metadata: { name: string; resourceVersion?: string }; spec: Record<string, unknown> } | undefined;
  requests = 0;
  down = false;
  #version = 0;

  get client(): Client {
    return this as unknown as Client;
  }

  async json(method: string, path: string, { body }: RequestOptions = {}): Promise<unknown> {
    this.requests += 1;
    if (this.down) throw new ApiError(method, 0, "ECONNREFUSED");
    const sent = body as Server["lease"];
    const is = this.lease?.metadata.resourceVersion;
    if (method !== "POST" && this.lease === undefined) throw new ApiError(method, 404, path);
    if (method === "GET") return this.lease;
    if (method === "POST" ? is !== undefined : sent?.metadata.resourceVersion !== is)
      throw new ApiError(method, 409, "changed");
    this.#version += 1;
    this.lease = structuredClone({
      ...sent,
      metadata: { ...sent?.metadata, resourceVersion: `${this.#version}` },
    }) as NonNullable<Server["lease"]>;
    return this.lease;
  }
}

describe("LeaseHolder", () => {
  let now = 0;
  test.beforeEach(() => {
    now = 1000;
    mock.method(performance, "now", () => now);
  });
  test.afterEach(() => mock.restoreAll());

  const holder = ({ client }: Server, identity: string) =>
    new LeaseHolder(client, { namespace: "n", name: "l", identity, seconds: SECONDS });

  test("creates a lease that does not exist, and renews it with one request", async () => {
    const server = new Server();
    const one = holder(server, "one");
    assert.equal(one.holds, false);
    assert.equal(await one.acquireOrRenew(), true);
    const before = server.requests;
    now += 5000;
    assert.equal(await one.acquireOrRenew(), true);
    assert.equal(server.requests - before, 1);
    assert.equal(server.lease?.spec.leaseTransitions, 0);
  });

  test("takes another's lease only after its duration passed without a renewal, whatever time the lease contains", async () => {
    const server = new Server();
    const [one, two] = [holder(server, "one"), holder(server, "two")];
    await one.acquireOrRenew();
    (server.lease as NonNullable<Server["lease"]>).spec.renewTime = "1970-01-01T00:00:00.000000Z";
    assert.equal(await two.acquireOrRenew(), false);
    now += SECONDS * 1000;
    assert.equal(await two.acquireOrRenew(), false);
    now += 1;
    assert.equal(await two.acquireOrRenew(), true);
    assert.equal(server.lease?.spec.leaseTransitions, 1);
    assert.equal(await one.acquireOrRenew(), false, "the first replica lost the lease by a conflict");
    assert.equal(one.holds, false);
  });

  test("does not take a lease that is renewed", async () => {
    const server = new Server();
    const [one, two] = [holder(server, "one"), holder(server, "two")];
    for (let at = 0; at < 10; at++) {
      await one.acquireOrRenew();
      assert.equal(await two.acquireOrRenew(), false);
      now += 10_000;
    }
  });

  test("holds the lease for two thirds of its duration while no renewal is answered", async () => {
    const server = new Server();
    const one = holder(server, "one");
    await one.acquireOrRenew();
    server.down = true;
    await assert.rejects(one.acquireOrRenew(), { code: 0 });
    now += 10_000;
    assert.equal(one.holds, true);
    now += 10;
    assert.equal(one.holds, false);
    server.down = false;
    assert.equal(await one.acquireOrRenew(), true);
  });

  test("releases the lease at shutdown: another replica takes it at once", async () => {
    const server = new Server();
    const [one, two] = [holder(server, "one"), holder(server, "two")];
    await one.acquireOrRenew();
    await one.release();
    assert.equal(one.holds, false);
    assert.equal(await two.acquireOrRenew(), true);
  });

  test("recreates a deleted lease", async () => {
    const server = new Server();
    const one = holder(server, "one");
    await one.acquireOrRenew();
    server.lease = undefined;
    assert.equal(await one.acquireOrRenew(), false);
    assert.equal(await one.acquireOrRenew(), true);
  });
});
