/** The notes after an install: their text for several values, and their `kleidi` commands. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { kleidi, root } from "../support/fixture.ts";
import { CHART, Helm } from "./helm.ts";
import { IMAGE, NAMESPACE } from "./rendered.ts";

describe("the notes of the chart", () => {
  const helm = new Helm();
  after(() => helm.close());

  function notes(values: object): string {
    const args = ["install", "kleidi", CHART, "--namespace", NAMESPACE, "--dry-run=client"];
    const said = helm.run([...args, "--values", helm.values({ image: IMAGE, ...values })]);
    return said.slice(said.indexOf("\nNOTES:\n"));
  }

  test("the default notes name the kept objects, and state that nothing reads a Secret", (t) => {
    t.assert.snapshot(notes({}).split("\n"));
  });

  test("the notes warn that an uninstall would lose objects, and name the granted rights", (t) => {
    const migration = { enabled: true, resources: ["secrets"] };
    t.assert.snapshot(
      notes({ crds: { keep: false }, migration, prometheusRule: { enabled: true } }).split("\n"),
    );
  });

  test("each kleidi command in the notes runs", () => {
    const page = readFileSync(join(root, "docs/deploying.md"), "utf8");
    writeFileSync(join(helm.folder, "kleidi.yaml"), /^```yaml\n(.*?)^```$/ms.exec(page)?.[1] ?? "");
    const commands = [...notes({}).matchAll(/^ +kleidi (.*)$/gm)].map(([, words = ""]) => words);
    assert.equal(commands.length, 3);
    for (const command of commands) {
      const args = command.replace("IMAGE", "registry.example/kleidi:0.1.0").split(" ");
      const { status, stderr } = spawnSync(kleidi, args, { cwd: helm.folder, encoding: "utf8" });
      assert.equal(status, 0, `${command}: ${stderr}`);
    }
  });
});
