/** kleidi:keystore: encrypts and decrypts under keys that no guest sees. */
import { type Finding, finding } from "../../finding.ts";
import type { Capability, Footprint, GrantContext, OpenContext } from "../capability.ts";
import { KeyDirectory } from "./directory.ts";
import { GRANT, type KeystoreGrant, type KeystoreSection, namesOf, SECTION, usesOf } from "./grant.ts";
import { fingerprint } from "./key-file.ts";
import { Keystore, REQUESTS } from "./keystore.ts";
import { RULES } from "./rules.ts";

const LISTS = ["keys", "passphrases"] as const;

export const keystore = {
  name: "keystore",
  requests: REQUESTS,
  grant: {
    schema: GRANT,
    line: (names, operations) =>
      // A name is granted for one use only.
      `keystore: { ${operations.includes("s2k") ? "passphrases" : "keys"}: [${names.join(", ")}] }`,
    reach(grant: KeystoreGrant, operations) {
      const uses = usesOf(operations);
      const lists = LISTS.filter((use) => uses.length === 0 || uses.includes(use)).flatMap((use) => {
        const names = grant[use] ?? [];
        return names.length === 0 ? [] : [`${use} ${names.join(", ")}`];
      });
      return `of ${lists.join(" and ")}`;
    },
    missing(grant: KeystoreGrant, operations) {
      const use = usesOf(operations).find((use) => (grant[use] ?? []).length === 0);
      return use && `keystore: { ${use}: […] }`;
    },
  },
  section: SECTION,
  rules: RULES,
  footprint: ({ section }: GrantContext<KeystoreGrant, KeystoreSection>): Footprint =>
    section === undefined ? {} : { writes: [section.directory] },
  load: () => import("@peculiar/webcrypto"),
  async open({ grants, section, log }: OpenContext<KeystoreGrant, KeystoreSection>) {
    if (section === undefined) throw new TypeError("a key is granted, and there is no folder of key files");
    // Loaded only if it is used: it has 70 modules.
    const { Crypto } = await import("@peculiar/webcrypto");
    const directory = new KeyDirectory(section.directory);
    const all = [...grants.values()];
    const fault = directory.tidy(all.flatMap(namesOf));
    if (fault !== undefined)
      log("warn", { err: fault }, "leftovers of an interrupted key init cannot be removed");
    const keystore = new Keystore(new Crypto());
    for (const { keys, passphrases = [] } of all) {
      for (const name of keys) await keystore.add(name, directory.load(name));
      for (const name of passphrases) keystore.addPassphrase(name, directory.load(name));
    }
    return keystore.opened();
  },
  check({ grants, section, pins }: GrantContext<KeystoreGrant, KeystoreSection>) {
    if (section === undefined) return [];
    const directory = new KeyDirectory(section.directory);
    return [...grants.values()].flatMap((grant) => [
      ...grant.keys.map((name) => checkKey(directory, name, pins.get(name))),
      // The version of a key that is made of a passphrase is its provider's own.
      ...(grant.passphrases ?? []).map((name) => checkKey(directory, name)),
    ]);
  },
} as const satisfies Capability;

function checkKey(directory: KeyDirectory, name: string, pin?: string): Finding {
  const subject = `key ${name}`;
  try {
    const bytes = directory.load(name);
    const version = fingerprint(bytes);
    bytes.wipe();
    if (pin !== undefined && pin !== version) return differs(subject, directory.keyPath(name), version, pin);
    return { subject, ok: true, detail: `${directory.keyPath(name)} is intact, fingerprint ${version}` };
  } catch (error) {
    return finding(subject, error);
  }
}

function differs(subject: string, path: string, version: string, pin: string): Finding {
  const detail = `${path} has the fingerprint ${version}, the configuration pins ${pin}`;
  return {
    subject,
    ok: false,
    detail,
    hint: `Restore the key with the pinned fingerprint. If this is the right key, write: version: "${version}"`,
  };
}
