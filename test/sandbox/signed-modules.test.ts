/**
 * Follows docs/operate/signed-modules.md: its minisign commands are run, its configurations are used, and `kleidi check` and `kleidi
 * serve` must behave as documented. Two things differ from the page: keys have no password (-W), because a test cannot type one, and the
 * dates are so far in the future that this test does not expire.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parse } from "yaml";
import { ask, freePort } from "../support/admin.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture, kleidi, localConfig, localModule, root, sha256Of } from "../support/fixture.ts";
import { minisign } from "../support/minisign.ts";
import { samplesOf, total } from "../support/promtool.ts";

requireDebian(["minisign"]);

const page = far(readFileSync(join(root, "docs", "operate", "signed-modules.md"), "utf8"));
const [makeAndSign = [], [ours = ""] = [], rotate = []] = blocks("sh").map((block) =>
  block.trim().split("\n"),
);
const [one, revoking] = blocks("yaml");

function far(text: string): string {
  return text.replaceAll(/\b20\d\d-(?=\d\d-\d\d)/g, "2999-");
}

function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"))].map(
    ([, text]) => text ?? "",
  );
}

const fixture = new Fixture();
after(() => fixture.close());
const module = join(fixture.folder, "providers", "local.wasm");
mkdirSync(join(fixture.folder, "providers"));
copyFileSync(localModule, module);
fixture.write(localConfig([{ name: "kek", use: "active" }])).keyInit("kek");

/** Runs a line of the page in the fixture's folder. */
function run(line: string): string {
  const [program, ...args] = (line.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replaceAll("'", ""));
  assert.equal(program, "minisign");
  const { status, said } = minisign(fixture.folder, args[0] === "-G" ? [...args, "-W"] : args);
  assert.equal(status, 0, `${line}\n${said}`);
  return said;
}

/** Lines 1 and 2 of a .pub file: the key's id and the key. */
function pub(name: string): { id: string; key: string } {
  const [comment = "", key = ""] = readFileSync(join(fixture.folder, `${name}.pub`), "utf8").split("\n");
  // minisign prints the id without leading zeros
  return { id: (comment.split(" ").at(-1) ?? "").padStart(16, "0"), key };
}

type Trust = {
  keys: { name: string; key: string; expires?: string }[];
  revoked?: Record<string, string>[];
  threshold?: number;
};

/** The policy of a YAML block, with the keys that were made here. */
function policy(yaml: string | undefined): Trust {
  const { trust } = parse(yaml ?? "") as { trust: Trust };
  for (const key of trust.keys) key.key = pub(key.name).key;
  return trust;
}

/** Writes the configuration. */
function configure(trust: Trust | undefined, signatures?: string[]): void {
  const local = {
    module: "providers/local.wasm",
    sha256: sha256Of(module),
    grants: { keystore: { keys: ["kek"] } },
    signatures,
  };
  fixture.write(localConfig([{ name: "kek", use: "active" }], { providers: { local }, trust }));
}

/** The finding of `kleidi check` on the provider. */
function check(): { ok: boolean; detail: string } {
  const { stdout } = fixture.run("check", "--json");
  const { findings } = JSON.parse(stdout) as { findings: { subject: string; ok: boolean; detail: string }[] };
  const { ok, detail } = findings.find(({ subject }) => subject === "provider local") ?? assert.fail(stdout);
  return { ok, detail };
}

/** A host warns of the end in its log, and has it as a metric. */
async function assertServes(day: string): Promise<void> {
  const admin = `127.0.0.1:${await freePort()}`;
  fixture.write(
    `${readFileSync(fixture.config, "utf8").trimEnd().slice(0, -1)}, "admin": { "listen": "${admin}" } }`,
  );
  const host = await fixture.serve();
  const samples = samplesOf((await ask(admin, "/metrics")).text);
  const labels = { kind: "trust-key", name: "release-2026" };
  assert.equal(total(samples, "kleidi_expiry_timestamp_seconds", labels), Date.parse(day) / 1000 + 86_400);
  assert.equal(total(samples, "kleidi_expiry_warning_seconds", labels), 14 * 86_400);
  assert.match(fixture.readLog(), /"level":40,.*the trust-key of release-2026 ends in 7 days/);
  assert.equal(await Fixture.stop(host), 0);
}

