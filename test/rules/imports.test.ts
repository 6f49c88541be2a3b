/**
 * Who may import whom (docs/architecture.md) is written in biome.json. Each case here plants one file with one import in an
 * empty folder beside a copy of biome.json, and sees what the linter says of it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

const root = join(import.meta.dirname, "..", "..");
const biome = join(root, "node_modules", "@biomejs", "cli-linux-x64", "biome");

/** File, then what it imports. */
type Case = readonly [string, string];

const FORBIDDEN: readonly Case[] = [
  // the roots
  ["host/error.ts", "./host-call.ts"],
  ["host/host-call.ts", "./kms/provider.ts"],
  ["host/host-call.ts", "node:fs"],
  ["host/lib/x.ts", "../error.ts"],
  ["host/lib/x.ts", "../kms/limits.ts"],
  ["host/lib/x.ts", "zod"],
  ["host/lib/x.test.ts", "../error.ts"],
  // main → cli
  ["host/main.ts", "./grpc/server.ts"],
  ["host/main.ts", "../sdk/assemblyscript/build.ts"],
  // cli → the rooms
  ["host/cli/x.ts", "../main.ts"],
  ["host/cli/x.ts", "../sandbox/guest/main.mjs"],
  ["host/cli/x.ts", "../broker/../main.ts"],
  ["host/cli/x.ts", "../../providers/build.ts"],
  ["host/cli/x.ts", "../../test/support/fixture.ts"],
  // the rooms do not know each other
  ["host/grpc/x.ts", "../cli/output.ts"],
  ["host/grpc/x.ts", "../sandbox/provider.ts"],
  ["host/grpc/x.ts", "../telemetry/log.ts"],
  ["host/telemetry/x.ts", "../grpc/server.ts"],
  ["host/audit/x.ts", "../kms/limits.ts"],
  ["host/audit/x.ts", "../host-call.ts"],
  ["host/audit/sink/x.ts", "../../host-call.ts"],
  ["host/audit/sink/x.ts", "../../telemetry/log.ts"],
  ["host/config/x.ts", "../kms/limits.ts"],
  ["host/config/x.ts", "../telemetry/log.ts"],
  ["host/sandbox/x.ts", "../broker/gate.ts"],
  ["host/sandbox/x.ts", "../kms/../broker/gate.ts"],
  ["host/sandbox/x.ts", "../../providers/build.ts"],
  ["host/sandbox/wire.mjs", "../error.ts"],
  ["host/sandbox/x.ts", "../inspect/report.ts"],
  ["host/inspect/x.ts", "../sandbox/admission.ts"],
  ["host/inspect/x.ts", "../sandbox/child.ts"],
  ["host/inspect/x.ts", "../sandbox/trust/trust.ts"],
  ["host/inspect/x.ts", "../config/config.ts"],
  ["host/inspect/x.ts", "../sandbox/wasm/../child.ts"],
  ["host/sandbox/trust/x.ts", "../admission.ts"],
  ["host/sandbox/wall/x.ts", "../child.ts"],
  ["host/sandbox/wall/x.ts", "../../config/config.ts"],
  ["host/sandbox/trust/x.ts", "../../config/config.ts"],
  ["host/broker/x.ts", "../sandbox/child.ts"],
  ["host/broker/keystore/x.ts", "../../sandbox/child.ts"],
  ["host/broker/keystore/x.ts", "../log/log.ts"],
  ["host/broker/x.ts", "../../sdk/assemblyscript/build.ts"],
  // what is pure
  ["host/inspect/x.ts", "node:fs"],
  ["host/inspect/x.ts", "../lib/files.ts"],
  ["host/inspect/x.ts", "zod"],
  ["host/kms/x.ts", "node:crypto"],
  ["host/kms/x.ts", "fs"],
  ["host/kms/x.ts", "zod"],
  ["host/kms/x.ts", "../host-call.ts"],
  ["host/kms/x.ts", "../config/config.ts"],
  ["host/broker/policy.ts", "node:fs"],
  ["host/broker/policy.ts", "zod"],
  ["host/broker/policy.ts", "../error.ts"],
  ["host/broker/net/policy.ts", "node:net"],
  ["host/broker/net/x.ts", "./credential/login.ts"],
  ["host/broker/net/credential/x.ts", "../transport.ts"],
  ["host/broker/net/credential/x.ts", "../../../config/config.ts"],
  ["host/broker/net/credential/recipes.ts", "node:fs"],
  ["host/sandbox/wasm/x.ts", "node:crypto"],
  ["host/sandbox/wasm/x.ts", "zod"],
  ["host/sandbox/wasm/x.ts", "../../error.ts"],
  ["host/sandbox/wasm/x.ts", "../admission.ts"],
  // the provider's process
  ["host/sandbox/guest/x.mjs", "../child.ts"],
  ["host/sandbox/guest/x.mjs", "../../error.ts"],
  ["host/sandbox/guest/x.mjs", "../../host-call.ts"],
  ["host/sandbox/guest/x.mjs", "@bufbuild/protobuf"],
  // tests keep the walls of their room
  ["host/sandbox/x.test.ts", "../broker/gate.ts"],
  ["host/broker/keystore/x.test.ts", "../../sandbox/child.ts"],
  ["host/kms/x.test.ts", "../sandbox/provider.ts"],
  ["host/config/x.test.ts", "../kms/limits.ts"],
  ["host/grpc/x.test.ts", "../config/load.ts"],
  ["host/telemetry/x.test.ts", "../main.ts"],
  ["host/audit/x.test.ts", "../config/load.ts"],
  ["host/cli/x.test.ts", "../../sdk/assemblyscript/build.ts"],
  ["host/inspect/x.test.ts", "../config/load.ts"],
];

