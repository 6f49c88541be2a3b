/** Runs the `sh` commands of the pages on installation and upgrade, in order, with the configuration of docs/deploying.md. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, test } from "node:test";
import { Fixture, kleidi, localConfig, localModule, root } from "../support/fixture.ts";
import { Page } from "../support/page.ts";

const [RENDERED = ""] = new Page("deploying.md").blocks("How to render", "yaml");

/** The file of an API server that encrypts with a key of its own. */
const AESCBC = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - aescbc: { keys: [{ name: key1, secret: ${Buffer.alloc(32).toString("base64")} }] }
      - identity: {}
`;

function run(folder: string, command: string): void {
  const { status, stdout, stderr } = spawnSync("sh", ["-c", command], {
    cwd: folder,
    env: { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` },
    encoding: "utf8",
  });
  assert.equal(status, 0, `${command}\n${stdout}${stderr}`);
}

for (const name of ["install-kubeadm.md", "install-k3s-rke2.md", "install-talos.md"])
  test(`${name}: each command runs`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), "kleidi-page-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, "kleidi.yaml"), RENDERED);
    symlinkSync(kleidi, join(folder, "kleidi"));
    const commands = allCommands(name);
    assert.ok(commands.length > 0);
    for (const command of commands) run(folder, command);
  });

test("operate/migrate.md: each command runs, and the keys of the former file stay in it until the stage retire", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-page-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "kleidi.yaml"), RENDERED);
  writeFileSync(join(folder, "enc.yaml"), AESCBC);
  symlinkSync(kleidi, join(folder, "kleidi"));
  const stages = allCommands("operate/migrate.md").map((command) => {
    run(folder, command);
    const text = readFileSync(join(folder, "node-files/etc/kubernetes/enc/enc.yaml"), "utf8");
    return [
      / --stage (\w+)/.exec(command)?.[1],
      [...text.matchAll(/\b(aescbc|kms|identity):/g)].map(([, name]) => name),
    ];
  });
  assert.deepEqual(stages, [
    ["stage", ["aescbc", "identity", "kms"]],
    ["promote", ["kms", "aescbc", "identity"]],
    ["retire", ["kms"]],
    ["leave", ["aescbc", "identity", "kms"]],
  ]);
});

test("image.md: the module from an image volume", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-page-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const inImage = RENDERED.replace("/opt/kleidi/providers/local.wasm", "/opt/kleidi/modules/local.wasm");
  assert.notEqual(inImage, RENDERED);
  writeFileSync(join(folder, "kleidi.yaml"), inImage);
  symlinkSync(kleidi, join(folder, "kleidi"));
  for (const command of new Page("image.md").commands("A module from an image volume")) run(folder, command);
});

describe("upgrade.md", () => {
  test("each command runs in a folder with a configuration and a key", async (t) => {
    const fixture = new Fixture();
    t.after(() => fixture.close());
    copyFileSync(localModule, join(fixture.folder, "local.wasm"));
    copyFileSync(localModule, join(fixture.folder, "local-new.wasm"));
    const admin = { listen: "127.0.0.1:9464" };
    fixture
      .write(localConfig([{ name: "kek", use: "active" }], { log: { level: "info" }, admin }))
      .keyInit("kek");
    symlinkSync(kleidi, join(fixture.folder, "kleidi"));
    for (const command of allCommands("upgrade.md")) run(fixture.folder, command);
  });
});

/** Includes blocks inside list items. */
function allCommands(name: string): string[] {
  const page = readFileSync(join(root, "docs", name), "utf8");
  return [...page.matchAll(/^( *)```sh\n(.*?)^\1```$/gms)].flatMap(([, , block = ""]) =>
    block
      .trim()
      .split("\n")
      .map((line) => line.trim()),
  );
}
