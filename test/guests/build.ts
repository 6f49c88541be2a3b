/** Builds the guests of the tests: partly well-behaved, partly hostile. They are never shipped. */
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import wabt from "wabt";
import { buildProvider, readManifest, writeModule } from "../../sdk/assemblyscript/build.ts";
import { isFresh } from "../../sdk/assemblyscript/fresh.ts";
import { withSection } from "../../sdk/assemblyscript/section.ts";

const OUT = resolve(import.meta.dirname, "../../.tmp/guests");
const SECTION = "kleidi.provider";

/** Folders with assembly/index.ts and provider.json. */
const ASSEMBLYSCRIPT = ["misbehave", "crypto", "gossip", "net-raw", "tpm-raw"] as const;

/** The manifest sections of the module, derived from the good manifest. */
type Manifests = (good: string) => string[];

const GOOD: Manifests = (good) => [good];

/** Name, source in wat/, and the manifests. */
const WAT = {
  "start-calls-host": ["start-calls-host", GOOD],
  "start-loop": ["start-loop", (good) => [withoutCapabilities(good)]],
  "no-exports": ["no-exports", (good) => [withoutCapabilities(good)]],
  "imports-wasi": ["imports-wasi", (good) => [withoutCapabilities(good)]],
  "imports-http": ["imports-http", (good) => [withoutCapabilities(good)]],
  "no-manifest": ["plain", () => []],
  "two-manifests": ["plain", (good) => [withoutCapabilities(good), withoutCapabilities(good)]],
  "bad-manifest": ["plain", () => ['{"abi":1,']],
  "wrong-abi": ["plain", (good) => [withoutCapabilities(good).replace('"abi":1', '"abi":2')]],
} as const satisfies Record<string, readonly [string, Manifests]>;

export type GuestName = (typeof ASSEMBLYSCRIPT)[number] | keyof typeof WAT;

/** Builds guests that are older than their sources. @returns the path of each guest's .wasm under .tmp/guests */
export async function buildGuests(): Promise<Record<GuestName, string>> {
  const paths: Partial<Record<GuestName, string>> = {};
  for (const name of ASSEMBLYSCRIPT) paths[name] = await buildAssemblyScript(name);
  for (const name of Object.keys(WAT) as (keyof typeof WAT)[]) paths[name] = await buildWat(name);
  return paths as Record<GuestName, string>;
}

async function buildAssemblyScript(name: string): Promise<string> {
  const folder = join(import.meta.dirname, name);
  const out = join(OUT, `${name}.wasm`);
  if (!(await isFresh(out, [folder]))) {
    await buildProvider({
      entry: join(folder, "assembly/index.ts"),
      manifest: join(folder, "provider.json"),
      out,
    });
  }
  return out;
}

async function buildWat(name: keyof typeof WAT): Promise<string> {
  const folder = join(import.meta.dirname, "wat");
  const out = join(OUT, `${name}.wasm`);
  if (await isFresh(out, [folder, import.meta.filename])) return out;
  const [source, manifests] = WAT[name];
  const file = join(folder, `${source}.wat`);
  const parsed = (await wabt()).parseWat(file, await readFile(file, "utf8"));
  let module: Uint8Array = parsed.toBinary({}).buffer;
  parsed.destroy();
  const good = new TextDecoder().decode(await readManifest(join(folder, "provider.json")));
  for (const manifest of manifests(good)) {
    module = withSection(module, SECTION, new TextEncoder().encode(manifest));
  }
  await writeModule(out, module);
  return out;
}

function withoutCapabilities(manifest: string): string {
  return JSON.stringify({ ...JSON.parse(manifest), capabilities: [] });
}

if (import.meta.main) {
  for (const [name, path] of Object.entries(await buildGuests())) console.log(`${name.padEnd(18)} ${path}`);
}
