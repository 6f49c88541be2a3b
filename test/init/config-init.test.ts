/** kleidi config init writes a valid configuration, which works after the steps in its comments. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseConfig } from "../../host/config/parse.ts";
import { accountKeyFile } from "../support/account-key.ts";
import { Authority } from "../support/certificates.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture, kleidi, root } from "../support/fixture.ts";
import { MODULE, SoftHsm } from "../support/softhsm.ts";
import { Swtpm } from "../support/swtpm.ts";

requireDebian(["swtpm"]);

const RUN_MS = 120_000;

/** A separate folder for each test. */
function folderOf(t: { after(fn: () => Promise<void>): void }): Fixture {
  const fixture = new Fixture();
  t.after(() => fixture.close());
  return fixture;
}

/** The options for a host in the folder of a fixture. */
const inFolder = (fixture: Fixture) => ["--socket", fixture.socket];

/** The steps in the comments of the file. */
function stepsIn(fixture: Fixture): string[] {
  return [...fixture.readConfig().matchAll(/^# {3}\d+\. (.*)$/gm)].map(([, step = ""]) => step);
}

/** Runs the kleidi commands in a step. */
function follow(step: string): void {
  const [command] = /kleidi (?:key|check) [^;]*/.exec(step) ?? [];
  if (command === undefined) return;
  const words = command.split(" ").slice(1);
  const { status, stdout, stderr } = spawnSync(kleidi, words, { encoding: "utf8", timeout: RUN_MS });
  assert.equal(status, 0, `${command}\n${stdout}${stderr}`);
}

function install(step: string): void {
  const [, folder = ""] = /install -d -m 0700 (\S+)$/.exec(step) ?? [];
  if (folder !== "") mkdirSync(folder, { recursive: true, mode: 0o700 });
}

describe("the file works after its own steps", () => {
  test("local", (t) => {
    const fixture = folderOf(t);
    const data = join(fixture.folder, "data");
    const made = fixture.run(
      "config",
      "init",
      "--for",
      "local",
      "--key",
      "kek-1",
      "--data",
      data,
      ...inFolder(fixture),
    );
    assert.equal(made.status, 0, made.stderr);
    const steps = stepsIn(fixture);
    assert.equal(steps.length, 5);
    for (const step of steps) {
      install(step);
      follow(step);
    }
    assert.ok(readdirSync(join(data, "keys")).includes("kek-1.key"));
  });

  test("tpm", async (t) => {
    const fixture = folderOf(t);
    const tpm = await Swtpm.start("unix");
    t.after(() => tpm.stop());
    const options = ["--data", fixture.folder, "--device", tpm.device, ...inFolder(fixture)];
    const made = fixture.run("config", "init", "--for", "tpm", "--key", "kek-1", ...options);
    assert.equal(made.status, 0, made.stderr);
    for (const step of stepsIn(fixture)) {
      install(step);
      follow(step);
    }
    assert.ok(readdirSync(join(fixture.folder, "state")).includes("kek-1.state"));
  });

  for (const mechanism of ["aes-gcm", "aes-kw"])
    test(`pkcs11 by ${mechanism}`, (t) => {
      const fixture = folderOf(t);
      const hsm = new SoftHsm();
      t.after(() => hsm.close());
      const made = fixture.run(
        ...["config", "init", "--for", "pkcs11", "--key", "kek-1", "--hsm-module", MODULE],
        ...["--hsm-token", hsm.label, "--hsm-pin-file", hsm.pinFile, "--hsm-mechanism", mechanism],
        ...["--hsm-config", hsm.environment.SOFTHSM2_CONF ?? "", "--hsm-config-variable", "SOFTHSM2_CONF"],
        ...["--hsm-folder", hsm.tokens, ...inFolder(fixture)],
      );
      assert.equal(made.status, 0, made.stderr);
      const steps = stepsIn(fixture);
      const [create = ""] = steps.filter((step) => step.startsWith("create the key, "));
      const { status, stderr } = spawnSync("sh", ["-c", create.replace(/^create the key[^:]*: /, "")], {
        env: { PATH: process.env.PATH ?? "" },
        encoding: "utf8",
      });
      assert.equal(status, 0, stderr);
      for (const step of steps) follow(step);
    });

  for (const auth of ["approle", "token"])
    test(`vault with ${auth}: check, which contacts no server`, async (t) => {
      const fixture = folderOf(t);
      const secret = join(fixture.folder, "secret");
      writeFileSync(secret, "s.secret\n", { mode: 0o600 });
      const authority = new Authority(fixture.folder);
      const made = fixture.run(
        ...["config", "init", "--for", "vault", "--key", "kek-1", "--origin", "https://vault.example:8200"],
        ...["--network", "10.20.0.0/16", "--ca", authority.file, "--auth", auth, "--secret-file", secret],
        ...(auth === "approle" ? ["--role-id", "3f0c2b1e-8a3c-4c57-9d0f-0d6f1b2c9a11"] : []),
        ...inFolder(fixture),
      );
      assert.equal(made.status, 0, made.stderr);
      const checked = fixture.run("check");
      assert.equal(checked.status, 0, checked.stdout);
    });
});

describe("aws: check, which contacts no server", () => {
  const role = "arn:aws:iam::111122223333:role/kleidi";
  const CASES: readonly (readonly [
    source: string,
    region: string,
    origin: string,
    options: (secret: string) => string[],
  ])[] = [
    ["instance", "cn-north-1", "https://kms.cn-north-1.amazonaws.com.cn:443", () => []],
    [
      "keys",
      "eu-central-1",
      "https://kms.eu-central-1.amazonaws.com:443",
      (secret) => ["--access-key-id", "AKIAIOSFODNN7EXAMPLE", "--secret-key-file", secret],
    ],
    [
      "web-identity",
      "us-gov-west-1",
      "https://kms.us-gov-west-1.amazonaws.com:443",
      (secret) => ["--role", role, "--token-file", secret],
    ],
  ];
  for (const [source, region, origin, options] of CASES)
    test(`${source} in ${region}`, (t) => {
      const fixture = folderOf(t);
      const secret = join(fixture.folder, "secret");
      writeFileSync(secret, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n", { mode: 0o600 });
      const made = fixture.run(
        ...["config", "init", "--for", "aws", "--key", "kek-1", "--region", region, "--source", source],
        ...options(secret),
        ...inFolder(fixture),
      );
      assert.equal(made.status, 0, made.stderr);
      const checked = fixture.run("check");
      assert.equal(checked.status, 0, checked.stdout);
      const { providers } = parseConfig(fixture.readConfig(), fixture.config);
      assert.equal((providers[0]?.grants.net as { origin?: string } | undefined)?.origin, origin);
    });
});

describe("gcp and azure: check, which contacts no server", () => {
  const name = "projects/my-project/locations/europe-west3/keyRings/clusters/cryptoKeys/kek-1";
  const id = "11111111-2222-3333-4444-555555555555";
  const own = ["--azure-source", "client-secret", "--tenant", id, "--client", id, "--azure-file"];
  const CASES: readonly (readonly [provider: string, origin: string, options: (file: string) => string[]])[] =
    [
      ["gcp", "https://cloudkms.googleapis.com:443", () => ["--crypto-key", name]],
      [
        "gcp",
        "https://cloudkms.googleapis.com:443",
        (file) => ["--crypto-key", name, "--gcp-source", "service-account", "--gcp-key-file", file],
      ],
      ["azure", "https://kek.vault.azure.net:443", () => ["--vault", "https://kek.vault.azure.net"]],
      [
        "azure",
        "https://kek.managedhsm.azure.net:443",
        (file) => ["--vault", "https://kek.managedhsm.azure.net", ...own, file],
      ],
    ];
  for (const [i, [provider, origin, options]] of CASES.entries())
    test(`${provider}, ${i}`, (t) => {
      const fixture = folderOf(t);
      const file = join(fixture.folder, "secret");
      writeFileSync(
        file,
        accountKeyFile("kek@my-project.iam.gserviceaccount.com", "abc", origin).replaceAll("\n", ""),
        {
          mode: 0o600,
        },
      );
      const made = fixture.run(
        ...["config", "init", "--for", provider, "--key", "kek-1"],
        ...options(file),
        ...inFolder(fixture),
      );
      assert.equal(made.status, 0, made.stderr);
      const checked = fixture.run("check");
      assert.equal(checked.status, 0, checked.stdout);
      const { providers, keys } = parseConfig(fixture.readConfig(), fixture.config);
      assert.equal((providers[0]?.grants.net as { origin?: string } | undefined)?.origin, origin);
      assert.equal(JSON.stringify(keys[0]?.settings ?? {}).includes(name), provider === "gcp");
    });

  test("a key of Google that is not a resource name is refused", (t) => {
    const fixture = folderOf(t);
    const words = [
      "config",
      "init",
      "--for",
      "gcp",
      "--key",
      "kek-1",
      "--crypto-key",
      "kek",
      ...inFolder(fixture),
    ];
    const { status, stderr } = fixture.run(...words);
    assert.equal(status, 2);
    assert.match(stderr, /expected a request to read a key/);
  });
});

describe("the file", () => {
  const fixture = new Fixture();
  before(() => {
    const { status, stderr } = fixture.run(
      ...["config", "init", "--for", "local", "--key", "kek-1", "--group", "root"],
      ...["--data", "/var/lib/key's", ...inFolder(fixture)],
    );
    assert.equal(status, 0, stderr);
  });
  after(() => fixture.close());

  test("names the JSON Schema on its first line", () => {
    const [first = ""] = fixture.readConfig().split("\n");
    assert.equal(first, `# yaml-language-server: $schema=${join(root, "docs/kleidi.schema.json")}`);
  });

  test("has mode 0640, and no temporary file is left", () => {
    assert.equal(statSync(fixture.config).mode & 0o777, 0o640);
    assert.deepEqual(readdirSync(fixture.folder).sort(), ["keys", "kleidi.yaml"]);
  });

  test("explains every key with a value", () => {
    const unexplained = fixture
      .readConfig()
      .split("\n")
      .filter((line) => /^ *(- )?\w+: \S/.test(line) && !line.includes(" # "));
    // the lines before them explain the group and the provider of the key
    assert.deepEqual(
      unexplained.map((line) => line.trim()),
      ["group: root", "provider: local"],
    );
  });

  test("is valid with its recommended lines uncommented", () => {
    const text = fixture.readConfig().replaceAll(/^# (admin|audit): /gm, "$1: ");
    const { admin, audit } = parseConfig(text, fixture.config);
    assert.ok(admin !== undefined && audit !== undefined);
  });

  test("quotes an answer in YAML and in the commands of its comments", () => {
    const text = fixture.readConfig();
    assert.equal(parseConfig(text, fixture.config).keystore?.directory, "/var/lib/key's/keys");
    assert.ok(text.includes("install -d -m 0700 '/var/lib/key'\\''s/keys'"), text);
  });

  test("is never overwritten", () => {
    const text = fixture.readConfig();
    const { status, stderr } = fixture.run("config", "init", "--for", "local", "--key", "kek-2");
    assert.equal(status, 2);
    assert.match(stderr, /^error: Cannot write .*kleidi\.yaml: it exists; /);
    assert.equal(fixture.readConfig(), text);
  });
});

/** Invalid options, and the option that the message names. */
const REFUSED: readonly (readonly [name: string, words: string, option: string])[] = [
  ["no provider", "", "--for"],
  ["an unknown provider", "--for none", "--for"],
  ["no key", "--for local", "--key"],
  ["every missing option of vault", "--for vault", "--key, --origin, --role-id, --secret-file"],
  ["no secret for a token", "--for vault --key a --origin https://a --auth token", "--secret-file"],
  ["an invalid key", "--for local --key A", "--key"],
  ["another provider's option", "--for local --key a --device /dev/tpmrm0", "--device"],
  [
    "an option that the login does not need",
    "--for vault --key a --origin https://a --auth token --role-id b --secret-file c",
    "--role-id",
  ],
  ["a login without a template", "--for vault --auth cert", "--auth"],
  [
    "an origin with a path",
    "--for vault --key a --origin https://a/v1 --role-id b --secret-file c",
    "--origin",
  ],
  ["an answer with a line feed", "--for local --key a --group a\nb", "--group"],
  ["a socket that is too long", `--for local --key a --socket /${"a".repeat(100)}`, "listen.socket"],
  ["a module that does not exist", "--for local --key a --module /no.wasm", "/no.wasm"],
];

describe("refuses, with exit code 2 and no file,", () => {
  for (const [name, words, option] of REFUSED)
    test(name, (t) => {
      const fixture = folderOf(t);
      const { status, stderr } = fixture.run(
        "config",
        "init",
        ...words.split(" ").filter((word) => word !== ""),
      );
      assert.equal(status, 2, stderr);
      assert.ok(stderr.includes(option), stderr);
      assert.deepEqual(readdirSync(fixture.folder), ["keys"]);
      t.assert.snapshot(stderr.replaceAll(fixture.folder, "FOLDER"), { serializers: [String] });
    });

  test("a folder that does not exist", (t) => {
    const file = join(folderOf(t).folder, "no", "kleidi.yaml");
    const words = ["config", "init", "--for", "local", "--key", "a", "--config", file];
    const { status, stderr } = spawnSync(kleidi, words, { encoding: "utf8", timeout: RUN_MS });
    assert.equal(status, 2);
    assert.match(stderr, /\(ENOENT\): create its folder/);
  });
});

describe("on a terminal", () => {
  /** Types lines on a new terminal (script(1)). */
  function type(fixture: Fixture, lines: readonly string[]) {
    const command = `'${kleidi}' config init --config '${fixture.config}'`;
    const input = lines.map((line) => `${line}\n`).join("");
    return spawnSync("script", ["-qec", command, "/dev/null"], { input, encoding: "utf8", timeout: RUN_MS });
  }

  test("asks for each answer, again after an invalid one, and takes defaults", (t) => {
    const fixture = folderOf(t);
    const { status, stdout } = type(fixture, ["kms", "local", "KEK 1", "kek-1", "", "", ""]);
    assert.equal(status, 0, stdout);
    const { listen, keys, keystore } = parseConfig(readFileSync(fixture.config, "utf8"), fixture.config);
    assert.deepEqual(listen, { socket: "/run/kleidi/kms.sock", mode: 0o600 });
    assert.equal(keys[0]?.name, "kek-1");
    assert.equal(keystore?.directory, "/var/lib/kleidi/keys");
    assert.match(stdout, /expected local, tpm, vault, aws, gcp, azure, pkcs11, found "kms"/);
    assert.match(stdout, /found "KEK 1"/);
  });

  test("writes nothing if the input ends", (t) => {
    const fixture = folderOf(t);
    // Ctrl-D at the start of a line
    const { status, stdout } = type(fixture, ["local", "\u0004"]);
    assert.equal(status, 2, stdout);
    assert.deepEqual(readdirSync(fixture.folder), ["keys"]);
  });
});
