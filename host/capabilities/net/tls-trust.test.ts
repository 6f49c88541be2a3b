/** Certificates of a trusted CA that are refused in spite of it, revocation lists, and replaced key pairs. */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import type { TLSSocket, TlsOptions } from "node:tls";
import { Authority, type Certificate } from "../../../test/support/certificates.ts";
import { assertError } from "../../../test/support/failures.ts";
import { ok, RawServer } from "../../../test/support/raw-server.ts";
import { assertSentence } from "../../../test/support/thrown.ts";
import { Dialer } from "./dial.ts";
import { Unreachable } from "./exchange.ts";
import type { TlsTarget } from "./tls-files.ts";
import { createTransport } from "./transport.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-tls-trust-"));
after(() => rmSync(folder, { recursive: true }));
const authority = new Authority(join(folder, "ca"));
const names = ["vault.test"];
const server = authority.server("server", { names });

const GET = { method: "GET", path: "/a", headers: {}, body: new Uint8Array() };
/** A server may have a certificate that a client refuses. */
const LAX = { ciphers: "DEFAULT:@SECLEVEL=0" };
const of = ({ cert, key }: Certificate): TlsOptions => ({
  ...LAX,
  cert: readFileSync(cert),
  key: readFileSync(key),
});

function ask(
  t: TestContext,
  port: number,
  tls: Partial<TlsTarget> = {},
  warn: (why: string) => void = () => {},
) {
  const transport = createTransport(
    {
      origin: `https://vault.test:${port}`,
      networks: ["127.0.0.0/8"],
      tls: { ca: authority.file, minimum: "1.2", ...tls },
      responseBytes: 1024,
      timeoutMs: 5000,
      connections: 1,
      once: true,
      warn,
    },
    async () => [{ address: "127.0.0.1" }],
  );
  t.after(() => transport.close());
  return async () => Buffer.from((await transport.send(GET, new AbortController().signal)).body).toString();
}

const serving = (t: TestContext, tls: TlsOptions) =>
  RawServer.start(
    t,
    ({ socket }) =>
      socket.write(ok(String((socket as TLSSocket).getPeerCertificate().subject?.CN ?? "nobody"))),
    tls,
  );

async function refuses(t: TestContext, asking: () => Promise<unknown>, port: number): Promise<void> {
  await assertError(t, Unreachable, asking, { PORT: port });
}

const weakCa = () => new Authority(join(folder, "weak"), { name: "weak CA", rsa: 1024 });
const narrowCa = () =>
  new Authority(join(folder, "narrow"), {
    name: "narrow CA",
    extensions: ["nameConstraints=permitted;DNS:other.test"],
  });
const excludingCa = () =>
  new Authority(join(folder, "excluding"), {
    name: "excluding CA",
    extensions: ["nameConstraints=excluded;DNS:vault.test"],
  });

const REFUSED: readonly (readonly [what: string, make: () => readonly [Certificate, string]])[] = [
  [
    "without any name but its common name",
    () => [authority.server("vault.test", { nameless: true }), authority.file],
  ],
  [
    "whose only name is a URI, beside a common name",
    () => [
      authority.server("vault.test", {
        nameless: true,
        extensions: ["subjectAltName = URI:https://vault.test/"],
      }),
      authority.file,
    ],
  ],
  [
    "that requires stapling",
    () => [
      authority.server("stapled", { names, extensions: ["tlsfeature = status_request"] }),
      authority.file,
    ],
  ],
  ["signed with SHA-1", () => [authority.server("sha1", { names, digest: "sha1" }), authority.file]],
  ["with RSA 1024", () => [authority.server("rsa1024", { names, rsa: 1024 }), authority.file]],
  [
    "by a CA with RSA 1024",
    () => {
      const ca = weakCa();
      return [ca.server("by-weak", { names }), ca.file];
    },
  ],
  [
    "by a CA that may not sign its name",
    () => {
      const ca = narrowCa();
      return [ca.server("by-narrow", { names }), ca.file];
    },
  ],
  [
    "by a CA that excludes its name",
    () => {
      const ca = excludingCa();
      return [ca.server("by-excluding", { names }), ca.file];
    },
  ],
];
for (const [what, make] of REFUSED)
  test(`a server with a certificate ${what} gets no request, and the fault is reported`, async (t) => {
    const [certificate, ca] = make();
    const raw = await serving(t, of(certificate));
    await refuses(t, ask(t, raw.port, { ca }), raw.port);
    assert.equal(raw.requests.length, 0);
  });

test("a revoked certificate is refused from the next connection on, and no other certificate is", async (t) => {
  const gone = authority.server("gone", { names });
  const raw = await serving(t, of(gone));
  const stays = await serving(t, of(server));
  const crl = join(folder, "current.pem");
  copyFileSync(authority.revocations("empty"), crl);
  const asking = ask(t, raw.port, { crl });
  assert.equal(await asking(), "nobody");
  copyFileSync(authority.revocations("with-gone", { revoked: [gone] }), crl);
  await refuses(t, asking, raw.port);
  assert.equal(await ask(t, stays.port, { crl })(), "nobody");
  assert.equal(raw.requests.length, 1);
});

