/** The SDK for Go and the provider of "kleidi provider new" pass their own tests, without WebAssembly. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { scaffold } from "../../host/provider/scaffold.ts";
import { root } from "../support/fixture.ts";

const goTest = (cwd: string) =>
  promisify(execFile)("go", ["test", "./..."], { cwd, env: { ...process.env, GOTOOLCHAIN: "local" } });

test("sdk/go", async () => {
  await goTest(join(root, "sdk", "go"));
});

test("a new provider in Go", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-go-test-"));
  try {
    scaffold(folder, "mine", "go");
    await goTest(join(folder, "mine"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
