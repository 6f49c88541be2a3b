/** A pass while other clients change the list and its objects. The API server is a store in memory. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ApiError, type ApiRequests, type RequestOptions } from "./api.ts";
import { type PassOptions, patchPass } from "./patch-pass.ts";
import { Tally } from "./tally.ts";

interface Stored {
  uid: string;
  version: number;
  stale: boolean;
}

const COUNT = 25;
const PAGE = 10;

class Store {
  readonly objects = new Map<string, Stored>();
  version = 1000;
  /** Called before each request. */
  before: (method: string, name: string) => void = () => {};
  lists = 0;

  constructor() {
    for (let at = 0; at < COUNT; at++)
      this.objects.set(`s-${at}`, { uid: `uid-${at}`, version: at, stale: true });
  }

  /** Orders the objects by name, as etcd does. */
  sort(): void {
    const sorted = [...this.objects].toSorted(([a], [b]) => (a < b ? -1 : 1));
    this.objects.clear();
    for (const [name, stored] of sorted) this.objects.set(name, stored);
  }

  async pass(resource = "secrets", options: Partial<PassOptions> = {}): Promise<Tally> {
    const tally = new Tally();
    const { signal } = new AbortController();
    await patchPass(
      { client: this as ApiRequests, resource, workers: 4, pageSize: PAGE, signal, ...options },
      tally,
    );
    return tally;
  }

  async json<T>(method: string, path: string, { body }: RequestOptions = {}): Promise<T> {
    const url = new URL(path, "https://h");
    const name = url.pathname.split("/").at(-1) ?? "";
    this.before(method, name);
    if (method === "GET") return this.#list(Number(url.searchParams.get("continue") ?? 0)) as T;
    const { metadata } = body as { metadata: { uid?: string; resourceVersion?: string } };
    const stored = this.objects.get(name);
    if (stored === undefined) throw new ApiError("patch", 404, "not found");
    const is = { uid: stored.uid, resourceVersion: `${stored.version}` };
    if (
      (metadata.uid ?? is.uid) !== is.uid ||
      (metadata.resourceVersion ?? is.resourceVersion) !== is.resourceVersion
    )
      throw new ApiError("patch", 409, "changed");
    if (stored.stale) Object.assign(stored, { stale: false, version: ++this.version });
    return { metadata: { resourceVersion: `${stored.version}` } } as T;
  }

  #list(from: number) {
    this.lists += 1;
    const names = [...this.objects].slice(from, from + PAGE);
    const items = names.map(([name, { uid, version }]) => {
      return { metadata: { name, namespace: "default", uid, resourceVersion: `${version}` } };
    });
    const next = from + PAGE < this.objects.size ? { continue: `${from + PAGE}` } : {};
    return { metadata: next, items };
  }
}

describe("patchPass", () => {
  test("sends each object once, and the second pass writes nothing", async () => {
    const store = new Store();
    const first = await store.pass();
    assert.deepEqual([first.objects, first.changed, store.lists], [COUNT, COUNT, 3]);
    const second = await store.pass();
    assert.deepEqual([second.objects, second.changed], [COUNT, 0]);
  });

  test("continues after a position of an earlier pass, and reports its own", async () => {
    const store = new Store();
    store.sort();
    const positions: string[] = [];
    const { objects } = await store.pass("secrets", {
      after: "default/s-2",
      onPosition: (position) => positions.push(position),
    });
    const skipped = [...store.objects].filter(([, { stale }]) => stale).map(([name]) => name);
    assert.deepEqual(skipped, [
      "s-0",
      "s-1",
      "s-10",
      "s-11",
      "s-12",
      "s-13",
      "s-14",
      "s-15",
      "s-16",
      "s-17",
      "s-18",
      "s-19",
      "s-2",
    ]);
    assert.equal(objects, COUNT - skipped.length);
    assert.deepEqual(positions, ["default/s-4", "default/s-9"]);
  });

  test("continues with the token of a 410, and restarts the list if there is none", async () => {
    for (const continueAt of ["10", undefined]) {
      const store = new Store();
      let expired = false;
      store.before = (method) => {
        if (method !== "GET" || store.lists !== 1 || expired) return;
        expired = true;
        throw new ApiError("list", 410, "expired", { continueAt });
      };
      const tally = await store.pass();
      assert.equal(expired, true);
      assert.equal(
        [...store.objects.values()].some(({ stale }) => stale),
        false,
      );
      assert.equal(tally.refused, 0);
    }
  });

  test("skips an object that was deleted, with its namespace or alone", async () => {
    const store = new Store();
    store.before = (method) => {
      if (method === "PATCH") store.objects.delete("s-24");
    };
    const { refused } = await store.pass();
    assert.equal(refused, 0);
  });

  test("sends an object again if it was recreated or changed meanwhile", async () => {
    const store = new Store();
    let first = true;
    store.before = (method, name) => {
      if (method !== "PATCH" || name !== "s-3" || !first) return;
      first = false;
      store.objects.set("s-3", { uid: "another", version: ++store.version, stale: true });
    };
    const { refused, conflicts } = await store.pass();
    assert.deepEqual([refused, conflicts, store.objects.get("s-3")?.stale], [0, 1, false]);
  });

  test("names a refused object, and sends the others", async () => {
    const store = new Store();
    store.before = (_, name) => {
      if (name === "s-7") throw new ApiError("patch", 403, "not today");
    };
    const { objects, refused, refusals } = await store.pass();
    assert.deepEqual([objects, refused], [COUNT, 1]);
    assert.deepEqual(refusals, [{ object: "secrets default/s-7", code: 403, message: "not today" }]);
  });
});