test("an expired list, or one of another CA, rejects every server; each of several lists in one file applies", async (t) => {
  const raw = await serving(t, of(server));
  const other = new Authority(join(folder, "other"), "another CA");
  await refuses(t, ask(t, raw.port, { crl: authority.revocations("expired", { expired: true }) }), raw.port);
  const foreign = other.revocations("foreign");
  await refuses(t, ask(t, raw.port, { crl: foreign }), raw.port);
  const both = join(folder, "both.pem");
  writeFileSync(both, `${readFileSync(foreign)}${readFileSync(authority.revocations("good"))}`);
  assert.equal(await ask(t, raw.port, { crl: both })(), "nobody");
  assert.equal(raw.requests.length, 1);
});

const issuing = new Authority(join(folder, "issuing"), { name: "issuing CA", issuer: authority });
const leaf = issuing.server("leaf", { names });
const chain = { ...of(leaf), cert: `${readFileSync(leaf.cert, "utf8")}${issuing.pem}` };

/** Writes a file of `tls.ca`. */
function bundle(name: string, ...parts: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, parts.join(""));
  return path;
}

test("any certificate of the chain in tls.ca is enough: the root, an intermediate, or the server's own", async (t) => {
  const raw = await serving(t, chain);
  for (const ca of [authority.file, issuing.file, leaf.cert, bundle("both.pem", issuing.pem, authority.pem)])
    assert.equal(await ask(t, raw.port, { ca })(), "nobody");
  const alone = await serving(t, of(leaf));
  assert.equal(await ask(t, alone.port, { ca: issuing.file })(), "nobody");
});

test("a server whose chain has a gap, and one that another intermediate signed, get no request", async (t) => {
  const alone = await serving(t, of(leaf));
  await refuses(t, ask(t, alone.port), alone.port);
  const other = new Authority(join(folder, "issuing-2"), { name: "issuing CA", issuer: authority });
  const raw = await serving(t, chain);
  await assert.rejects(ask(t, raw.port, { ca: other.file })(), Unreachable);
  assert.deepEqual([alone.requests.length, raw.requests.length], [0, 0]);
});

test("with tls.crl, the root is needed beside its intermediates, and the fault says so", async (t) => {
  const raw = await serving(t, chain);
  const crl = bundle(
    "all.crl.pem",
    ...[authority, issuing].map((each) => readFileSync(each.revocations("all"), "utf8")),
  );
  await refuses(t, ask(t, raw.port, { ca: issuing.file, crl }), raw.port);
  const ca = bundle("root-too.pem", issuing.pem, authority.pem);
  assert.equal(await ask(t, raw.port, { ca, crl })(), "nobody");
});

test("a damaged certificate in tls.ca is named, and the others are used, those after it too", async (t) => {
  const raw = await serving(t, chain);
  const damaged = issuing.pem.replace(/\n[^\n]{8}/, "\nAAAAAAAA");
  const ca = bundle("damaged.pem", damaged, authority.pem);
  const warnings: string[] = [];
  assert.equal(await ask(t, raw.port, { ca }, (why) => warnings.push(why))(), "nobody");
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0] ?? "",
    /damaged\.pem: certificate 1, which begins in line 1, cannot be read; .*the others are used$/,
  );
  const dialer = new Dialer({ origin: "https://vault.test", networks: [], tls: { ca, minimum: "1.2" } });
  assert.throws(() => dialer.assertFiles(), {
    name: "Unreachable",
    message: /certificate 1, which begins in line 1/,
  });
});

test("a list that is not PEM is reported, and rejects every server", async (t) => {
  const raw = await serving(t, of(server));
  await assertError(t, Unreachable, ask(t, raw.port, { crl: authority.file }), { FILE: authority.file });
  assert.equal(raw.connections, 0);
});

test("while certificate and key are replaced one after another, the last matching pair is presented", async (t) => {
  const [first, second] = [authority.client("first"), authority.client("second")];
  const [certificate, key] = [join(folder, "pair.pem"), join(folder, "pair-key.pem")];
  copyFileSync(first.cert, certificate);
  copyFileSync(first.key, key);
  const strict = { ...of(server), ca: authority.pem, requestCert: true, rejectUnauthorized: true };
  const raw = await serving(t, strict);
  const told: string[] = [];
  const asking = ask(t, raw.port, { client: { certificate, key } }, (why) => told.push(why));
  assert.equal(await asking(), "first");
  copyFileSync(second.cert, certificate);
  for (let i = 0; i < 3; i++) assert.equal(await asking(), "first");
  assert.equal(told.length, 1);
  assertSentence(t, String(told[0]), { CERTIFICATE: certificate, KEY: key });
  rmSync(key);
  assert.equal(await asking(), "first");
  writeFileSync(key, readFileSync(second.key).subarray(0, 40), { mode: 0o600 });
  assert.equal(await asking(), "first");
  assert.equal(told.length, 3);
  copyFileSync(second.key, key);
  assert.equal(await asking(), "second");
  assert.equal(told.length, 3);
});

test("a key that others may read is not used, even if it was used before", async (t) => {
  const client = authority.client("exposed");
  const raw = await serving(t, { ...of(server), ca: authority.pem, requestCert: true });
  const asking = ask(t, raw.port, { client: { certificate: client.cert, key: client.key } });
  assert.equal(await asking(), "exposed");
  rmSync(client.key);
  copyFileSync(authority.client("fresh").key, client.key);
  writeFileSync(`${client.key}.open`, readFileSync(client.key), { mode: 0o644 });
  rmSync(client.key);
  copyFileSync(`${client.key}.open`, client.key);
  await assertError(t, Unreachable, asking, { KEY: client.key });
});
