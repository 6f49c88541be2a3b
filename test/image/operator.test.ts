/** The image of the operator and the agent, run with podman under the restrictions of a hardened pod. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { before, describe, test } from "node:test";
import { builtDist } from "../../.ci/dist/built.ts";
import { podman, tryPodman } from "../support/containers.ts";
import { requireDebian } from "../support/debian.ts";
import { USER } from "./container.ts";
import { digestOf, locked, removeImage } from "./images.ts";
import { buildOperator, builtOperatorImage, OPERATOR_IMAGE } from "./operator-image.ts";

const MOST_BYTES = 140_000_000;
const LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"];
const HARDENED = [
  ...LIMITS,
  "--rm",
  "--read-only",
  "--network",
  "none",
  "--cap-drop",
  "all",
  "--security-opt",
  "no-new-privileges",
];

requireDebian(["buildah", "podman", "runc", "debootstrap"]);

describe("the image of the operator", () => {
  before(async () => {
    await builtOperatorImage();
  });

  test("a second build of the same tree has the same digest", async () => {
    const dist = await builtDist();
    const again = "localhost/kleidi-operator:again";
    try {
      assert.equal(
        locked(() => buildOperator(dist, again)),
        digestOf(OPERATOR_IMAGE),
      );
    } finally {
      locked(() => removeImage(again));
    }
  });

  test("it has at most 140 MB, the user 65532, and Node as its only program", () => {
    const [image] = JSON.parse(podman("image", "inspect", OPERATOR_IMAGE));
    assert.ok(image.Size <= MOST_BYTES, `${image.Size} bytes`);
    assert.equal(image.Config.User, `${USER}:${USER}`);
    assert.equal(image.Config.Labels["org.opencontainers.image.title"], "kleidi-operator");
    const folder = podman("image", "mount", OPERATOR_IMAGE);
    try {
      const args = [".", "-type", "f", "-perm", "/111", "-not", "-name", "*.so*"];
      const { stdout } = spawnSync("find", args, { cwd: folder, encoding: "utf8" });
      assert.equal(stdout, "./usr/local/bin/node\n");
    } finally {
      podman("image", "umount", OPERATOR_IMAGE);
    }
  });

  test("without capabilities and writable files it prints its help, and refuses invalid options", () => {
    assert.match(
      podman("run", ...HARDENED, OPERATOR_IMAGE, "--help"),
      /^Usage: kleidi-operator controller\|agent/,
    );
    const { status, stderr } = tryPodman("run", ...HARDENED, OPERATOR_IMAGE, "agent");
    assert.equal(status, 2);
    assert.match(stderr, /^Cannot report: neither --node nor NODE_NAME is set$/m);
  });
});
