/** The rule for files that hold secrets, in the layouts of systemd, the kubelet, Vault Agent and podman. */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { FileFault } from "./files.ts";
import { type Identity, readSecretFile, type Secrecy } from "./secret-files.ts";

const root = mkdtempSync(join(tmpdir(), "kleidi-secrets-"));
after(() => rmSync(root, { recursive: true, force: true }));
const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
const OWN: Identity = { uid, gid, groups: [gid] };
/** A user other than the owner of the files; as root, the test changes the owner instead. */
const OTHER = 4242;
const isRoot = uid === 0;

let made = 0;
function folder(mode = 0o755): string {
  made += 1;
  const path = join(root, `${made}`);
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

function secret(path: string, mode = 0o600): string {
  writeFileSync(path, "CANARY");
  chmodSync(path, mode);
  return path;
}

function read(path: string, secrecy: Secrecy = "given", self = OWN): string {
  const content = readSecretFile(path, 100, secrecy, self);
  return content instanceof FileFault ? content.text : content.toString();
}

describe("a secret file", () => {
  for (const [mode, secrecy, result] of [
    [0o600, "given", "CANARY"],
    [0o400, "given", "CANARY"],
    [0o640, "given", "CANARY"],
    [0o440, "given", "CANARY"],
    [0o644, "given", "has the mode 0644, others may have read it; it should be 0600, 0640 or 0440"],
    [0o660, "given", "has the mode 0660, others may have read it; it should be 0600, 0640 or 0440"],
    [0o604, "given", "has the mode 0604, others may have read it; it should be 0600, 0640 or 0440"],
    [0o600, "own", "CANARY"],
    [0o640, "own", "has the mode 0640, others may have read it; it should be 0600"],
    [0o644, "public", "CANARY"],
    [0o664, "public", "has the mode 0664, others may write it; it should be 0644 or less"],
    [0o646, "public", "has the mode 0646, others may write it; it should be 0644 or less"],
  ] as const)
    test(`of mode ${mode.toString(8)} (${secrecy}): ${result}`, () => {
      assert.equal(read(secret(join(folder(), "file"), mode), secrecy), result);
    });

  test("of a group without the process is not read", () => {
    const file = secret(join(folder(), "file"), 0o640);
    if (isRoot) chownSync(file, 0, OTHER);
    const self = { uid, gid: OTHER + 1, groups: [] };
    const of = isRoot ? OTHER : gid;
    assert.equal(
      read(file, "given", self),
      `has the mode 0640, the group ${of} may read it, which is not the host's; it should be 0600 or 0400`,
    );
    assert.equal(read(file, "given", { ...self, groups: [of] }), "CANARY");
  });

  test("of a group that may call the host is not read, although the process is in it", () => {
    const file = secret(join(folder(), "file"), 0o640);
    if (isRoot) chownSync(file, 0, OTHER);
    const of = isRoot ? OTHER : gid;
    const self = { uid, gid: OTHER + 1, groups: [of] };
    assert.equal(read(file, "given", { ...self, callers: [OTHER + 1] }), "CANARY");
    const callers = { ...self, callers: [OTHER + 1, of] };
    for (const mode of ["0640", "0440"]) {
      chmodSync(file, Number.parseInt(mode, 8));
      assert.equal(
        read(file, "given", callers),
        `has the mode ${mode}, the group ${of} may read it, and may call the host on its socket; it should be 0600 or 0400, or of another group that only the host is in`,
      );
    }
    chmodSync(file, 0o600);
    assert.equal(read(file, "given", callers), "CANARY");
    // systemd's credentials
    if (isRoot) chownSync(file, 0, 0);
    chmodSync(file, 0o440);
    if (isRoot) assert.equal(read(file, "given", { ...callers, callers: [0] }), "CANARY");
  });

  test("of another user is not read with any mode", () => {
    const file = secret(join(folder(), "file"));
    if (isRoot) chownSync(file, OTHER, gid);
    const owner = isRoot ? OTHER : uid;
    const self = { ...OWN, uid: OTHER + 1 };
    for (const secrecy of ["own", "given", "public"] as const)
      assert.equal(
        read(file, secrecy, self),
        `belongs to the user with the uid ${owner}, who may write it; give it to root or to the uid ${OTHER + 1} with chown`,
      );
  });

  test("is read through links, unless the host created it", () => {
    const place = folder();
    secret(join(place, "target"));
    symlinkSync("target", join(place, "one"));
    symlinkSync(join(place, "one"), join(place, "two"));
    assert.equal(read(join(place, "two")), "CANARY");
    assert.equal(
      read(join(place, "two"), "own"),
      "is a link, which is not followed here; name the file itself",
    );
  });
});

describe("a folder on the way to a secret", () => {
  const exposed = (path: string, mode: string) =>
    `is in ${path}, whose mode is ${mode}, so others may replace it; chmod go-w ${path}`;

  test("must not be writable by others", () => {
    const place = folder(0o777);
    assert.equal(read(secret(join(place, "file"))), exposed(place, "0777"));
    mkdirSync(join(place, "deep"));
    assert.equal(read(secret(join(place, "deep", "file"))), exposed(place, "0777"));
    for (const secrecy of ["own", "public"] as const)
      assert.equal(read(join(place, "file"), secrecy), exposed(place, "0777"));
  });

  test("must not be writable by a group, not even root's: an ACL shows as the group's bits", () => {
    const place = folder(0o775);
    const file = secret(join(place, "file"), 0o600);
    if (isRoot) chownSync(place, 0, OTHER);
    assert.equal(read(file, "given", { ...OWN, gid: OTHER + 1 }), exposed(place, "0775"));
    if (isRoot) chownSync(place, 0, 0);
    assert.equal(read(file), !isRoot && uid === gid ? "CANARY" : exposed(place, "0775"));
  });

  test("may be writable by the user's own group, if that has no other members", () => {
    const place = folder(0o775);
    const file = secret(join(place, "file"), 0o600);
    if (isRoot) for (const path of [place, file]) chownSync(path, OTHER, OTHER);
    const self = isRoot ? { uid: OTHER, gid: OTHER, groups: [] } : OWN;
    assert.equal(read(file, "given", self), isRoot || uid === gid ? "CANARY" : exposed(place, "0775"));
    // The same group, when it may call the host.
    const callers = [isRoot ? OTHER : gid];
    assert.equal(read(file, "given", { ...self, callers }), exposed(place, "0775"));
  });

  test("may be writable by all users, if only the owner of a file may replace it", () => {
    const place = folder(0o1777);
    assert.equal(read(secret(join(place, "file"))), "CANARY");
  });

  test("is checked at the target of a link", () => {
    const [good, bad] = [folder(), folder(0o777)];
    secret(join(bad, "file"));
    symlinkSync(join(bad, "file"), join(good, "link"));
    assert.equal(read(join(good, "link")), exposed(bad, "0777"));
    symlinkSync(bad, join(good, "way"));
    assert.equal(read(join(good, "way", "file")), exposed(bad, "0777"));
    // The kernel follows the link before "..": the same path must be read and checked.
    secret(join(good, "file"));
    assert.equal(read(`${good}/way/../file`), "CANARY");
  });

  test("that all users may write must not hold a link of another user", () => {
    const place = folder(0o1777);
    const good = folder();
    secret(join(good, "file"));
    symlinkSync(join(good, "file"), join(place, "link"));
    if (isRoot) lchownSync(join(place, "link"), OTHER, gid);
    const self = isRoot ? OWN : { ...OWN, uid: OTHER };
    const result = read(join(place, "link"), "given", self);
    assert.match(
      result,
      isRoot ? /whose mode is 1777, so others may replace it/ : /^belongs to the user with/,
    );
  });
});

describe("the layout", () => {
  test("of a Kubernetes Secret with fsGroup is read", () => {
    const mount = folder(0o1777);
    mkdirSync(join(mount, "..2026_01_01"), { mode: 0o755 });
    secret(join(mount, "..2026_01_01", "token"), 0o440);
    symlinkSync("..2026_01_01", join(mount, "..data"));
    symlinkSync("..data/token", join(mount, "token"));
    assert.equal(read(join(mount, "token")), "CANARY");
    chmodSync(join(mount, "..2026_01_01", "token"), 0o644);
    assert.match(read(join(mount, "token")), /^has the mode 0644, others may have read it/);
    assert.equal(read(join(mount, "token"), "public"), "CANARY");
  });

  test("of systemd's credentials is read", () => {
    const credentials = folder();
    const file = secret(join(credentials, "audit.key"), 0o440);
    chmodSync(credentials, 0o550);
    assert.equal(read(file), "CANARY");
    chmodSync(credentials, 0o750);
  });

  test("of Vault Agent's sink with mode 0640 is read", () => {
    assert.equal(read(secret(join(folder(0o750), "token"), 0o640)), "CANARY");
  });

  test("of podman's secrets is read with a mode of its own, and not with 0444", () => {
    const file = secret(join(folder(), "token"), 0o444);
    assert.match(read(file), /^has the mode 0444, others may have read it/);
    chmodSync(file, 0o400);
    assert.equal(read(file), "CANARY");
  });
});
