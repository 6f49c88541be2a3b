/** Verifies and runs a release with the commands of docs/releasing.md and the real minisign, tar and sha256sum. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  globSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { requireDebian } from "../../test/support/debian.ts";
import { minisign } from "../../test/support/minisign.ts";
import { Checkout } from "./checkout.ts";

requireDebian(["minisign"]);
const root = join(import.meta.dirname, "..", "..");
const page = readFileSync(join(root, "docs/releasing.md"), "utf8");
const [verifying = "", running = "", , , signing = ""] = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(
  ([, block = ""]) => block,
);
const checkout = new Checkout("checkout");
after(() => checkout.remove());
const keys = checkout.beside("keys");
mkdirSync(keys);
assert.equal(minisign(keys, ["-G", "-W", "-p", "kleidi.pub", "-s", "release.key"]).status, 0);
const key = join(keys, "release.key");
const out = checkout.beside("out");
const made = checkout.release(["--out", out, "--key", key, "--json"]);
assert.equal(made.status, 0, made.stdout + made.stderr);

/** Copies the files of the release, like a download. */
function download(name: string): string {
  const folder = checkout.beside(name);
  mkdirSync(folder);
  for (const file of readdirSync(out)) linkSync(join(out, file), join(folder, file));
  cpSync(join(keys, "kleidi.pub"), join(folder, "kleidi.pub"));
  return folder;
}

const sh = (folder: string, script: string) =>
  spawnSync("sh", ["-ec", script], { cwd: folder, encoding: "utf8" });

test("the release names the key that signed it", () => {
  // minisign omits leading zeros.
  const [, id] = /public key ([0-9A-F]{1,16})$/m.exec(readFileSync(join(keys, "kleidi.pub"), "utf8")) ?? [];
  assert.equal(JSON.parse(made.stdout).signedBy, id?.padStart(16, "0"));
});

test("the page's commands verify the release, and name its commit", () => {
  assert.match(verifying, /^minisign -V .*\nsha256sum --check .*\ntar .*\n.*\ncat .*\n$/);
  const { status, stdout, stderr } = sh(download("verified"), verifying);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^Trusted comment: kleidi-\S+ commit:[0-9a-f]{40} file:SHA256SUMS$/m);
  assert.ok(stdout.endsWith(checkout.git("rev-parse", "HEAD")));
});

test("minisign verifies each module by its own signature", () => {
  const modules = readdirSync(out).filter((name) => name.endsWith(".wasm"));
  assert.equal(modules.length, globSync(join(root, "providers/*/provider.json")).length);
  for (const module of modules)
    assert.equal(minisign(out, ["-V", "-p", join(keys, "kleidi.pub"), "-m", module]).status, 0, module);
});

for (const [what, file] of [
  ["the archive", /\.tar$/],
  ["the bill of materials", /\.cdx\.json$/],
  ["a module", /^local\.wasm$/],
  ["SHA256SUMS", /^SHA256SUMS$/],
  ["the trusted comment", /^SHA256SUMS\.minisig$/],
] as const) {
  test(`the page's commands fail if one byte of ${what} was changed`, () => {
    const folder = download(`changed ${what}`);
    const path = join(folder, readdirSync(folder).find((name) => file.test(name)) ?? "");
    const bytes = readFileSync(path);
    const at = what === "the trusted comment" ? bytes.indexOf("commit:") + 7 : bytes.length >> 1;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    rmSync(path);
    writeFileSync(path, bytes);
    assert.notEqual(sh(folder, verifying).status, 0);
  });
}

describe("the unpacked release", () => {
  const folder = download("unpacked");
  assert.equal(sh(folder, verifying).status, 0);
  const [{ name } = { name: "" }] = readdirSync(folder, { withFileTypes: true }).filter((each) =>
    each.isDirectory(),
  );
  const unpacked = join(folder, name);
  installProduction(unpacked);

  test("runs by the page's commands, without the packages of the tests", () => {
    assert.match(running, /^cd kleidi-\*\/\nnpm ci --omit=dev\n/);
    const { status, stdout, stderr } = sh(folder, running.replace("npm ci --omit=dev\n", ""));
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^\d+\.\d+\.\d+\n/);
  });

  test("creates a key, and check --live encrypts and decrypts with it", () => {
    mkdirSync(join(folder, "keys"), { mode: 0o700 });
    const [sha256] = sh(unpacked, "sha256sum providers/local.wasm").stdout.split(" ");
    const config = {
      apiVersion: "kleidi.dev/v1",
      listen: { socket: "kms.sock" },
      keystore: { directory: "keys" },
      providers: {
        local: {
          module: join(unpacked, "providers/local.wasm"),
          sha256,
          grants: { keystore: { keys: ["kek"] } },
        },
      },
      keys: [{ name: "kek", provider: "local", use: "active" }],
    };
    writeFileSync(join(folder, "kleidi.yaml"), JSON.stringify(config));
    for (const command of ["key init kek", "check --live"]) {
      const run = sh(folder, `'${unpacked}/host/kleidi' ${command} --config kleidi.yaml`);
      assert.equal(run.status, 0, `${command}: ${run.stdout}${run.stderr}`);
    }
  });
});

