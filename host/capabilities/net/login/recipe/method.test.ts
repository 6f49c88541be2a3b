import assert from "node:assert/strict";
import { test } from "node:test";
import { login } from "./method.ts";

test("a custom recipe has parsed pointers and no renewal", () => {
  const body = { user: "u", password: { file: "/p" } };
  const carried = { header: "authorization", scheme: "Bearer" };
  const at = { method: "PUT", path: "/login", token: "/a~1b/0", ttl: "/ttl" } as const;
  assert.deepEqual(login.recipe({ ...at, body, ...carried }), {
    kind: "login",
    header: { name: "authorization", scheme: "Bearer" },
    login: { method: "PUT", path: "/login" },
    body,
    token: ["a/b", "0"],
    lifetime: { ttl: ["ttl"] },
    remedy: "look at the fields of the credential's body and at their files",
  });
});
