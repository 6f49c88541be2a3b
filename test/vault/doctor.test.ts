/** kleidi doctor with a real OpenBao: healthy, and with each possible fault on the way. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Authority } from "../support/certificates.ts";
import { Fixture } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { type VaultNodeOptions, vaultNode } from "../support/vault-node.ts";

const asksItself = { "sys/capabilities-self": ["update"] };

let bao: OpenBao;
let setup: Setup;
let token: string;

before(async () => {
  bao = await OpenBao.tls();
  setup = new Setup(bao);
  await setup.transit();
  await setup.key("kek");
  await setup.policy("kek", { ...keyRules("kek"), ...asksItself });
  token = await setup.token({ policies: ["kek"], ttl: "1h" });
});

after(() => bao.stop());

/** The lines that doctor prints about this provider's network, and its exit code. */
async function doctor(
  options: Partial<VaultNodeOptions> = {},
): Promise<{ status: number | null; text: string }> {
  const { net, ...rest } = options;
  const fixture = vaultNode({
    origin: bao.url,
    token,
    net: { tls: { ca: bao.authority.file }, ...net },
    ...rest,
  });
  try {
    const { status, stdout } = await runAside(fixture);
    return { status, text: stdout };
  } finally {
    await fixture.close();
  }
}

/** OpenBao has its own process, but the tests' stand-ins run in this one. */
async function runAside(fixture: Fixture): Promise<{ status: number | null; stdout: string }> {
  return await fixture.runAside("doctor").then(
    ({ stdout }) => ({ status: 0, stdout }),
    ({ code, stdout }: { code: number; stdout: string }) => ({ status: code, stdout }),
  );
}

