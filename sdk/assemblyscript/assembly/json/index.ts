/** JSON for guests: a strict reader, which no input makes trap, and a writer. Without compiler transforms and function pointers. */
export { JsonItems, JsonValue, parse } from "./value";
export { JsonObject, quote } from "./write";
