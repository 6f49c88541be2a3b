/** Status: checks Transit's description of a key, and reads the versions from it. */
import {
  decimal,
  FailureCode,
  fail,
  failed,
  JsonValue,
  parseDecimal,
  StatusReply,
} from "../../../sdk/assemblyscript/assembly";
import { unusableVersions } from "./archived";
import { integerOf, isFalse, isTrue } from "./members";
import { Place } from "./place";
import { idOf, versionText } from "./version";

/** Limits of the contract (docs/ABI.md, section 4). */
const MAX_OLDER: u32 = 256;

/** `data` is that of `GET keys/KEY`. */
export function statusOf(data: JsonValue, place: Place): StatusReply {
  const unusable = whyUnusable(data, place);
  if (unusable.length > 0) {
    return fail<StatusReply>(FailureCode.KEY_UNUSABLE, `Cannot use the key ${place.toString()}: ${unusable}`);
  }
  const number = integerOf(data, "latest_version");
  const kept = max(integerOf(data, "min_available_version"), 1);
  const first = max(integerOf(data, "min_decryption_version"), kept);
  const encryption = integerOf(data, "min_encryption_version");
  if (
    number < 1 ||
    number > (u32.MAX_VALUE as i64) ||
    first > number ||
    encryption > number ||
    encryption < 0
  ) {
    return strange(
      place,
      `its versions make no sense: "latest_version" and the "min_…_version"s do not fit together`,
    );
  }
  const id = idOf(place);
  if (id.length === 0) return failed<StatusReply>();
  const reply = versions(data, place, number as u32, first as u32, id);
  reply.unusable = unusableVersions(place, first as u32, kept as u32);
  return reply;
}

/** Returns "" if the key is of a usable kind, else the reason. A member is absent if the server does not know it. */
function whyUnusable(data: JsonValue, place: Place): string {
  const name = data.textOf("name");
  if (name !== place.key) return `the server described another key, "${name.slice(0, 64)}"`;
  const type = data.textOf("type");
  if (
    type !== "aes256-gcm96" &&
    type !== "aes128-gcm96" &&
    type !== "chacha20-poly1305" &&
    type !== "xchacha20-poly1305"
  ) {
    return `its type is "${type.slice(0, 64)}", which binds no associated data; create a key of type aes256-gcm96`;
  }
  if (isTrue(data, "derived"))
    return "it is derived, which needs a context for each use; create a key that is not derived";
  if (isTrue(data, "convergent_encryption"))
    return "it is convergent: equal plaintexts give equal ciphertexts; create a key that is not convergent";
  if (isTrue(data, "soft_deleted")) return "it is soft-deleted; restore it (keys/KEY/soft-delete-restore)";
  if (isFalse(data, "supports_encryption")) return "it cannot encrypt (supports_encryption is false)";
  if (isFalse(data, "supports_decryption")) return "it cannot decrypt (supports_decryption is false)";
  return "";
}

/** Returns the latest version, and the older ones that Decrypt still accepts, the newest first. */
function versions(data: JsonValue, place: Place, latest: u32, first: u32, id: string): StatusReply {
  const older = min(latest - first, MAX_OLDER);
  // The latest version is at 0; older ones follow.
  const created = new Array<string>(older + 1).fill("");
  const keys = data.get("keys");
  if (keys == null) return strange(place, `it has no "keys"`);
  const items = keys.members();
  while (items.next()) {
    const number = parseDecimal(items.name);
    const time = items.value;
    if (number === 0 || number > latest)
      return strange(place, `"keys" has a name that is not a version from 1 to ${decimal(latest)}`);
    const index = latest - number;
    if (index > older) continue;
    if (created[index].length > 0) return strange(place, `"keys" has version ${decimal(number)} twice`);
    const digits = unixTime(time);
    if (digits.length === 0) return strange(place, `version ${decimal(number)} has no Unix time`);
    created[index] = digits;
  }
  const reply = new StatusReply();
  for (let index: u32 = 0; index <= older; index++) {
    if (created[index].length === 0) return strange(place, `"keys" lacks version ${decimal(latest - index)}`);
    const version = versionText(latest - index, created[index], id);
    if (index === 0) reply.version = version;
    else reply.older_versions.push(version);
  }
  return reply;
}

function strange(place: Place, what: string): StatusReply {
  const message = `Cannot understand the description of the key ${place.toString()}: ${what}; is the grant's origin a Vault or OpenBao?`;
  return fail<StatusReply>(FailureCode.FAULT, message);
}

/** Returns its digits as the server wrote them; "" if it is not a number. */
function unixTime(value: JsonValue): string {
  if (value.integer() < 0) return "";
  const digits = value.number();
  return digits == null ? "" : digits;
}
