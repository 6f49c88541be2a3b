/** The SDK for Go and the provider of "kleidi provider new" pass their own tests, without WebAssembly; a panic is reported with its text. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { KNOWN } from "../../host/capabilities/registry.ts";
import { buildProvider } from "../../host/provider/build.ts";
import { scaffold } from "../../host/provider/scaffold.ts";
import { root } from "../support/fixture.ts";
import { reasonOf } from "./reason.ts";

const goTest = (cwd: string) =>
  promisify(execFile)("go", ["test", "./..."], { cwd, env: { ...process.env, GOTOOLCHAIN: "local" } });

const PANICS = `package main

import "provider.example/mine/kleidi"

type provider struct{}

func init() { kleidi.Serve(provider{}) }

func main() {}

func (provider) Status(r *kleidi.Request) (string, error)  { panic("no luck today") }
func (provider) Encrypt(r *kleidi.Request) ([]byte, error) { return r.Input, nil }
func (provider) Decrypt(r *kleidi.Request) ([]byte, error) { return r.Input, nil }
`;
const RANDOM = {
  capability: "crypto",
  operations: ["random"],
  rpcs: ["status", "encrypt", "decrypt"],
  why: "the runtime of Go starts with random numbers",
};

test("a panic is reported with its text, and only with --dev", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-go-test-"));
  try {
    scaffold(folder, "mine", "go");
    const path = join(folder, "mine");
    writeFileSync(join(path, "main.go"), PANICS);
    const manifest = { abi: 1, name: "mine", version: "0.1.0", capabilities: [RANDOM] };
    writeFileSync(join(path, "provider.json"), JSON.stringify(manifest));
    const build = (dev: boolean) => buildProvider({ path, fix: false, dev, known: KNOWN }).out;
    assert.match(await reasonOf(build(true)), /panic: no luck today/);
    assert.match(await reasonOf(build(false)), /RuntimeError: unreachable/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

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
