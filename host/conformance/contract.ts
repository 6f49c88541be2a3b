/** Checks of level 2, section 4: versions, keys, settings, sizes. */
import { randomBytes } from "node:crypto";
import { type Check, eachOf, type Findings } from "./check.ts";
import { notFailure, opensTo } from "./expectation.ts";
import type { FixtureKey } from "./fixture.ts";
import { outcomeText, TESTED } from "./outcome.ts";
import { requestOf, type Sealed, type Subject } from "./subject.ts";

/** Codes of a Decrypt that must fail: the ciphertext is not of this key and version (1), or this version is not usable (2). */
const NOT_OURS_OR_UNUSABLE = [1, 2];
const SIZES = [1, 2, 15, 16, 17, 31, 32, 33, 64, 255, 256, 511, 512];
const NO_VERSION = "kleidi-conformance-no-such-version";

export const CONTRACT_CHECKS: readonly Check[] = [
  { name: "status_is_stable", level: 2, section: "4", run: statusIsStable },
  { name: "plaintext_of_each_size", level: 2, section: "4", run: eachSize },
  { name: "plaintext_of_each_content", level: 2, section: "4", run: eachContent },
  { name: "associated_data_of_each_size", level: 2, section: "4", run: eachAssociatedData },
  { name: "version_is_used_or_refused", level: 2, section: "4", run: versionUsed },
  { name: "decrypt_with_another_version", level: 2, section: "4", run: versionChecked },
  { name: "older_versions_decrypt", level: 2, section: "4", run: olderVersions },
  { name: "another_key_has_another_version", level: 2, section: "4", run: otherVersion },
  { name: "another_key_does_not_decrypt", level: 2, section: "4", run: otherKey },
  { name: "version_of_another_key", level: 2, section: "4", run: versionOfOtherKey },
  { name: "unknown_setting", level: 2, section: "4", should: true, run: unknownSetting },
  { name: "unknown_setting_beside_known_ones", level: 2, section: "4", run: unknownBesideKnown },
  { name: "foreign_format_that_is_unknown", level: 2, section: "4", run: unknownFormat },
  { name: "calls_in_any_order", level: 2, section: "2", run: anyOrder },
];

async function statusIsStable(subject: Subject): Promise<Findings> {
  const replies = await Promise.all([1, 2, 3].map(() => subject.status()));
  const versions = new Set(replies.map(({ version }) => version));
  return versions.size === 1 ? [] : [`three calls of Status gave the versions ${[...versions].join(", ")}`];
}

/** Encrypts and decrypts. */
async function roundTrip(
  subject: Subject,
  given: Partial<Sealed>,
  what: string,
): Promise<string | undefined> {
  const { version } = await subject.good();
  const sealed = await subject.seal({ version, ...given });
  const fault = opensTo(await subject.open(sealed), sealed.plaintext);
  return fault && `Encrypt of ${what} ${fault}`;
}

async function eachSize(subject: Subject): Promise<Findings> {
  return await eachOf(subject, SIZES, (size) =>
    roundTrip(subject, { plaintext: randomBytes(size) }, `${size} bytes`),
  );
}

async function eachContent(subject: Subject): Promise<Findings> {
  const contents: [string, Uint8Array][] = [
    ["32 bytes 00", Buffer.alloc(32)],
    ["32 bytes ff", Buffer.alloc(32, 255)],
    ["every byte once", Uint8Array.from({ length: 256 }, (_, i) => i)],
    ["bytes that are not UTF-8", Buffer.from("c0af80fffe00eda080", "hex")],
    ["text with quotes, a backslash and line ends", Buffer.from('"}\\\r\n\u2028{{plaintext}}</script>')],
  ];
  return await eachOf(subject, contents, ([what, plaintext]) => roundTrip(subject, { plaintext }, what));
}

async function eachAssociatedData(subject: Subject): Promise<Findings> {
  return await eachOf(subject, [1, 16, 63, 64, 65, 256, 400], (size) =>
    roundTrip(
      subject,
      { associatedData: randomBytes(size) },
      `32 bytes with ${size} bytes of associated data`,
    ),
  );
}

/** Versions that Status never named: the first character another one of its kind, and a text that is none. */
function otherVersions(version: string): string[] {
  const first = version.charAt(0);
  const changed = /[0-9]/.test(first) ? (Number(first) + 1) % 10 : first === "a" ? "b" : "a";
  return [`${changed}${version.slice(1)}`, NO_VERSION];
}

/** A guest that ignores the version makes a ciphertext that opens under the active one. */
async function versionUsed(subject: Subject): Promise<Findings> {
  const good = await subject.good();
  const { olderVersions } = await subject.status();
  return await eachOf(subject, [...otherVersions(good.version), ...olderVersions], async (version) => {
    const { key, plaintext, associatedData } = good;
    const request = requestOf("encrypt", key, { version, plaintext, associatedData });
    const outcome = await subject.call("encrypt", request, {}, [plaintext]);
    if (outcome.kind !== "reply") {
      const fault = notFailure(outcome, [2]);
      return fault && `Encrypt with the version ${version} ${fault}`;
    }
    const { ciphertext, annotations } = outcome.reply;
    const sealed = { ...good, ciphertext, annotations };
    if ((await subject.open(sealed)).kind === "reply")
      return `Encrypt with the version ${version} gave a ciphertext of the version ${good.version}`;
    const fault = opensTo(await subject.open(sealed, { version }), plaintext);
    return fault && `Encrypt with the version ${version} ${fault}`;
  });
}

