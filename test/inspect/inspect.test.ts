/** kleidi inspect as an auditor runs it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { DEFAULT_LIMITS } from "../../host/cli/inspect.ts";
import { parseConfig } from "../../host/config/parse.ts";
import type { Report } from "../../host/inspect/report.ts";
import { buildGuests, type GuestName } from "../guests/build.ts";
import { kleidi, localConfig, localModule, root, sha256Of } from "../support/fixture.ts";
import { call, guest, hostCall, row } from "../support/inspected.ts";
import { newSigner } from "../support/minisign.ts";

// before the first test is registered: the runner ignores tests that are registered after a later await
const guests = await buildGuests();
const folder = mkdtempSync(join(tmpdir(), "kleidi-inspect-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(kleidi, ["inspect", ...args], { encoding: "utf8", cwd: folder });
}

function reportOf(...args: string[]): Report & { status: number | null } {
  const { status, stdout } = run(...args, "--json");
  return { status, ...JSON.parse(stdout) };
}

function put(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

function rows({ verdicts }: Report, check: string): string[] {
  return verdicts
    .filter((row) => row.check === check)
    .map(({ severity, actual }) => `${severity}: ${actual}`);
}

describe("the providers", () => {
  for (const provider of ["local", "gpg", "tpm"]) {
    test(`${provider}: nothing is refused, and its manifest and digest are reported`, () => {
      const path = join(root, "providers", `${provider}.wasm`);
      const report = reportOf(path);
      assert.equal(report.status, 0);
      assert.equal(report.report, 1);
      assert.ok(!report.verdicts.some(({ severity }) => severity === "warn" || severity === "refuse"));
      assert.equal(report.file.sha256, sha256Of(path));
      const source = join(root, "providers", provider, "provider.json");
      assert.deepEqual(report.manifest, JSON.parse(readFileSync(source, "utf8")));
      assert.ok(report.authority.every(({ requested, used }) => requested && used === true));
    });
  }

  test("the tpm provider creates records only in provision", () => {
    const { authority } = reportOf(join(root, "providers", "tpm.wasm"));
    const puts = authority.filter(
      ({ capability, operation }) => capability === "state" && operation === "put",
    );
    assert.deepEqual(
      puts.map(({ rpc }) => rpc),
      ["provision"],
    );
  });
});

test("the text names the facts that an approval is based on", () => {
  const { status, stdout } = run(localModule);
  assert.equal(status, 0);
  assert.ok(stdout.includes(sha256Of(localModule)));
  assert.match(stdout, /^ {2}manifest {3}local \d+\.\d+\.\d+, ABI 1$/m);
  assert.match(stdout, /^ {2}ok {5}authority: 3 operations requested and used/m);
  assert.match(stdout, /^ {4}keystore\.seal, requested and used "the KEK stays in the host"$/m);
  // no colour where there is no terminal
  assert.ok(!stdout.includes("\u001b"));
});

const REFUSED: Partial<Record<GuestName, [check: string, said: RegExp]>> = {
  "start-calls-host": ["start", /its start function can reach kleidi:log write/],
  "no-exports": ["exports", /does not export the function kleidi_status/],
  "imports-wasi": ["imports", /only extism:host\/env and kleidi:\* can be imported/],
  "imports-http": ["imports", /extism:host\/env provides only its memory functions/],
  "no-manifest": ["manifest", /has no manifest/],
  "two-manifests": ["manifest", /has 2 manifests/],
  "bad-manifest": ["manifest", /is not valid JSON/],
  "wrong-abi": ["manifest", /abi: should be 1/],
};

describe("hostile guests", () => {
  for (const [name, [check, said]] of Object.entries(REFUSED)) {
    test(`${name} is refused with the reason in the table`, () => {
      const report = reportOf(guests[name as GuestName]);
      assert.equal(report.status, 1);
      assert.equal(report.verdict, "refuse");
      assert.ok(
        rows(report, check).some((row) => row.startsWith("refuse") && said.test(row)),
        rows(report, check).join("\n"),
      );
    });
  }
});

describe("files that are not modules", () => {
  test("a missing file is a usage error", () => {
    const { status, stderr } = run(join(folder, "none.wasm"));
    assert.equal(status, 2);
    const none = join(folder, "none.wasm");
    assert.equal(
      stderr,
      `error: Cannot read ${none}: it cannot be read (ENOENT); put the file there, or correct the path\n`,
    );
  });

  test("a folder is a usage error, in JSON with --json", () => {
    const { status, stdout } = run(folder, "--json");
    assert.equal(status, 2);
    assert.equal(JSON.parse(stdout).code, "usage");
  });

  test("a named pipe without a writer does not block the command", () => {
    const pipe = join(folder, "pipe.wasm");
    spawnSync("mkfifo", [pipe]);
    assert.equal(run(pipe).status, 2);
  });

  test("a text file is refused, with its digest", () => {
    const path = put("script.wasm", "#!/bin/sh\n");
    const report = reportOf(path);
    assert.equal(report.status, 1);
    assert.equal(report.file.sha256, sha256Of(path));
    assert.match(
      rows(report, "format")[0] ?? "",
      /stopped at byte 0: it does not start with the header of a WebAssembly/,
    );
  });

  test("a file over 32 MiB is refused unread, with its size and digest", () => {
    const path = put("large.wasm", guest());
    truncateSync(path, (32 << 20) + 1);
    const report = reportOf(path);
    assert.equal(report.status, 1);
    assert.equal(report.file.size, (32 << 20) + 1);
    assert.equal(report.file.sha256, sha256Of(path));
    assert.deepEqual(rows(report, "size"), ["refuse: 33554433 bytes"]);
  });

  test("no argument is a usage error", () => assert.equal(run().status, 2));
});

describe("--html", () => {
  test("writes only the page into the folder", () => {
    const out = join(folder, "pages");
    mkdirSync(out);
    const page = join(out, "local.html");
    const { status, stdout } = run(localModule, "--html", page);
    assert.equal(status, 0);
    assert.match(stdout, new RegExp(`^Wrote ${page}\\.$`, "m"));
    assert.deepEqual(readdirSync(out), ["local.html"]);
    assert.match(readFileSync(page, "utf8"), /^<!DOCTYPE html>.*<svg .*<\/html>\n$/s);
    assert.equal(statSync(page).mode & 0o133, 0);
  });

  test("replaces an existing file or link, and not the target of the link", () => {
    const target = put("target.txt", "mine");
    const page = join(folder, "link.html");
    symlinkSync(target, page);
    assert.equal(run(localModule, "--html", page).status, 0);
    assert.equal(readFileSync(target, "utf8"), "mine");
    assert.match(readFileSync(page, "utf8"), /^<!DOCTYPE html>/);
  });

  test("reports where it cannot write, and leaves nothing behind", () => {
    const taken = join(folder, "taken");
    mkdirSync(join(taken, "page.html"), { recursive: true });
    const { status, stderr } = run(localModule, "--html", join(taken, "page.html"));
    assert.equal(status, 2);
    assert.match(stderr, /^error: Cannot write the page .*: the system refuses it \(E[A-Z]+\)/);
    assert.deepEqual(readdirSync(taken), ["page.html"]);
  });

  test("does not overwrite the module", () => {
    const module = put("keep.wasm", guest());
    const link = join(folder, "keep.html");
    symlinkSync(module, link);
    for (const page of [module, link]) {
      const { status, stderr } = run(module, "--html", page);
      assert.equal(status, 2);
      assert.equal(stderr, `error: Cannot write the page ${page}: it is the module\n`);
    }
    assert.deepEqual(readFileSync(module), Buffer.from(guest()));
  });

  test("writes the page for a refused module too", () => {
    const page = join(folder, "refused.html");
    assert.equal(run(put("script2.wasm", "#!/bin/sh\n"), "--html", page).status, 1);
    assert.match(readFileSync(page, "utf8"), /The host would refuse this module/);
  });
});

describe("signatures without a configuration", () => {
  const path = put("signed.wasm", guest());
  const signer = newSigner();

  test("are absent", () => {
    assert.deepEqual(reportOf(path).signatures, []);
    assert.match(run(path).stdout, /^ {2}signature {2}none beside the module$/m);
  });

  test("are reported with key and comment, and as not verified", () => {
    // signatures of other bytes: they are not verified here
    put("signed.wasm.minisig", signer.sign(Buffer.from("something else"), { comment: "release 1" }));
    put("signed.wasm.second.minisig", "no signature\n");
    const [first, second] = reportOf(path).signatures;
    assert.deepEqual(first, {
      path: `${path}.minisig`,
      keyId: signer.keyId,
      trustedComment: "release 1",
    });
    assert.ok(second !== undefined && "fault" in second);
    assert.ok(
      run(path).stdout.includes(`${path}.minisig, not verified here: key ${signer.keyId}, "release 1"`),
    );
  });
});

describe("--config", () => {
  const signer = newSigner();
  const module = put("local.wasm", readFileSync(localModule));
  writeFileSync(`${module}.minisig`, signer.sign(readFileSync(module), { comment: "release 1" }));
  const provider = (changes: object = {}) => ({
    providers: {
      local: {
        module,
        sha256: sha256Of(module),
        grants: { keystore: { keys: ["kek"] } },
        ...changes,
      },
    },
  });
  const trust = { trust: { keys: [{ name: "release", key: signer.publicKey }] } };
  const config = (changes: Record<string, unknown>) =>
    put("kleidi.yaml", localConfig([{ name: "kek", use: "active" }], changes));

  test("a module that is pinned, signed and granted passes all three checks", () => {
    const report = reportOf(module, "--config", config({ ...provider(), ...trust }));
    assert.equal(report.status, 0);
    assert.deepEqual(rows(report, "pin"), ["ok: as pinned"]);
    assert.deepEqual(rows(report, "signature"), [`ok: signed by release (${signer.keyId}), 1 required`]);
    assert.deepEqual(rows(report, "grants"), [
      "ok: keystore info in status, of keys kek",
      "ok: keystore seal in encrypt, of keys kek",
      "ok: keystore open in decrypt, of keys kek",
    ]);
    assert.deepEqual(report.configured?.providers, ["local"]);
  });

  test("another module with the provider's name is refused by its digest, and is unsigned", () => {
    const next = put("next.wasm", guest({ name: "local", version: "0.2.0" }));
    const report = reportOf(next, "--config", config({ ...provider(), ...trust }));
    assert.equal(report.status, 1);
    assert.deepEqual(rows(report, "pin"), [`refuse: another digest is pinned: ${sha256Of(module)}`]);
    assert.match(rows(report, "signature")[0] ?? "", /^refuse: trust requires signatures/);
    assert.deepEqual(rows(report, "grants"), [
      "ok: nothing",
      "warn: it is granted keystore, which its module does not request. Remove providers.local.grants.keystore.",
    ]);
  });

  test("the next version is checked with the signatures beside it", () => {
    const bytes = guest({ name: "local", version: "0.3.0" });
    const next = put("signed-next.wasm", bytes);
    put("signed-next.wasm.minisig", signer.sign(bytes));
    const report = reportOf(next, "--config", config({ ...provider(), ...trust }));
    assert.match(rows(report, "signature")[0] ?? "", /^ok: signed by release/);
  });

  test("a request without a grant is refused, with the line to write", () => {
    const bytes = guest({
      name: "local",
      imports: hostCall("state", "get"),
      bodies: { status: call("state", "get") },
      rows: [row("state", "get", "status")],
    });
    const report = reportOf(put("wants-more.wasm", bytes), "--config", config(provider()));
    assert.equal(
      rows(report, "grants")[0],
      "refuse: state get is requested and not granted; to allow it, write under grants: state: { names: [kek] }",
    );
    assert.deepEqual(rows(report, "signature"), [
      "note: no trust in the configuration: signatures are not checked",
    ]);
  });

  test("memory is checked against the configuration's limits", () => {
    const bytes = guest({ name: "local", memory: "20" });
    const path = put("memory.wasm", bytes);
    const limits = { limits: { memory: "1MiB" } };
    const report = reportOf(path, "--config", config(provider(limits)));
    assert.deepEqual(rows(report, "memory"), [
      "refuse: has an initial size of 20 pages, at most 16 are allowed",
    ]);
    assert.match(rows(reportOf(path), "memory")[0] ?? "", /^ok/);
  });

  test("two providers of one module are both reported, and the narrower limits apply", () => {
    const text = JSON.parse(localConfig([{ name: "kek", use: "active" }], provider()));
    const { local } = text.providers;
    text.providers.other = {
      ...local,
      limits: { memory: "64KiB" },
      grants: { keystore: { keys: ["kek-2"] } },
    };
    text.keys.push({ name: "kek-2", provider: "other", use: "decrypt" });
    const report = reportOf(module, "--config", put("two.yaml", JSON.stringify({ ...text, ...trust })));
    assert.deepEqual(report.configured?.providers, ["local", "other"]);
    assert.equal(rows(report, "pin").length, 2);
    assert.equal(rows(report, "signature").length, 2);
    assert.match(rows(report, "memory")[0] ?? "", /may grow to 1$/);
  });

  test("a module that the configuration does not name is reported as such", () => {
    const report = reportOf(
      put("stranger.wasm", guest({ name: "stranger" })),
      "--config",
      config(provider()),
    );
    assert.match(rows(report, "configured")[0] ?? "", /^note: no provider has$/);
    assert.deepEqual(report.configured?.providers, []);
  });

  test("an invalid configuration is reported, and no findings on the module are", () => {
    const { status, stdout, stderr } = run(module, "--config", put("bad.yaml", "listen: 1\n"));
    assert.equal(status, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /^Cannot use the configuration/);
  });

  test("without a configuration, the default limits apply", () => {
    const text = localConfig([{ name: "kek", use: "active" }], provider());
    const [parsed] = parseConfig(text, join(folder, "kleidi.yaml")).providers;
    const { memoryBytes, tableEntries } = parsed?.limits ?? {};
    assert.deepEqual({ memoryBytes, tableEntries }, DEFAULT_LIMITS);
  });
});

test("a module is found by its digest under another name and path", () => {
  const copy = join(folder, "renamed.bin");
  copyFileSync(localModule, copy);
  const config = put("by-digest.yaml", localConfig([{ name: "kek", use: "active" }]));
  assert.deepEqual(reportOf(copy, "-c", config).configured?.providers, ["local"]);
});
