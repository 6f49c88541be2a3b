/** Name resolution of the whole host: one lookup per name at a time, answers from the cache, and a process that can be killed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertLines } from "../../../test/support/thrown.ts";
import { Resolver } from "./resolver.ts";
import { LookupFailed, ResolverProcess } from "./resolver-process.ts";

/** A resolver whose lookups the test answers, and its events. */
function held() {
  const asked: {
    name: string;
    answer: (addresses: readonly string[]) => void;
    fail: (code: string) => void;
  }[] = [];
  const told: string[] = [];
  const resolver = new Resolver({
    onStale: (name, why) => told.push(`${name}: ${why}`),
    lookUp: (name) => {
      const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
      asked.push({ name, answer: resolve, fail: (code) => reject(new LookupFailed(code)) });
      return promise;
    },
  });
  const addresses = async (name: string) => (await resolver.resolve(name)).map(({ address }) => address);
  return { asked, told, addresses };
}

test("concurrent callers share one lookup of a name, and another name does not wait for it", async () => {
  const { asked, addresses } = held();
  const all = Array.from({ length: 20 }, () => addresses("a.test"));
  const other = addresses("b.test");
  assert.deepEqual(
    asked.map(({ name }) => name),
    ["a.test", "b.test"],
  );
  asked[1]?.answer(["1.1.1.2"]);
  assert.deepEqual(await other, ["1.1.1.2"]);
  asked[0]?.answer(["1.1.1.1"]);
  for (const each of await Promise.all(all)) assert.deepEqual(each, ["1.1.1.1"]);
});

test("a new answer replaces the cached one at once", async () => {
  const { asked, addresses } = held();
  for (const address of ["1.1.1.1", "1.1.1.2"]) {
    const found = addresses("a.test");
    asked.at(-1)?.answer([address]);
    assert.deepEqual(await found, [address]);
  }
  assert.equal(asked.length, 2);
});

test("without a new answer the cached one is used, and that is reported once, until a new answer arrives", async (t) => {
  const { asked, told, addresses } = held();
  const first = addresses("a.test");
  asked[0]?.answer(["1.1.1.1"]);
  await first;
  for (let i = 0; i < 3; i++) assert.deepEqual(await addresses("a.test"), ["1.1.1.1"]);
  assert.equal(asked.length, 2);
  assertLines(t, told);
  asked[1]?.fail("EAI_AGAIN");
  const third = addresses("a.test");
  assert.deepEqual(await third, ["1.1.1.1"]);
  const again = addresses("a.test");
  asked.at(-1)?.answer(["1.1.1.2"]);
  await again;
  const last = addresses("a.test");
  asked.at(-1)?.answer(["1.1.1.2"]);
  assert.deepEqual(await last, ["1.1.1.2"]);
});

test("an unknown name drops the cached addresses, a temporary failure does not", async (t) => {
  const { asked, told, addresses } = held();
  const first = addresses("a.test");
  asked[0]?.answer(["1.1.1.1"]);
  await first;
  const second = addresses("a.test");
  asked[1]?.fail("EAI_AGAIN");
  assert.deepEqual(await second, ["1.1.1.1"]);
  assertLines(t, told);
  const third = addresses("a.test");
  asked[2]?.fail("ENOTFOUND");
  await assert.rejects(third, { code: "ENOTFOUND" });
  const fourth = addresses("a.test");
  asked[3]?.fail("EAI_AGAIN");
  await assert.rejects(fourth, { code: "EAI_AGAIN" });
});

test("a name that was never resolved fails with the resolver's code", async () => {
  const { asked, addresses } = held();
  const found = addresses("a.test");
  asked[0]?.fail("EAI_AGAIN");
  await assert.rejects(found, { code: "EAI_AGAIN" });
});

test("the process reads /etc/hosts, and reports an unknown name", async (t) => {
  const resolver = new ResolverProcess();
  t.after(() => resolver.close());
  // The look-up has no timer that would keep the test running: this one does.
  const timer = setInterval(() => {}, 1000);
  t.after(() => clearInterval(timer));
  assert.ok((await resolver.ask("localhost")).includes("127.0.0.1"));
  await assert.rejects(resolver.ask(`${"a".repeat(64)}.invalid`), { code: "ENOTFOUND" });
});

test("a process that cannot be started fails its lookups, and is started again for the next", async (t) => {
  const resolver = new ResolverProcess();
  t.after(() => resolver.close());
  const timer = setInterval(() => {}, 1000);
  t.after(() => clearInterval(timer));
  const { execPath } = process;
  process.execPath = "/nowhere/node";
  try {
    await assert.rejects(resolver.ask("localhost"), { code: "ERESOLVER" });
  } finally {
    process.execPath = execPath;
  }
  assert.ok((await resolver.ask("localhost")).includes("127.0.0.1"));
});

test("a process that exits fails its lookups, and another one answers the next", async (t) => {
  const resolver = new ResolverProcess();
  t.after(() => resolver.close());
  const timer = setInterval(() => {}, 1000);
  t.after(() => clearInterval(timer));
  await resolver.ask("localhost");
  const { pid } = resolver;
  assert.ok(pid !== undefined);
  process.kill(pid, "SIGSTOP");
  const asked = assert.rejects(resolver.ask("localhost"), { code: "ERESOLVER" });
  process.kill(pid, "SIGKILL");
  await asked;
  assert.ok((await resolver.ask("localhost")).includes("127.0.0.1"));
  assert.notEqual(resolver.pid, pid);
});

test("a process that hangs longer than any resolver takes is killed, and other names are looked up again", async (t) => {
  const resolver = new ResolverProcess(5000);
  t.after(() => resolver.close());
  const timer = setInterval(() => {}, 1000);
  t.after(() => clearInterval(timer));
  await resolver.ask("localhost");
  const { pid } = resolver;
  assert.ok(pid !== undefined);
  process.kill(pid, "SIGSTOP");
  const hung = assert.rejects(resolver.ask("localhost"), { code: "ETIMEOUT" });
  const other = resolver.ask("ip6-localhost");
  await hung;
  await other.then(
    (addresses) => assert.ok(addresses.length > 0),
    (error) => assert.equal(error.code, "ENOTFOUND"),
  );
  assert.notEqual(resolver.pid, pid);
});

test("close() ends the process and its lookups at once, whatever hangs", async () => {
  const resolver = new ResolverProcess();
  const first = resolver.ask("localhost");
  const timer = setInterval(() => {}, 1000);
  await first;
  process.kill(resolver.pid ?? 0, "SIGSTOP");
  const hung = assert.rejects(resolver.ask("localhost"), { code: "ECANCELLED" });
  resolver.close();
  await hung;
  await assert.rejects(resolver.ask("localhost"), { code: "ECANCELLED" });
  clearInterval(timer);
});
