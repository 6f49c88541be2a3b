/** Names that do not resolve affect neither the calls of a provider whose name is known nor the end of the host. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Authority } from "../support/certificates.ts";
import { root } from "../support/fixture.ts";
import { spawnWithNames } from "../support/namespace.ts";

/** This many requests of a provider that sends one to three a second show that it is served. */
const REQUESTS = 8;
/** Each hanging lookup takes at least this long, so anything that ends earlier did not wait for one. */
const HANGS_S = 90;

test("two lookups that hang do not delay a third name or the end of the host, and the failure names the resolver", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-names-"));
  t.after(() => rmSync(folder, { recursive: true }));
  new Authority(join(folder, "ca")).server("good", { names: ["good.test"] });
  const inside = spawnWithNames(
    folder,
    {
      hosts: "127.0.0.1 localhost good.test\n",
      resolv: `nameserver 127.0.0.1\noptions timeout:30 attempts:${HANGS_S / 30}\n`,
    },
    [
      "sh",
      join(root, "host", "kleidi-node"),
      join(import.meta.dirname, "starved-names.ts"),
      folder,
      `${REQUESTS}`,
    ],
  );
  t.after(() => inside.kill("SIGKILL"));
  let text = "";
  inside.stdout?.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  await once(inside, "close");
  const { asked, requests, status, stoppedAfterMs, causes } = JSON.parse(text);
  assert.deepEqual(asked, ["hanga", "hangb"]);
  assert.ok(requests >= REQUESTS);
  assert.equal(status, 0);
  assert.ok(stoppedAfterMs < (HANGS_S * 1000) / 3, `${stoppedAfterMs} ms`);
  for (const name of ["hanga", "hangb"]) {
    const { cause } = causes.find(({ key }: { key: string }) => key === name);
    assert.match(
      cause,
      new RegExp(`the name ${name}.test cannot be resolved: the resolver of this machine did not answer`),
    );
  }
  const { cause } = causes.find(({ key }: { key: string }) => key === "good");
  assert.doesNotMatch(cause, /resolve/);
});
