import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { failure, ModuleFailure } from "./failure.ts";
import { noteLogin, readPin, readPinFile } from "./pin.ts";

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
  noteLogin(readPin(path, "module\0one"), failure("pin-refused"));
  assert.equal(
    kindOf(() => readPin(path, "module\0one")),
    "pin-refused",
  );
  assert.equal(readPin(path, "module\0two").secret.text(), "1234");
  utimesSync(path, 1, 1);
  assert.equal(readPin(path, "module\0one").secret.text(), "1234");
  noteLogin(readPin(path, "module\0one"), failure("pin-refused"));
  writeFileSync(path, "5678");
  assert.equal(readPin(path, "module\0one").secret.text(), "5678");
});

test("logins that fail for a reason that may be the PIN are not made more than three times in a row", () => {
  const path = pinFile("suspected", "1234");
  for (let i = 0; i < 3; i++) {
    const pin = readPin(path, "module token");
    assert.equal(pin.hasFailed, i > 0);
    noteLogin(
      pin,
      new ModuleFailure("call", "C_Login returned CKR_GENERAL_ERROR", { call: "C_Login", rv: 5 }),
    );
  }
  assert.equal(
    kindOf(() => readPin(path, "module token")),
    "pin-suspected",
  );
  utimesSync(path, 1, 1);
  assert.equal(readPin(path, "module token").hasFailed, false);
});

test("a token that is out of reach does not make its PIN suspect, and a good login clears it", () => {
  const path = pinFile("reach", "1234");
  for (let i = 0; i < 5; i++)
    noteLogin(
      readPin(path, "module token"),
      new ModuleFailure("call", "C_Login returned CKR_DEVICE_ERROR", { call: "C_Login", rv: 0x30 }),
    );
  noteLogin(readPin(path, "module token"), failure("late"));
  assert.equal(readPin(path, "module token").hasFailed, true);
  noteLogin(readPin(path, "module token"));
  assert.equal(readPin(path, "module token").hasFailed, false);
});
