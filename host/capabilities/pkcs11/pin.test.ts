import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ModuleFailure } from "./failure.ts";
import { markRefused, readPin, readPinFile } from "./pin.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-pin-"));
after(() => rmSync(folder, { recursive: true }));

function pinFile(name: string, content: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode });
  return path;
}

function kindOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof ModuleFailure) return error.kind;
    throw error;
  }
  return "none";
}

for (const [what, content] of [
  ["no line end", "1234"],
  ["a line end", "1234\n"],
  ["a line end of Windows", "1234\r\n"],
] as const) {
  test(`readPinFile reads a PIN with ${what}`, () => {
    assert.equal(readPinFile(pinFile("good", content)).text(), "1234");
  });
}

for (const [what, content, mode] of [
  ["nothing in it", "\n", 0o600],
  ["several lines", "1234\n5678\n", 0o600],
  ["256 bytes", "1".repeat(256), 0o600],
  ["a mode that lets others read it", "1234", 0o644],
] as const) {
  test(`readPinFile refuses a file with ${what}`, () => {
    assert.equal(
      kindOf(() => readPinFile(pinFile(`bad-${mode}-${content.length}`, content, mode))),
      "pin-file",
    );
  });
}

test("the fault of a PIN file does not contain the PIN", () => {
  const path = pinFile("lines", "secret-1\nsecret-2\n");
  assert.throws(
    () => readPinFile(path),
    (error: Error) => !error.message.includes("secret"),
  );
});

test("a PIN that a token refused is offered to another token, and again after its file changed", () => {
  const path = pinFile("refused", "1234");
  markRefused(readPin(path, "module\0one"));
  assert.equal(
    kindOf(() => readPin(path, "module\0one")),
    "pin-refused",
  );
  assert.equal(readPin(path, "module\0two").secret.text(), "1234");
  utimesSync(path, 1, 1);
  assert.equal(readPin(path, "module\0one").secret.text(), "1234");
  markRefused(readPin(path, "module\0one"));
  writeFileSync(path, "5678");
  assert.equal(readPin(path, "module\0one").secret.text(), "5678");
});
