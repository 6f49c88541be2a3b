/** The published digests match a build of these sources, in any folder and environment. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildAll, DIGESTS, digestsOf } from "./build.ts";

const root = join(import.meta.dirname, "..");
const REMEDY = "after a change of a provider: npm run build -- --digests";

test("SHA256SUMS has the digests of the modules built here", async () => {
  assert.equal(readFileSync(DIGESTS, "utf8"), digestsOf(await buildAll()), REMEDY);
});

test("a build in another folder, with another umask, locale and time zone, gives the same bytes", (t) => {
  const elsewhere = join(mkdtempSync(join(tmpdir(), "kleidi-build-")), "a folder, ü");
  t.after(() => rmSync(join(elsewhere, ".."), { recursive: true }));
  mkdirSync(elsewhere);
  for (const part of ["sdk", "providers", "package.json", "package-lock.json"])
    cpSync(join(root, part), join(elsewhere, part), {
      recursive: true,
      filter: (path) => !path.endsWith(".wasm"),
    });
  symlinkSync(join(root, "node_modules"), join(elsewhere, "node_modules"));
  const { status, stdout, stderr } = spawnSync(
    "sh",
    ["-c", 'umask 0077; exec "$0" providers/build.ts', process.execPath],
    {
      cwd: elsewhere,
      encoding: "utf8",
      env: { PATH: process.env.PATH, LC_ALL: "tr_TR.UTF-8", LANG: "tr_TR.UTF-8", TZ: "Pacific/Kiritimati" },
    },
  );
  assert.equal(status, 0, `${stdout}${stderr}`);
  for (const line of readFileSync(DIGESTS, "utf8").trimEnd().split("\n")) {
    const [sha256 = "", file = ""] = line.split("  ");
    assert.ok(stdout.includes(sha256), file);
  }
});
