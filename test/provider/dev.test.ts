/** kleidi provider build --dev: the host reports the text and the line of an abort, in the sandbox. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { KNOWN } from "../../host/capabilities/registry.ts";
import { buildProvider } from "../../host/provider/build.ts";
import { scaffold } from "../../host/provider/scaffold.ts";
import { requireDebian } from "../support/debian.ts";
import { reasonOf } from "./reason.ts";

const base = mkdtempSync(join(tmpdir(), "kleidi-dev-test-"));
after(() => rmSync(base, { recursive: true }));
before(() => requireDebian(["clang", "lld"]));

const MANIFEST = (name: string) => JSON.stringify({ abi: 1, name, version: "0.1.0", capabilities: [] });

const C = `#include "kleidi.h"
static kl_reply any(const kl_request *request) {
  (void)request;
  KL_ABORT("no luck today");
}
static kl_reply other(const kl_request *request) { return any(request); }
static kl_reply third(const kl_request *request) { return any(request); }
KL_PROVIDER(any, other, third)
`;
const AS = `import { DecryptReply, DecryptRequest, EncryptReply, EncryptRequest, Provider, StatusReply, StatusRequest, serve } from "./kleidi";
export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "./kleidi";
class Failing extends Provider {
  status(request: StatusRequest): StatusReply {
    assert(request.key.length === 0, "no luck today");
    return new StatusReply("1");
  }
  encrypt(request: EncryptRequest): EncryptReply {
    return new EncryptReply(request.plaintext);
  }
  decrypt(request: DecryptRequest): DecryptReply {
    return new DecryptReply(request.ciphertext);
  }
}
serve(new Failing());
`;

describe("an abort", () => {
  const CASES = [
    ["c", "provider.c", C, /no luck today in provider\.c:4/],
    ["assemblyscript", "assembly/index.ts", AS, /no luck today in assembly\/index\.ts:5:5/],
  ] as const;
  for (const [language, file, source, place] of CASES) {
    test(`in ${language} is reported with its text and line, and only with --dev`, async () => {
      const folder = join(base, language);
      scaffold(base, language, language);
      writeFileSync(join(folder, file), source);
      writeFileSync(join(folder, "provider.json"), MANIFEST(language));
      const built = buildProvider({ path: folder, fix: false, dev: true, known: KNOWN });
      assert.match(await reasonOf(built.out), place);
      const { out } = buildProvider({ path: folder, fix: false, dev: false, known: KNOWN });
      assert.ok(!readFileSync(out).includes("no luck"));
      assert.match(await reasonOf(out), /RuntimeError: unreachable/);
    });
  }
});