const ALLOWED: readonly Case[] = [
  ["host/lib/x.ts", "node:fs"],
  ["host/lib/x.ts", "./files.ts"],
  ["host/lib/x.test.ts", "fast-check"],
  ["host/cli/x.ts", "../lib/files.ts"],
  ["host/sandbox/x.ts", "../lib/files.ts"],
  ["host/sandbox/trust/x.ts", "../../lib/files.ts"],
  ["host/broker/x.ts", "../lib/files.ts"],
  ["host/broker/net/x.ts", "../../lib/files.ts"],
  ["host/broker/net/credential/x.ts", "../../../lib/secret-files.ts"],
  ["host/audit/x.ts", "../lib/files.ts"],
  ["host/telemetry/x.ts", "../lib/files.ts"],
  ["host/config/x.ts", "../lib/files.ts"],
  ["host/main.ts", "./cli/serve.ts"],
  ["host/main.ts", "commander"],
  ["host/cli/x.ts", "../broker/keystore/keystore.ts"],
  ["host/cli/x.ts", "../sandbox/supervisor.ts"],
  ["host/grpc/x.ts", "../kms/service.ts"],
  ["host/grpc/x.ts", "../../proto/kms/v2/kms_pb.ts"],
  ["host/telemetry/x.ts", "../error.ts"],
  ["host/audit/x.ts", "../error.ts"],
  ["host/audit/x.ts", "./sink/file.ts"],
  ["host/audit/x.ts", "pino"],
  ["host/audit/sink/x.ts", "../chain.ts"],
  ["host/audit/sink/x.ts", "../../lib/files.ts"],
  ["host/audit/sink/x.ts", "../../error.ts"],
  ["host/cli/x.ts", "../audit/log.ts"],
  ["host/config/x.ts", "../error.ts"],
  ["host/config/x.ts", "yaml"],
  ["host/sandbox/x.ts", "../host-call.ts"],
  ["host/sandbox/x.ts", "../kms/provider.ts"],
  ["host/sandbox/x.ts", "./wire.mjs"],
  ["host/sandbox/x.ts", "./wasm/module.ts"],
  ["host/sandbox/wasm/x.ts", "./reader.ts"],
  ["host/sandbox/wasm/x.test.ts", "../../../test/guests/build.ts"],
  ["host/sandbox/x.ts", "./trust/trust.ts"],
  ["host/sandbox/trust/x.ts", "../../error.ts"],
  ["host/sandbox/x.ts", "./wall/build.ts"],
  ["host/sandbox/wall/x.ts", "../../error.ts"],
  ["host/cli/x.ts", "../sandbox/wall/choose.ts"],
  ["host/cli/x.ts", "../sandbox/trust/trust.ts"],
  ["host/cli/x.ts", "../inspect/report.ts"],
  ["host/inspect/x.ts", "../sandbox/wasm/module.ts"],
  ["host/inspect/x.ts", "../sandbox/manifest.ts"],
  ["host/inspect/x.ts", "node:crypto"],
  ["host/inspect/x.ts", "../lib/text.ts"],
  ["host/inspect/x.test.ts", "../sandbox/admission.ts"],
  ["host/sandbox/guest/x.mjs", "../wire.mjs"],
  ["host/sandbox/guest/x.mjs", "node:crypto"],
  ["host/sandbox/guest/x.mjs", "@extism/extism"],
  ["host/broker/x.ts", "../host-call.ts"],
  ["host/broker/keystore/x.ts", "../gate.ts"],
  ["host/broker/keystore/x.ts", "../../../proto/provider/v1/provider_pb.ts"],
  ["host/broker/net/x.ts", "./credential/credential.ts"],
  ["host/broker/net/credential/x.ts", "../exchange.ts"],
  ["host/broker/policy.ts", "../host-call.ts"],
  ["host/kms/x.ts", "../error.ts"],
  ["host/kms/x.ts", "./limits.ts"],
  ["host/kms/x.test.ts", "node:test"],
  ["host/sandbox/x.test.ts", "../../test/guests/build.ts"],
];

