/** Readers of members of a server's object, each with a default for a member that is absent or of another type. */
import { JsonValue } from "../../../sdk/assemblyscript/assembly";

/** Returns 0 if the member is absent, and more than any number if it is not an integer. */
export function integerOf(data: JsonValue, name: string): i64 {
  const value = data.get(name);
  if (value == null) return 0;
  const number = value.integer();
  return number < 0 ? i64.MAX_VALUE : number;
}

export function isTrue(data: JsonValue, name: string): bool {
  const value = data.get(name);
  return value != null && value.isTrue;
}

export function isFalse(data: JsonValue, name: string): bool {
  const value = data.get(name);
  return value != null && value.isFalse;
}
