import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertSentence, thrown } from "../../../../../test/support/thrown.ts";
import type { VaultLogin } from "./grant.ts";
import { REQUEST_HEADER, vaultRecipe as vault } from "./recipe.ts";

describe("a recipe for Vault", () => {
  const LOGINS: readonly (readonly [VaultLogin, string, unknown])[] = [
    [
      { auth: "approle", roleId: "role", secretId: { file: "/s" } },
      "/v1/auth/approle/login",
      { role_id: "role", secret_id: { file: "/s" } },
    ],
    [{ auth: "approle", roleId: "role", mount: "roles/" }, "/v1/auth/roles/login", { role_id: "role" }],
    [
      { auth: "kubernetes", role: "kleidi", file: "/t" },
      "/v1/auth/kubernetes/login",
      { role: "kleidi", jwt: { file: "/t", projected: true } },
    ],
    [
      { auth: "jwt", role: "kleidi", file: "/t", mount: "oidc/prod", namespace: "team/a" },
      "/v1/team/a/auth/oidc/prod/login",
      { role: "kleidi", jwt: { file: "/t", projected: true } },
    ],
    [
      { auth: "userpass", username: "a/b c", file: "/p" },
      "/v1/auth/userpass/login/a%2Fb%20c",
      { password: { file: "/p" } },
    ],
    [{ auth: "cert" }, "/v1/auth/cert/login", {}],
    [{ auth: "cert", role: "node" }, "/v1/auth/cert/login", { name: "node" }],
  ];
  for (const [config, path, body] of LOGINS) {
    test(`logs in by ${config.auth} at ${path}`, () => {
      const recipe = vault(config);
      assert.equal(recipe.kind, "login");
      assert.deepEqual(recipe.kind === "login" && [recipe.login, recipe.body], [
        { method: "POST", path, headers: REQUEST_HEADER },
        body,
      ]);
    });
  }

  test("renews and revokes in the namespace of the login", () => {
    const recipe = vault({ auth: "cert", namespace: "/team/" });
    assert.deepEqual(recipe.kind === "login" && [recipe.renew, recipe.revoke], [
      { method: "POST", path: "/v1/team/auth/token/renew-self", headers: REQUEST_HEADER },
      { method: "POST", path: "/v1/team/auth/token/revoke-self", headers: REQUEST_HEADER },
    ]);
  });

  test("looks up and renews a token from a file", () => {
    const recipe = vault({ auth: "token", file: "/t" });
    assert.equal(recipe.kind === "file" && recipe.keep?.lookup.path, "/v1/auth/token/lookup-self");
  });

  const PARTS: readonly VaultLogin[] = [
    { auth: "userpass", username: "..", file: "/p" },
    { auth: "userpass", username: "", file: "/p" },
    { auth: "cert", mount: "a/../../sys" },
    { auth: "cert", namespace: "a//b" },
    { auth: "cert", namespace: "" },
  ];
  for (const config of PARTS) {
    test(`refuses segments that a URL parser would remove: ${JSON.stringify(config)}`, (t) => {
      assertSentence(t, thrown(() => vault(config)).message);
    });
  }
});
