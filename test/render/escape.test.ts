/** Each value of a configuration stays exactly one value in a rendered file. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import { inputOf } from "../../host/cli/render.ts";
import { KleidiError } from "../../host/error.ts";
import { podArgument, shellWord, unitArgument, unitWord, yaml } from "../../host/render/escape.ts";
import { renderStaticPod } from "../../host/render/static-pod.ts";
import { renderSystemd } from "../../host/render/systemd.ts";
import { local, localPod } from "./configurations.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-escape-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const ODD = [
  "a: b",
  "yes",
  "0o17",
  "1:20",
  "1e3",
  "~",
  "# x",
  "- x",
  "a\nb: c",
  "a\u2028b: c",
  "a\u0085b: c",
  "\u{1f511}",
  "*x",
  "&x",
  "!x",
  "%x",
  "@x",
  "`x",
];

test("YAML keeps every text, in ASCII, for parsers of 1.1 and 1.2", () => {
  const texts = fc.oneof(
    fc.constantFrom(...ODD),
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const written = yaml({ text, list: [text] });
      assert.match(written, /^[\x20-\x7e\n]*$/);
      for (const version of ["1.1", "1.2"] as const)
        assert.deepEqual(parse(written, { version }), { text, list: [text] });
    }),
  );
});

test("a shell reads the text as one word", () => {
  const odd = ["a b", "a'b", "$(reboot)", "`reboot`", "a;b", "a\nb", '"', "\\", "*", "~", "-n", ""];
  const script = odd.map((text) => `printf '%s\\0' ${shellWord(text)}`).join("\n");
  const { stdout } = spawnSync("sh", ["-c", script], { encoding: "utf8", cwd: folder });
  assert.equal(stdout, odd.map((text) => `${text}\0`).join(""));
});

test("a word of a unit is one line, quoted if it has spaces; specifiers and variables are escaped", () => {
  assert.equal(unitWord("/a/%n b"), '"/a/%%n b"');
  assert.equal(unitArgument("/a/$HOME;%t"), '"/a/$$HOME;%%t"');
  for (const odd of ["/a\nUser=root", "/a\rb", '/a"b', "/a'b", "/a\\x0ab", "/\u2028", "/é", ""])
    assert.throws(() => unitWord(odd), RangeError);
});

test("a container's argument keeps its dollars", () =>
  assert.equal(podArgument("/$(HOME)/$$"), "/$$(HOME)/$$$$"));

const HOSTILE = [
  "/var/lib/kleidi/x\nExecStartPre=/bin/false",
  "/var/lib/kleidi/x\n    hostPID: true",
  "/var/lib/kleidi/x\u2028hostPID: true",
  '/var/lib/kleidi/x" /etc',
  "/var/lib/kleidi/x\\nUser=root",
  "/var/lib/kleidi/x' 'y",
  "/var/lib/kleidi/$(HOME) %n ;: #x",
];
for (const path of HOSTILE) {
  const withKeys = (text: string) => {
    const file = join(folder, "kleidi.yaml");
    writeFileSync(
      file,
      text.replace("/var/lib/kleidi/keys", () => JSON.stringify(path)),
    );
    return inputOf(file, "/etc/kleidi/kleidi.yaml");
  };

  test(`the folder ${JSON.stringify(path)} adds nothing to a unit`, () => {
    const keysOf = (text: string) =>
      text.split("\n").map((line) => line.replace(/=.*|(?<=^# kleidi.dev\/config-sha256: ).*/, ""));
    const unitOf = (input: Parameters<typeof renderSystemd>[0]) =>
      renderSystemd(input, { program: "/k" }).files.map(({ text }) => text);
    const plain = join(folder, "plain.yaml");
    writeFileSync(plain, local);
    const rendered = orRefusal(() => unitOf(withKeys(local)));
    const expected = unitOf(inputOf(plain, "/etc/kleidi/kleidi.yaml"));
    if (rendered !== undefined)
      assert.deepEqual(
        rendered.map((text) => keysOf(text).length),
        expected.map((text) => keysOf(text).length),
      );
    if (rendered !== undefined) assert.deepEqual(keysOf(rendered[2] ?? ""), keysOf(expected[2] ?? ""));
  });

  test(`the folder ${JSON.stringify(path)} is one path of a manifest, or none`, () => {
    const rendered = orRefusal(() => renderStaticPod(withKeys(localPod), { image: "k" }).files.at(-1)?.text);
    if (rendered === undefined) return;
    const { spec } = parse(rendered, { version: "1.1" });
    assert.equal(spec.hostPID, undefined);
    assert.ok(spec.volumes.some(({ hostPath }: { hostPath: { path: string } }) => hostPath.path === path));
  });
}

function orRefusal<T>(render: () => T): T | undefined {
  try {
    return render();
  } catch (error) {
    if (error instanceof KleidiError && error.code === "render-refused") return undefined;
    throw error;
  }
}
