/** The image of kleidí, built with the commands of docs/image.md and run with podman and the flags of that page. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { lstatSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { builtDist } from "../../.ci/dist/built.ts";
import { podman } from "../support/containers.ts";
import { requireDebian } from "../support/debian.ts";
import { untilWell } from "../support/until-well.ts";
import { HardenedContainer, MAIN, SOCKET_GROUP, USER } from "./container.ts";
import { buildKleidi, builtImages, digestOf, IMAGE, locked, PROVIDER_IMAGE, removeImage } from "./images.ts";
import { commandOf } from "./page.ts";

const STRANGER = 12345;
const MOST_BYTES = 150_000_000;
const PROGRAMS = ["bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin"];

requireDebian(["buildah", "podman", "runc", "debootstrap"]);

describe("the image", () => {
  const container = new HardenedContainer();
  before(async () => {
    await builtImages();
  });
  after(() => container.close());

  test("a second build of the same tree has the same digest", async () => {
    const dist = await builtDist();
    const again = "localhost/kleidi:again";
    try {
      assert.equal(
        locked(() => buildKleidi(dist, again)),
        digestOf(IMAGE),
      );
    } finally {
      locked(() => removeImage(again));
    }
  });

  test("it has at most 150 MB, the user 65532, and no shell", () => {
    const [image] = JSON.parse(podman("image", "inspect", IMAGE));
    assert.ok(image.Size <= MOST_BYTES, `${image.Size} bytes`);
    assert.equal(image.Config.User, `${USER}:${USER}`);
    assert.equal(image.Config.Labels["org.opencontainers.image.title"], "kleidi");
    const folder = podman("image", "mount", IMAGE);
    try {
      const programs = spawnSync("ls", PROGRAMS, { cwd: folder, encoding: "utf8" }).stdout;
      assert.deepEqual(
        programs
          .split("\n")
          .filter((line) => line !== "" && !line.endsWith(":"))
          .sort(),
        ["choom", "node", "prlimit", "setpriv"],
      );
    } finally {
      podman("image", "umount", IMAGE);
    }
  });

  test("the image of a provider has its module and nothing else", () => {
    const folder = podman("image", "mount", PROVIDER_IMAGE);
    try {
      assert.equal(
        spawnSync("find", [folder, "-type", "f"], { encoding: "utf8" }).stdout,
        `${folder}/local.wasm\n`,
      );
    } finally {
      podman("image", "umount", PROVIDER_IMAGE);
    }
  });

  test("the hardened container creates a key, and the wall is in force", () => {
    container.run("key", "init");
    const { findings } = JSON.parse(container.run("check", "--live", "--json"));
    const { detail } = findings.find(({ subject }: { subject: string }) => subject === "wall");
    assert.match(detail, /^landlock: /);
  });

  test("a member of the socket's group can connect, and another user cannot", async () => {
    container.serve();
    await untilWell(async () => lstatSync(container.socket));
    const member = container.askAs(STRANGER, [SOCKET_GROUP]);
    assert.equal(member.status, 0, member.stderr);
    const { status, stdout } = container.askAs(STRANGER, []);
    assert.equal(status, 1);
    assert.match(stdout, /EACCES/);
    assert.equal(lstatSync(container.socket).mode & 0o777, 0o660);
  });

  test("the running container has no network, no capability and no writable path", () => {
    const script = `
      const { networkInterfaces } = require("node:os");
      const { readFileSync, writeFileSync } = require("node:fs");
      const status = readFileSync("/proc/1/status", "utf8");
      const field = (name) => new RegExp("^" + name + ":\\\\s*(\\\\S+)", "m").exec(status)[1];
      let written;
      try { writeFileSync("/opt/kleidi/x", ""); } catch (error) { written = error.code; }
      console.log(JSON.stringify({
        networks: Object.keys(networkInterfaces()), capabilities: field("CapBnd"), privileges: field("NoNewPrivs"), written,
      }));`;
    assert.deepEqual(JSON.parse(container.exec("-e", script)), {
      networks: ["lo"],
      capabilities: "0000000000000000",
      privileges: "1",
      written: "EROFS",
    });
  });

  test("the page's exec command runs in the container", () => {
    const [, ...words] = commandOf("podman exec");
    const [command = "", ...args] = words.map((each) => (each === "kleidi" ? container.name : each));
    assert.ok(args.includes(MAIN));
    assert.match(podman(command, ...args), /^ok {3}live /m);
  });
});
