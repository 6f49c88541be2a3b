/** Keys from files: a secret access key, or a profile in the credentials file of AWS's tools. */
import { Unreachable } from "../../exchange.ts";
import { readSecret } from "../secret-file.ts";
import type { AwsLogin } from "./grant.ts";
import { keysOf, type Session, secretFault } from "./session.ts";

/** @throws Unreachable naming the file */
export function fromKeys({ accessKeyId, secretAccessKey }: AwsLogin & { source: "keys" }): Session {
  const secret = readSecret(secretAccessKey, secretFault);
  return { keys: { accessKeyId, secretAccessKey: secret }, lifeMs: Number.POSITIVE_INFINITY };
}

/** @throws Unreachable naming the file and the profile */
export function fromProfile({ file, profile = "default" }: AwsLogin & { source: "profile" }): Session {
  const content = readSecret({ file }, profileFault);
  const found = profileIn(content.text(), profile);
  content.wipe();
  const what = `the profile "${profile}" of ${file}`;
  if (found === undefined) throw new Unreachable(`${what} is not there`, "file");
  const [id, secret, token] = ["access_key_id", "secret_access_key", "session_token"].map((name) =>
    found.get(`aws_${name}`),
  );
  return { keys: keysOf(what, id, secret, token, "file"), lifeMs: Number.POSITIVE_INFINITY };
}

/** Lines of printable text. */
export function profileFault(text: string): string | undefined {
  return /^[\t\r\n\x20-\x7e\u00a0-\ufffc]*$/.test(text)
    ? undefined
    : "it has control characters, or is not valid UTF-8";
}

/** The settings of a profile; undefined if it is not there. Its first section counts, as in AWS's tools its last value does. */
function profileIn(text: string, profile: string): ReadonlyMap<string, string> | undefined {
  let found: Map<string, string> | undefined;
  let inside = false;
  for (const line of text.split(/\r?\n/)) {
    const section = /^\s*\[\s*(?:profile\s+)?([^\]]+?)\s*\]/.exec(line)?.[1];
    if (section !== undefined) {
      inside = section === profile;
      if (inside) found ??= new Map();
    } else if (inside && !/^\s*[#;]/.test(line)) {
      const [, name, value] = /^\s*([A-Za-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (name !== undefined && value !== undefined) found?.set(name.toLowerCase(), value);
    }
  }
  return found;
}
