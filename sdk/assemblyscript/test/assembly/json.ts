/** For json.test.ts. Exports return 1, and write nothing, if they refuse the input; their output has a byte in front. */
import { base64, concat, JsonObject, JsonValue, json, utf8 } from "../../assembly";
import { readInput, writeOutput } from "../../assembly/extism";

/** Reads the document and writes all of it again. */
export function rewrite(): i32 {
  const document = json.parse(readInput());
  return document === null ? 1 : write(textOf(document));
}

/** The member "a": its digits if it is a number, "text …", or "absent". */
export function memberA(): i32 {
  const document = json.parse(readInput());
  if (document === null) return 1;
  const member = document.get("a");
  if (member === null) return write("absent");
  const text = member.text();
  return write(text === null ? textOf(member) : `text ${text}`);
}

/** Looks up a missing member a hundred times. */
export function lookups(): i32 {
  const document = json.parse(readInput());
  if (document === null) return 1;
  let found = 0;
  for (let i = 0; i < 100; i++) if (document.get("missing") !== null) found++;
  return write(found.toString());
}

/** Calls every reader of the value, whatever its type. */
export function readers(): i32 {
  const value = json.parse(readInput());
  if (value === null) return 1;
  const object = new JsonObject()
    .bool("null", value.isNull)
    .bool("true", value.isTrue)
    .bool("false", value.isFalse)
    .bool("text", value.text() !== null)
    .bool("number", value.number() !== null)
    .bool("member", value.get("a") !== null)
    .bool("members", value.members().next())
    .bool("elements", value.elements().next())
    .text("integer", value.integer().toString());
  return write(object.toString());
}

/** An object with the input as a name and as a value. */
export function object(): i32 {
  const bytes = readInput();
  const text = String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
  writeOutput(new JsonObject().text(text, text).integer("n", 4294967295).bool("b", false).finish());
  return 0;
}

export function encode64(): i32 {
  return write(base64.encode(readInput()));
}

export function decode64(): i32 {
  const bytes = readInput();
  const decoded = base64.decode(String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length));
  if (decoded === null) return 1;
  writeOutput(concat(new Uint8Array(1), decoded));
  return 0;
}

function textOf(value: JsonValue): string {
  if (value.isNull) return "null";
  if (value.isTrue) return "true";
  if (value.isFalse) return "false";
  const text = value.text();
  if (text !== null) return json.quote(text);
  const number = value.number();
  if (number !== null) return number;
  let out = "";
  const members = value.members();
  while (members.next()) {
    out += (out.length > 0 ? "," : "{") + json.quote(members.name) + ":" + textOf(members.value);
  }
  if (out.length > 0) return out + "}";
  const elements = value.elements();
  while (elements.next()) out += (out.length > 0 ? "," : "[") + textOf(elements.value);
  // An empty array and an empty object are indistinguishable here; the test writes both alike.
  return out.length > 0 ? out + "]" : "[]";
}

function write(text: string): i32 {
  writeOutput(utf8(" " + text));
  return 0;
}
