/** Runs every command of docs/deploying.md with the configuration of that page. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, test } from "node:test";
import { kleidi, root } from "../support/fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-deploying-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const page = readFileSync(join(root, "docs/deploying.md"), "utf8");
const [, configuration = ""] = /^```yaml\n(.*?)^```$/ms.exec(page) ?? [];
const commands = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = ""]) =>
  block.trim().split("\n"),
);

writeFileSync(join(folder, "kleidi.yaml"), configuration);
writeFileSync(
  join(folder, "enc.yaml"),
  JSON.stringify({
    apiVersion: "apiserver.config.k8s.io/v1",
    kind: "EncryptionConfiguration",
    resources: [{ resources: ["secrets"], providers: [{ identity: {} }] }],
  }),
);
symlinkSync(kleidi, join(folder, "kleidi"));
const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` };

test("the page shows each form", () => assert.ok(commands.length >= 12, `${commands.length} commands`));

for (const command of commands)
  test(command, { timeout: 120_000 }, () => {
    const { status, stdout, stderr } = spawnSync("sh", ["-c", command], {
      cwd: folder,
      env,
      encoding: "utf8",
    });
    assert.equal(status, 0, `${stdout}${stderr}`);
  });