async function versionChecked(subject: Subject): Promise<Findings> {
  const good = await subject.good();
  const { olderVersions } = await subject.status();
  return await eachOf(subject, [...otherVersions(good.version), ...olderVersions], async (version) => {
    const fault = notFailure(await subject.open(good, { version }), NOT_OURS_OR_UNUSABLE);
    return (
      fault && `Decrypt with the version ${version} of a ciphertext of the version ${good.version} ${fault}`
    );
  });
}

/** Encrypt may refuse an older version, with code 2; what it encrypts must open. */
async function olderVersions(subject: Subject): Promise<Findings> {
  const { olderVersions } = await subject.status();
  if (olderVersions.length === 0) return { skipped: "Status lists no older versions" };
  return await eachOf(subject, olderVersions, async (version) => {
    const { plaintext, key } = await subject.good();
    const associatedData = await subject.associatedData(version);
    const outcome = await subject.call(
      "encrypt",
      requestOf("encrypt", key, { version, plaintext, associatedData }),
      {},
      [plaintext],
    );
    if (outcome.kind === "failure" && outcome.code === 2) return undefined;
    if (outcome.kind !== "reply")
      return `Encrypt with the older version ${version} gave ${outcomeText(outcome)}`;
    const sealed = { key, version, plaintext, associatedData, ...outcome.reply };
    const fault = opensTo(await subject.open(sealed), plaintext);
    return fault && `Encrypt with the older version ${version} ${fault}`;
  });
}

type OnOther = (subject: Subject, good: Sealed, other: FixtureKey) => Promise<string | undefined>;

async function onOthers(subject: Subject, tryOther: OnOther): Promise<Findings> {
  const { others } = subject.options;
  if (others.length === 0)
    return { skipped: 'the fixture has no "others": keys that are other ones in the KMS' };
  const good = await subject.good();
  return await eachOf(subject, others, (other) => tryOther(subject, good, other));
}

function otherVersion(subject: Subject): Promise<Findings> {
  return onOthers(subject, async (_, { version }, other) => {
    const found = await subject.status(other);
    return found.version === version
      ? `Status of ${nameOf(other)} gave the same version, ${version}`
      : undefined;
  });
}

function otherKey(subject: Subject): Promise<Findings> {
  return onOthers(subject, async (_, good, other) => {
    const { version } = await subject.status(other);
    // as after an edit of the configuration: the ciphertext and its associated data are as they were
    const outcome = await subject.open({ ...good, key: other, version });
    const fault = notFailure(outcome, NOT_OURS_OR_UNUSABLE);
    return fault && `Decrypt with ${nameOf(other)} of a ciphertext of ${nameOf(good.key)} ${fault}`;
  });
}

function versionOfOtherKey(subject: Subject): Promise<Findings> {
  return onOthers(subject, async (_, good, other) => {
    const { version, plaintext, associatedData } = good;
    const request = requestOf("encrypt", other, { version, plaintext, associatedData });
    const encrypted = notFailure(await subject.call("encrypt", request, {}, [plaintext]), [2]);
    if (encrypted) return `Encrypt with ${nameOf(other)} and the version of ${nameOf(good.key)} ${encrypted}`;
    const fault = notFailure(await subject.open({ ...good, key: other }), NOT_OURS_OR_UNUSABLE);
    return fault && `Decrypt with ${nameOf(other)} and the version of ${nameOf(good.key)} ${fault}`;
  });
}

function nameOf({ key, settings }: FixtureKey): string {
  const texts = Object.entries(settings).map(([name, value]) => `${name}: ${value}`);
  return `the key "${key}"${texts.length === 0 ? "" : ` (${texts.join(", ")})`}`;
}

async function unknownBesideKnown(subject: Subject): Promise<Findings> {
  if (Object.keys(subject.key.settings).length > 0) return await unknownSetting(subject);
  return { skipped: "the key of the fixture has no settings" };
}

async function unknownSetting(subject: Subject): Promise<Findings> {
  const { version, plaintext, associatedData, ciphertext, annotations } = await subject.good();
  const key = { ...subject.key, settings: { ...subject.key.settings, kitUnknown: "1" } };
  return await eachOf(subject, TESTED, async (rpc) => {
    const fields = {
      status: {},
      encrypt: { version, plaintext, associatedData },
      decrypt: { version, ciphertext, associatedData, annotations: [...annotations] },
    };
    const outcome = await subject.call(
      rpc,
      requestOf(rpc, key, fields[rpc]),
      {},
      rpc === "status" ? [] : [plaintext],
    );
    const fault = notFailure(outcome, [2]);
    return fault && `${rpc} with an unknown setting ${fault}`;
  });
}

/** A guest may not know the field; it must not claim the objects of a format that does not exist. */
async function unknownFormat(subject: Subject): Promise<Findings> {
  const request = requestOf("status", subject.key, { foreignFormat: "kleidi-conformance-no-such-format" });
  const outcome = await subject.call("status", request);
  if (outcome.kind === "reply" && outcome.reply.foreignKeyIds.length === 0) return [];
  const fault = notFailure(outcome, [2]);
  return fault === undefined ? [] : [`Status with a foreign format that does not exist ${fault}`];
}

/** Nothing is left from an earlier call: ciphertexts open in another order, beside each other, and with Encrypt in between. */
async function anyOrder(subject: Subject): Promise<Findings> {
  const { version } = await subject.good();
  const sealed = await Promise.all(Array.from({ length: 8 }, () => subject.seal({ version })));
  return await eachOf(subject, [...sealed.toReversed(), ...sealed], async (each) => {
    await subject.seal({ version });
    const fault = opensTo(await subject.open(each), each.plaintext);
    return fault && `Encrypt, among other calls, ${fault}`;
  });
}