describe("the packages that run without a build", () => {
  const folder = download("packages");
  const said: { name: string; notRun: string[] } = JSON.parse(made.stdout);
  const unpack = (arch: string, ...members: string[]) => {
    const tree = `${said.name}-linux-${arch}`;
    const paths = members.map((each) => `${tree}/${each}`);
    const { status, stderr } = sh(folder, `tar --extract --gzip --file '${tree}.tar.gz' ${paths.join(" ")}`);
    assert.equal(status, 0, stderr);
    return join(folder, tree);
  };
  const other = process.arch === "x64" ? "arm64" : "x64";
  const packageOf = (arch: string) => `node_modules/node-linux-${arch}`;

  test("are in SHA256SUMS, which the key has signed", () => {
    const archives = ["arm64", "x64"].map((arch) => `${said.name}-linux-${arch}.tar.gz`);
    const sums = readFileSync(join(folder, "SHA256SUMS"), "utf8");
    for (const name of [...archives, `${said.name}.tgz`]) assert.ok(sums.includes(`  ${name}\n`), name);
    assert.deepEqual(said.notRun, [`${said.name}-linux-${other}.tar.gz`]);
  });

  test("run where they are unpacked", () => {
    const { status, stdout, stderr } = sh(unpack(process.arch), "host/kleidi --version");
    assert.equal(status, 0, stderr);
    assert.ok(stdout.includes(checkout.git("rev-parse", "HEAD").trimEnd()), stdout);
  });

  test("contain the bill of materials of the release", () => {
    const name = "kleidi.cdx.json";
    const tree = unpack(process.arch, name);
    assert.ok(readFileSync(join(tree, name)).equals(readFileSync(join(out, `${said.name}.cdx.json`))));
  });

  test("have the other processor's Node, and otherwise the same files", () => {
    const node = `${packageOf(other)}/bin/node`;
    const bytes = readFileSync(join(unpack(other, node), node));
    // e_machine of ELF: EM_X86_64 or EM_AARCH64.
    assert.deepEqual(
      [bytes.toString("latin1", 1, 4), bytes.readUInt16LE(18)],
      ["ELF", other === "x64" ? 62 : 183],
    );
    const [files, others] = [process.arch, other].map((arch) => {
      const { stdout } = sh(folder, `tar --list --gzip --file '${said.name}-linux-${arch}.tar.gz'`);
      return stdout.replaceAll(`linux-${arch}`, "linux-ARCH");
    });
    assert.equal(others, files);
  });
});

describe("a key is refused", () => {
  const refuses = (file: string, says: RegExp) => {
    const { status, stderr } = checkout.release(["--out", checkout.beside("refused"), "--key", file]);
    assert.equal(status, 1, stderr);
    assert.match(stderr, says);
    assert.doesNotMatch(stderr, /RWR|[A-Za-z0-9+/]{40}/);
  };
  const changed = (name: string, change: (bytes: Buffer) => void) => {
    const [comment = "", line = ""] = readFileSync(key, "utf8").split("\n");
    const bytes = Buffer.from(line, "base64");
    change(bytes);
    const path = join(keys, name);
    writeFileSync(path, `${comment}\n${bytes.toString("base64")}\n`, { mode: 0o600 });
    return path;
  };

  test("that others can read", () => {
    const path = changed("open.key", () => {});
    chmodSync(path, 0o644);
    refuses(path, /the key .*open\.key cannot be used: .*0644/);
  });
  test("that is not there", () => refuses(join(keys, "none"), /the key .*none cannot be used/));
  test("that is a public one", () => {
    const path = join(keys, "public.key");
    writeFileSync(path, readFileSync(join(keys, "kleidi.pub")), { mode: 0o600 });
    refuses(path, /it is not a secret key of minisign/);
  });
  test("whose public key does not match the seed", () => {
    refuses(
      changed("damaged.key", (bytes) => bytes.writeUInt8(bytes.readUInt8(70) ^ 1, 70)),
      /it is damaged/,
    );
  });
  test("that has a password, and the page's minisign command signs instead", () => {
    refuses(
      changed("password.key", (bytes) => bytes.write("Sc", 2)),
      /it has a password; run without --key, then "minisign -S -m FILE"/,
    );
    const folder = download("signed by hand");
    for (const name of readdirSync(folder))
      if (name.endsWith(".minisig")) spawnSync("rm", [join(folder, name)]);
    cpSync(key, join(folder, "release.key"));
    assert.equal(sh(folder, signing).status, 0);
    assert.equal(sh(folder, verifying).status, 0);
    assert.equal(minisign(folder, ["-V", "-p", "kleidi.pub", "-m", "local.wasm"]).status, 0);
  });
});

/** Copies the packages that "npm ci --omit=dev" would install from those installed here. */
function installProduction(folder: string): void {
  const lock: { packages: Record<string, { dev?: boolean }> } = JSON.parse(
    readFileSync(join(folder, "package-lock.json"), "utf8"),
  );
  const installed = readdirSync(join(root, "node_modules")).flatMap((name) =>
    name.startsWith("@")
      ? readdirSync(join(root, "node_modules", name)).map((each) => `${name}/${each}`)
      : [name],
  );
  for (const [path, { dev }] of Object.entries(lock.packages)) {
    const name = path.replace(/^node_modules\//, "");
    if (path === "" || dev === true || !installed.includes(name)) continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    symlinkSync(join(root, path), join(folder, path));
  }
}
