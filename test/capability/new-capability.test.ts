/**
 * Adds a capability in a copy of the tree: kleidi:example, which repeats granted words. Only the files that CONTRIBUTING.md lists are
 * added or changed; the configuration, admission, check, the gate and a real provider then support it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";

const root = join(import.meta.dirname, "..", "..");
mkdirSync(join(root, ".tmp"), { recursive: true });
// In the repository's folder, so that each package file can be a link; a provider's process reads only real files.
const copy = mkdtempSync(join(root, ".tmp", "capability-"));
const written: string[] = [];

function write(path: string, text: string): void {
  mkdirSync(dirname(join(copy, path)), { recursive: true });
  writeFileSync(join(copy, path), text);
  written.push(path);
}

function change(path: string, ...edits: readonly (readonly [string, string])[]): void {
  let text = readFileSync(join(copy, path), "utf8");
  for (const [before, after] of edits) {
    assert.ok(text.includes(before), `${path} has no ${JSON.stringify(before)}`);
    text = text.replace(before, after);
  }
  write(path, text);
}

function run(...args: string[]): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync("sh", ["host/kleidi-node", ...args], {
    cwd: copy,
    encoding: "utf8",
  });
  return { status, text: `${stdout}${stderr}` };
}

const kleidi = (...args: string[]) => run("host/main.ts", ...args, "--config", "kleidi.yaml");

before(() => {
  for (const folder of ["docs", "host", "proto", "providers", "sdk"])
    cpSync(join(root, folder), join(copy, folder), { recursive: true });
  for (const file of ["package.json", "buf.yaml"]) linkSync(join(root, file), join(copy, file));
  const linked = spawnSync("cp", ["-al", join(root, "node_modules"), join(copy, "node_modules")]);
  assert.equal(linked.status, 0, String(linked.stderr));
});
after(() => rmSync(copy, { recursive: true, force: true, maxRetries: 3 }));

const CAPABILITY = `/** kleidi:example: repeats words. */
import * as z from "zod";
import { ExampleEchoRequestSchema } from "../../../proto/provider/v1/provider_pb.ts";
import { answer } from "../../host-call.ts";
import { field } from "../../schema/field.ts";
import { rpcs } from "../../schema/rpcs.ts";
import { type Capability, denied, type Opened, type OpenContext } from "../capability.ts";

const REQUESTS = { echo: ExampleEchoRequestSchema };
const SCHEMA = field(
  z
    .strictObject({
      words: field(z.array(field(z.string(), { expected: "a word", meaning: "A word.", example: "hello" })), {
        expected: "a list of words",
        meaning: "The words that the provider may have repeated.",
        example: "[hello]",
      }),
      rpcs: rpcs(),
    })
    .exactOptional(),
  {
    expected: "a mapping with the key words",
    meaning: "Lets the provider have words repeated.",
    example: "{ words: [hello] }",
    absent: "no word",
  },
);
type ExampleGrant = NonNullable<z.output<typeof SCHEMA>>;