describe("docs/operate/signed-modules.md", () => {
  test("without trust, check reports that nothing is signed", () => {
    configure(undefined);
    const { ok, detail } = check();
    assert.ok(ok);
    assert.match(detail, /as pinned, signatures not checked: no trust in the configuration$/);
  });

  test("create a key and sign: the commands succeed, and the last one verifies", () => {
    assert.equal(makeAndSign.length, 3);
    for (const [i, line] of makeAndSign.entries()) {
      const said = run(line);
      if (i === 2) assert.match(said, /Trusted comment: kleidi expires:2999-01-31/);
    }
  });

  // from here on the host reads this signature
  test("kleidi provider sign: the command replaces the signature, and minisign verifies it", () => {
    const [program, ...args] = ours.split(" ");
    assert.equal(program, "kleidi");
    const { status, stdout, stderr } = spawnSync(kleidi, args, { cwd: fixture.folder, encoding: "utf8" });
    assert.equal(status, 0, stderr);
    const { id, key } = pub("release-2026");
    assert.match(
      stdout,
      new RegExp(`^Signed provider "local" \\S+ with the key ${id}, until 2999-01-31\\.$`, "m"),
    );
    assert.ok(stdout.includes(`{ name: NAME, key: ${key} }`), stdout);
    assert.match(
      run(makeAndSign[2] ?? ""),
      new RegExp(
        `Trusted comment: provider:local version:\\S+ sha256:${sha256Of(module)} expires:2999-01-31$`,
        "m",
      ),
    );
  });

  test("configure: check reports the signing key and its expiry, and serve starts", async () => {
    configure(policy(one));
    const { id } = pub("release-2026");
    const { ok, detail } = check();
    assert.ok(ok, detail);
    assert.ok(
      detail.endsWith(`as pinned, signed by release-2026 (${id}) until 2999-01-31, 1 required`),
      detail,
    );
    assert.equal(await Fixture.stop(await fixture.serve()), 0);
  });

  test("rotate: the new signature is beside the old one, and either key can be removed", () => {
    assert.equal(rotate.length, 2);
    for (const line of rotate) run(line);
    const [, listed = ""] = /`signatures: \[(.*?)\]`/.exec(page) ?? [];
    const signatures = listed.split(", ");
    assert.equal(signatures.length, 2);

    const { keys } = policy(revoking);
    configure({ keys, threshold: 2 }, signatures);
    assert.match(check().detail, /signed by release-2026 .*, release-2027 .*, 2 required$/);
    for (const key of keys) {
      configure({ keys: [key] }, signatures);
      const { ok, detail } = check();
      assert.ok(ok, detail);
      assert.match(
        detail,
        new RegExp(`signed by ${key.name} .*; not counted: .* which is not in trust.keys`),
      );
    }
  });

  test("a signature or a key that ends within 14 days is a warning: counted, visible, and exit code 0", async () => {
    const day = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
    const [key] = policy(one).keys;
    assert.ok(key);
    delete key.expires;
    const sign = `minisign -S -s release-2026.key -m providers/local.wasm -x soon.minisig`;
    const ends = {
      comment: [`${sign} -t 'kleidi expires:${day(7)}'`, undefined],
      key: [sign, day(7)],
    } as const;
    for (const [line, expires] of Object.values(ends)) {
      run(line);
      configure({ keys: [{ ...key, ...(expires && { expires }) }] }, ["soon.minisig"]);
      const { status, stdout } = fixture.run("check", "--json");
      assert.equal(status, 0, stdout);
      const { ok, warnings, findings } = JSON.parse(stdout);
      assert.deepEqual([ok, warnings], [true, 1]);
      const [warning, ...rest] = findings.filter(({ level }: { level: string }) => level !== "ok");
      assert.deepEqual(rest, []);
      assert.equal(warning.subject, "provider local");
      assert.match(warning.detail, /1 required; it ends in 7 days$/);
      assert.match(fixture.run("check").stdout, /^warn provider local: .*; it ends in 7 days\n {5}\S/m);
    }
    await assertServes(day(7));
    run(`${sign} -t 'kleidi expires:${day(20)}'`);
    configure({ keys: [key] }, ["soon.minisig"]);
    assert.equal(JSON.parse(fixture.run("check", "--json").stdout).warnings, 0);
  });

  test("revoke: a key by its id, then the module by its SHA-256, each with the reason", () => {
    const trust = policy(revoking);
    const [byKey, byModule] = trust.revoked ?? [];
    configure({ ...trust, revoked: [{ ...byKey, key: pub("release-2026").id }] });
    let { ok, detail } = check();
    assert.equal(ok, false);
    assert.match(detail, /0 of 1 are valid: .* which is revoked: the laptop with the key was lost; /);

    configure({ ...trust, revoked: [{ ...byModule, sha256: sha256Of(module) }] });
    ({ ok, detail } = check());
    assert.equal(ok, false);
    assert.match(detail, /its module with the sha256 .* is revoked: reads more than it needs; /);
  });

  test("serve does not start with a module that is pinned and not signed", () => {
    configure(policy(one));
    renameSync(`${module}.minisig`, `${module}.kept`);
    const { status, stderr } = fixture.run("serve");
    assert.equal(status, 1);
    assert.match(stderr, /Cannot load provider "local": trust requires .* cannot be read \(ENOENT\)/);
    renameSync(`${module}.kept`, `${module}.minisig`);
  });

  test("serve does not start with a module that was changed and pinned again", () => {
    writeFileSync(module, Buffer.concat([readFileSync(module), Buffer.from([0, 2, 1, 0x78])])); // a custom section "x"
    configure(policy(one));
    const { status, stderr } = fixture.run("serve");
    assert.equal(status, 1);
    assert.match(
      stderr,
      /0 of 1 are valid: .*local\.wasm\.minisig does not verify with the key of release-2026 /,
    );
  });
});
