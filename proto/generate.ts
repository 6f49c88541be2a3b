/**
 * Generates the TypeScript beside the contracts; with --check, compares it with the existing files.
 * Exit 0: written, or equal. Exit 1: a file differs or the generator failed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const root = join(import.meta.dirname, "..");
const bin = join(root, "node_modules", ".bin");
const generated = ["etcd/v3/etcd_pb.ts", "kms/v2/kms_pb.ts", "provider/v1/provider_pb.ts"];

/** Runs buf with the local plugin only, so that nothing is fetched. */
function generate(out: string): void {
  const template = {
    version: "v2",
    plugins: [{ local: "protoc-gen-es", out, opt: ["target=ts", "import_extension=ts"] }],
  };
  const run = spawnSync(join(bin, "buf"), ["generate", "--template", JSON.stringify(template)], {
    cwd: root,
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    encoding: "utf8",
  });
  if (run.status !== 0) {
    console.error(`Cannot generate the messages: buf exited with ${run.status}\n${run.stderr}`);
    process.exit(1);
  }
}

if (process.argv.includes("--check")) {
  const out = mkdtempSync(join(tmpdir(), "kleidi-proto-"));
  generate(out);
  const stale = generated.filter(
    (file) => readFileSync(join(out, file), "utf8") !== readFileSync(join(root, "proto", file), "utf8"),
  );
  rmSync(out, { recursive: true });
  for (const file of stale) console.error(`proto/${file} does not match its .proto: run "npm run generate"`);
  process.exit(stale.length === 0 ? 0 : 1);
}
generate("proto");
