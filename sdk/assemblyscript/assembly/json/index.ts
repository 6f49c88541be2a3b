/** JSON for guests: a strict reader that no input makes trap, and a writer. No transform of the compiler, no function pointers. */
export { JsonItems, JsonValue, parse } from "./value";
export { JsonObject, quote } from "./write";
