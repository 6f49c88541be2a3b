/** kubeadm validates the files of `kleidi render kubeadm`. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { localPod } from "../render/configurations.ts";
import { Fixture } from "../support/fixture.ts";
import { RENDERED } from "./kubeadm.ts";
import { NODE_BIN } from "./machine.ts";

const IMAGE = "registry.example/kleidi:0.1.0";
/** Without a version in its configuration, kubeadm looks up the newest one on the internet. Nothing listens at this proxy. */
const env = { ...process.env, HTTPS_PROXY: "http://127.0.0.1:1" };

describe("kubeadm config validate", () => {
  const fixture = new Fixture().write(localPod);
  after(() => fixture.close());

  /** Renders into a new folder. @returns the path of the file for kubeadm */
  function render(form: string): string {
    const out = mkdtempSync(join(fixture.folder, "out-"));
    const { status, stderr } = fixture.run(
      "render",
      "kubeadm",
      "--form",
      form,
      "--image",
      IMAGE,
      "--out",
      out,
    );
    assert.equal(status, 0, stderr);
    return join(out, RENDERED);
  }

  const validate = (file: string) =>
    spawnSync(join(NODE_BIN, "kubeadm"), ["config", "validate", "--config", file], { encoding: "utf8", env });

  for (const form of ["systemd", "static-pod", "sidecar"])
    test(`accepts the file of the form ${form}`, () => {
      const { status, stdout, stderr } = validate(render(form));
      assert.equal(status, 0, stderr);
      assert.equal(stdout, "ok\n");
    });

  test("refuses a field that v1beta4 does not have", () => {
    const file = render("sidecar");
    writeFileSync(file, readFileSync(file, "utf8").replace("extraArgs:", "extraArguments:"));
    const { status, stderr } = validate(file);
    assert.equal(status, 1);
    assert.match(stderr, /unknown field "apiServer\.extraArguments"/);
  });
});
