/** Builds and calls the provider of README.md, so that the page cannot drift from the SDK. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as pb from "../../proto/provider/v1/provider_pb.ts";
import { buildProvider } from "./build.ts";
import { StandIn } from "./stand-in.ts";

/** As deep as providers/mine, so that the page's import path is valid here too. */
const FOLDER = resolve(import.meta.dirname, "../../.tmp/readme");

test("the README's provider builds, and decrypts its own ciphertext", async () => {
  const page = await readFile(join(import.meta.dirname, "README.md"), "utf8");
  const block = (language: string) =>
    page.split(`\`\`\`${language}\n`)[1]?.split("```")[0] ?? assert.fail(language);
  await mkdir(join(FOLDER, "assembly"), { recursive: true });
  const [entry, manifest] = [join(FOLDER, "assembly/index.ts"), join(FOLDER, "provider.json")];
  await writeFile(manifest, block("json"));
  await writeFile(entry, block("ts"));
  const out = join(FOLDER, "mine.wasm");
  await buildProvider({ entry, manifest, out });

  const module = new WebAssembly.Module(await readFile(out));
  const fields = { key: "kek", version: "v1", plaintext: new Uint8Array([7]) };
  const request = toBinary(pb.EncryptRequestSchema, create(pb.EncryptRequestSchema, fields));
  const seal = new StandIn(module, { "keystore.seal": () => new Uint8Array([1, 2]) });
  const { output } = seal.call("kleidi_encrypt", request);
  const reply = fromBinary(pb.EncryptReplySchema, output ?? assert.fail("no reply"));
  assert.deepEqual(reply.ciphertext, new Uint8Array([1, 2]));
});