export const example = {
  name: "example",
  requests: REQUESTS,
  grant: {
    schema: SCHEMA,
    line: () => "example: { words: [hello] }",
    reach: ({ words }: ExampleGrant) => \`of the words \${words.join(", ")}\`,
  },
  open: (_: OpenContext<ExampleGrant>): Opened<typeof REQUESTS, ExampleGrant> => ({
    requests: REQUESTS,
    decide: {
      echo({ word }, call, { words }) {
        if (!words.includes(word)) return denied(call, \`this word is not one of \${words.length} granted\`);
        return { target: word, perform: () => answer(Buffer.from(word)) };
      },
    },
  }),
} as const satisfies Capability;
`;

/** The teaching provider, which calls echo before it encrypts. */
function addProvider(word: string): string {
  const from = readFileSync(join(root, "examples/first-provider/assembly/index.ts"), "utf8");
  const folder = join(copy, "providers/echo");
  mkdirSync(join(folder, "assembly"), { recursive: true });
  const source = from
    .replace("  concat,\n", "  concat,\n  example,\n")
    .replace(
      "    const key = teachingKey(request.key);\n    if (!key.ok) return failFrom<EncryptReply>",
      `    const said = example.echo("${word}");\n    if (!said.ok) return failFrom<EncryptReply>(said, "have the word repeated");\n    const key = teachingKey(request.key);\n    if (!key.ok) return failFrom<EncryptReply>`,
    );
  assert.notEqual(source, from);
  writeFileSync(join(folder, "assembly/index.ts"), source);
  const manifest = JSON.parse(readFileSync(join(root, "examples/first-provider/provider.json"), "utf8"));
  manifest.capabilities.push({
    capability: "example",
    operations: ["echo"],
    rpcs: ["encrypt"],
    why: "shows a new capability",
  });
  writeFileSync(join(folder, "provider.json"), JSON.stringify(manifest));
  writeFileSync(
    join(folder, "build.ts"),
    `import { buildProvider } from "../../sdk/assemblyscript/build.ts";
await buildProvider({ entry: "providers/echo/assembly/index.ts", manifest: "providers/echo/provider.json", out: "echo.wasm" });\n`,
  );
  const built = run("providers/echo/build.ts");
  assert.equal(built.status, 0, built.text);
  return createHash("sha256")
    .update(readFileSync(join(copy, "echo.wasm")))
    .digest("hex");
}

function configure(sha256: string, grants: string): void {
  const lines = [
    "apiVersion: kleidi.dev/v1",
    "listen: { socket: kms.sock }",
    "providers:",
    `  echo: { module: echo.wasm, sha256: ${sha256}, grants: { ${grants} } }`,
    "keys:",
    "  - { name: kek, provider: echo, use: active }",
  ];
  writeFileSync(join(copy, "kleidi.yaml"), `${lines.join("\n")}\n`);
}

test("a capability consists of one folder, its line in the registry, its message, its specification and its import in the SDK", () => {
  write("host/capabilities/example/capability.ts", CAPABILITY);
  change(
    "host/capabilities/registry.ts",
    [
      'import { crypto } from "./crypto/capability.ts";',
      'import { crypto } from "./crypto/capability.ts";\nimport { example } from "./example/capability.ts";',
    ],
    ["const ALL = [", "const ALL = [example, "],
  );
  change("proto/provider/v1/provider.proto", [
    "message NetRequest {",
    "message ExampleEchoRequest {\n  string word = 1;\n}\n\nmessage NetRequest {",
  ]);
  change("docs/ABI.md", [
    "### `kleidi:net`",
    "### `kleidi:example`\n\n`echo`: the word.\n\n### `kleidi:net`",
  ]);
  change("sdk/assemblyscript/assembly/imports.ts", [
    '@external("kleidi:net", "request")',
    '@external("kleidi:example", "echo")\nexport declare function example_echo(request: u64): u64;\n\n@external("kleidi:net", "request")',
  ]);
  write(
    "sdk/assemblyscript/assembly/example.ts",
    `import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import { example_echo } from "./imports";
import { Writer } from "./protobuf";

export function echo(word: string): HostReply {
  const request = toBlock(new Writer().string(1, word).finish());
  return finish(request, example_echo(request));
}
`,
  );
  change(
    "sdk/assemblyscript/assembly/index.ts",
    [
      'import * as json from "./json";',
      'import * as example from "./example";\nimport * as json from "./json";',
    ],
    ["export { base64,", "export { example, base64,"],
  );
  const generated = run("proto/generate.ts");
  assert.equal(generated.status, 0, generated.text);

  assert.deepEqual(written.toSorted(), [
    "docs/ABI.md",
    "host/capabilities/example/capability.ts",
    "host/capabilities/registry.ts",
    "proto/provider/v1/provider.proto",
    "sdk/assemblyscript/assembly/example.ts",
    "sdk/assemblyscript/assembly/imports.ts",
    "sdk/assemblyscript/assembly/index.ts",
  ]);
});

test("the host of the copy runs a provider that uses the capability, and denies a word that is not granted", () => {
  const granted = addProvider("hello");
  configure(granted, "");
  const ungranted = kleidi("check");
  assert.equal(ungranted.status, 1, ungranted.text);
  assert.match(ungranted.text, /example: \{ words: \[hello\] \}/);

  configure(granted, "example: { words: [hello] }");
  const live = kleidi("check", "--live");
  assert.equal(live.status, 0, live.text);
  assert.match(live.text, /example echo in encrypt, of the words hello/);
  assert.match(live.text, /live kek: Status, Encrypt and Decrypt/);

  configure(granted, "example: { words: [bye] }");
  const denied = kleidi("check", "--live");
  assert.equal(denied.status, 1, denied.text);
  assert.match(denied.text, /kleidi:example echo in encrypt: this word is not one of 1 granted/);

  configure(granted, "example: { phrases: [hello] }");
  assert.match(kleidi("check").text, /grants\.example.*words/);
});
