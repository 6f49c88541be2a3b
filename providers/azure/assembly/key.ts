/** Status: checks the description of a key, and reads its versions from the list. */
import { FailureCode, fail, failed, JsonValue, log, StatusReply } from "../../../sdk/assemblyscript/assembly";
import { read } from "./ask";
import { KeyName } from "./name";

/** The most that a vault lists at once. Another page has a query that no line of a grant can name. */
const MOST = "&maxresults=25";

/** `document`: of the latest version. */
export function statusOf(name: KeyName, document: JsonValue): StatusReply {
  const key = document.get("key");
  const id = key == null ? "" : name.idIn(key.textOf("kid"));
  if (key == null || id.length === 0) return strange(name, "the vault described another key");
  const type = key.textOf("kty");
  const kind = type === "RSA" || type === "RSA-HSM" ? "rsa" : type === "oct-HSM" ? "aes" : "";
  if (kind.length === 0) {
    return unusable(
      name,
      `its type is "${type.slice(0, 32)}"; create one of type RSA or RSA-HSM, or in a Managed HSM oct-HSM of 256 bits`,
    );
  }
  if (!allows(key, "wrapKey") || !allows(key, "unwrapKey")) {
    return unusable(
      name,
      `its operations have no wrapKey and unwrapKey; add them: az keyvault key set-attributes --ops wrapKey unwrapKey --name ${name.text}`,
    );
  }
  const enabled = attributeOf(document, "enabled");
  if (enabled == null || !enabled.isTrue) {
    return unusable(
      name,
      `its latest version is disabled; enable it: az keyvault key set-attributes --enabled true --name ${name.text}`,
    );
  }
  const list = read(name, name.path("/versions", MOST));
  if (list == null) return failed<StatusReply>();
  return versionsOf(name, kind, id, list);
}

/** The latest version, and the others in the list, the newest first. */
function versionsOf(name: KeyName, kind: string, latest: string, list: JsonValue): StatusReply {
  const reply = new StatusReply(kind + "." + latest);
  const value = list.get("value");
  if (value == null) return strange(name, "the list of its versions has no value");
  const times: i64[] = [];
  const items = value.elements();
  while (items.next()) {
    const id = name.idIn(items.value.textOf("kid"));
    const created = attributeOf(items.value, "created");
    const time: i64 = created == null ? -1 : created.integer();
    if (id.length === 0 || time < 0)
      return strange(name, "the list of its versions has one without a name or a time");
    if (id === latest) continue;
    let at = times.length;
    while (at > 0 && times[at - 1] < time) at--;
    insert<i64>(times, at, time);
    insert<string>(reply.older_versions, at, kind + "." + id);
  }
  const more = list.get("nextLink");
  if (more != null && !more.isNull) {
    log.warn(
      `the key ${name.toString()} has more versions than the 25 that the vault lists at once; objects under the others cannot be read`,
    );
  }
  return reply;
}

function attributeOf(document: JsonValue, name: string): JsonValue | null {
  const attributes = document.get("attributes");
  return attributes == null ? null : attributes.get(name);
}

function insert<T>(all: T[], at: i32, value: T): void {
  all.push(value);
  for (let i = all.length - 1; i > at; i--) {
    all[i] = all[i - 1];
    all[i - 1] = value;
  }
}

function allows(key: JsonValue, operation: string): bool {
  const operations = key.get("key_ops");
  if (operations == null) return false;
  const items = operations.elements();
  while (items.next()) {
    const text = items.value.text();
    if (text != null && text == operation) return true;
  }
  return false;
}

function unusable(name: KeyName, what: string): StatusReply {
  return fail<StatusReply>(FailureCode.KEY_UNUSABLE, `Cannot use the key ${name.toString()}: ${what}`);
}

function strange(name: KeyName, what: string): StatusReply {
  return fail<StatusReply>(
    FailureCode.FAULT,
    `Cannot read the key ${name.toString()}: ${what}; is the grant's origin a vault?`,
  );
}