test("reports name, connection, login, policy and key of a healthy server", async () => {
  const { status, text } = await doctor();
  assert.equal(status, 0, text);
  assert.match(text, /^ok {3}net vault name: 127\.0\.0\.1 is at 127\.0\.0\.1$/m);
  assert.match(
    text,
    /^ok {3}net vault connection: 127\.0\.0\.1:\d+ takes connections over TLSv1\.3; its certificate: server, by kleidi test CA, until /m,
  );
  assert.match(text, /^ok {3}net vault login: the host has a token of Vault by token/m);
  assert.match(text, /^ok {3}net vault policy: the token's policy allows the granted requests/m);
  assert.match(text, /^ok {3}net vault key kek: version 1\.\d+\.[0-9a-f]+, 0 older versions$/m);
  assert.ok(!text.includes(token));
});

test("prints exactly the stanzas that a policy lacks", async () => {
  await setup.policy("part", { "transit/keys/kek": ["read"], ...asksItself });
  const { status, text } = await doctor({ token: await setup.token({ policies: ["part"] }) });
  assert.equal(status, 1);
  assert.match(
    text,
    /^FAIL net vault policy: the token's policy lacks POST transit\/encrypt\/kek, POST transit\/decrypt\/kek$/m,
  );
  const stanzas = `Add to its policy:
path "transit/encrypt/kek" {
  capabilities = ["update"]
}
path "transit/decrypt/kek" {
  capabilities = ["update"]
}
`;
  assert.ok(text.includes(stanzas), text);
  // The policy plus the printed stanzas is complete.
  const policy = `${stanzas.slice(stanzas.indexOf("path"))}path "transit/keys/kek" { capabilities = ["read"] }`;
  await bao.must("PUT", "sys/policies/acl/completed", { policy });
  const { text: after } = await doctor({ token: await setup.token({ policies: ["completed"] }) });
  assert.match(after, /^ok {3}net vault key kek/m);
});

test("a policy that the host may not ask for is unknown and not ok, with the line that lets it ask", async () => {
  await setup.policy("mute", keyRules("kek"));
  const { status, text } = await doctor({ token: await setup.token({ policies: ["mute"], ttl: "1h" }) });
  assert.equal(status, 0, text);
  assert.match(text, /^warn net vault policy: unknown: .*\(status 403 at sys\/capabilities-self\)$/m);
  const stanza = `path "sys/capabilities-self" {\n  capabilities = ["update"]\n}`;
  assert.ok(text.includes(stanza), text);
  await bao.must("PUT", "sys/policies/acl/mute", {
    policy: `${stanza}\n${Object.entries(keyRules("kek"))
      .map(([path, words]) => `path "${path}" { capabilities = ${JSON.stringify(words)} }`)
      .join("\n")}`,
  });
  const { text: after } = await doctor({ token: await setup.token({ policies: ["mute"], ttl: "1h" }) });
  assert.match(after, /^ok {3}net vault policy: the token's policy allows the granted requests/m);
});

test("warns of a policy that may create, because Encrypt could create a key", async () => {
  await setup.policy("more", {
    ...keyRules("kek"),
    ...asksItself,
    "transit/encrypt/kek": ["create", "update"],
  });
  const { status, text } = await doctor({ token: await setup.token({ policies: ["more"] }) });
  assert.equal(status, 1);
  assert.match(text, /^FAIL net vault policy: the token may create at transit\/encrypt\/kek/m);
});

test("warns of a root token", async () => {
  const { text } = await doctor({ token: bao.rootToken });
  assert.match(text, /^FAIL net vault policy: the token has the root policy/m);
});

describe("doctor reports that", () => {
  test("the name does not resolve", async () => {
    const { status, text } = await doctor({ origin: "https://vault.invalid:8200" });
    assert.equal(status, 1);
    assert.match(text, /^FAIL net vault name: the name vault\.invalid cannot be resolved/m);
  });

  test("the address is private and not listed", async () => {
    const { text } = await doctor({ origin: "https://10.1.2.3:8200" });
    assert.match(text, /^FAIL net vault name: .*10\.1\.2\.3 is private.*\n {5}.*grants\.net\.networks/m);
  });

  test("no server listens", async () => {
    const { text } = await doctor({ origin: "https://127.0.0.1:1" });
    assert.match(text, /^FAIL net vault connection: .*refuses connections/m);
  });

  test("the certificate is of another CA", async () => {
    const folder = new Fixture();
    const other = new Authority(join(folder.folder, "other"));
    const { text } = await doctor({ net: { tls: { ca: other.file } } });
    assert.match(text, /^FAIL net vault connection: .*certificate/m);
    await folder.close();
  });

  test("the CA file is invalid, without blaming the server", async () => {
    const folder = new Fixture();
    const file = join(folder.folder, "ca.pem");
    const missing = await doctor({ net: { tls: { ca: file } } });
    assert.equal(missing.status, 1);
    assert.match(
      missing.text,
      /^FAIL net vault files: tls\.ca .*ca\.pem cannot be read \(ENOENT\); put the file there, or correct the path\n {5}.*grants\.net\.tls/m,
    );
    writeFileSync(file, "hello");
    const { text } = await doctor({ net: { tls: { ca: file } } });
    assert.match(text, /^FAIL net vault files: tls\.ca .*ca\.pem has no PEM certificate in it$/m);
    assert.doesNotMatch(text, /firewall/);
    await folder.close();
  });

  test("the token is invalid", async () => {
    const { status, text } = await doctor({ token: "s.none" });
    assert.equal(status, 1);
    assert.match(text, /^FAIL net vault key kek: /m);
    assert.match(text, /permission denied|token/);
  });

  test("the secret id is wrong", async () => {
    const { body } = await setup.appRole({ policies: ["kek"], mount: "wrong" });
    const fixture = vaultNode({
      origin: bao.url,
      net: {
        tls: { ca: bao.authority.file },
        credential: {
          vault: { auth: "approle", mount: "wrong", roleId: body.role_id, secretId: { file: "secret-id" } },
        },
      },
    });
    writeFileSync(join(fixture.folder, "secret-id"), "no-such-secret", { mode: 0o600 });
    const { status, stdout } = await runAside(fixture);
    assert.equal(status, 1);
    assert.match(
      stdout,
      /^FAIL net vault login: the login at POST \/v1\/auth\/wrong\/login was refused \(400\)/m,
    );
    assert.ok(!stdout.includes("no-such-secret"));
    await fixture.close();
  });

  test("the key is missing", async () => {
    await setup.policy("other", { ...keyRules("missing"), ...asksItself });
    const { text } = await doctor({
      token: await setup.token({ policies: ["other"] }),
      net: {
        allow: [
          "GET /v1/transit/keys/missing",
          "POST /v1/transit/encrypt/missing",
          "POST /v1/transit/decrypt/missing",
        ],
      },
      key: { settings: { key: "missing" } },
    });
    assert.match(text, /^FAIL net vault key kek: /m);
    assert.match(text, /missing/);
  });
});