describe("the linter", () => {
  for (const [file, from] of FORBIDDEN) {
    test(`refuses ${from} in ${file}`, () => refuses(file, `import "${from}";\n`));
  }
  for (const [file, from] of ALLOWED) {
    test(`accepts ${from} in ${file}`, () => {
      const { status, said } = lint(file, `import "${from}";\n`);
      assert.equal(status, 0, said);
    });
  }

  const FORMS = {
    "a type": 'import type { Gate } from "../broker/gate.ts";\nexport type Mine = Gate;\n',
    "an export": 'export * from "../broker/gate.ts";\n',
    "a dynamic import": 'export const gate = import("../broker/gate.ts");\n',
  };
  for (const [form, source] of Object.entries(FORMS)) {
    test(`refuses ${form} as it does an import`, () => refuses("host/sandbox/x.ts", source));
  }

  // a new room is without walls until biome.json has a rule for it
  for (const folder of foldersOf("host")) {
    const up = "../".repeat(folder.split("/").length);
    test(`has a rule for ${folder}`, () => {
      refuses(`${folder}/x.ts`, `import "${up}providers/build.ts";\n`);
      refuses(`${folder}/x.ts`, `import "${up}sdk/assemblyscript/build.ts";\n`);
      refuses(`${folder}/x.ts`, `import "${up}host/main.ts";\n`);
    });
  }
});

function refuses(file: string, source: string): void {
  const { status, said } = lint(file, source);
  assert.equal(status, 1, said);
  const rules = [...said.matchAll(/::error title=lint\/([A-Za-z/]+)/g)].map(([, rule]) => rule);
  assert.deepEqual(rules, ["style/noRestrictedImports"], said);
}

function lint(file: string, source: string): { status: number | null; said: string } {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-rules-"));
  try {
    copyFileSync(join(root, "biome.json"), join(folder, "biome.json"));
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), source);
    const args = ["lint", "--error-on-warnings", "--reporter=github", "--colors=off", "."];
    const { status, stdout, stderr } = spawnSync(biome, args, { cwd: folder, encoding: "utf8" });
    return { status, said: `${stdout}${stderr}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function foldersOf(path: string): string[] {
  return readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => [`${path}/${name}`, ...foldersOf(`${path}/${name}`)]);
}
