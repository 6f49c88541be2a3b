/**
 * The versions below those that Decrypt accepts. Transit does not report when they were created, so their version texts are unknown, but the
 * beginning of their ciphertexts is not.
 */
import { decimal, UnusableVersions, utf8 } from "../../../sdk/assemblyscript/assembly";
import { prefixOf } from "./ciphertext";
import { Place } from "./place";

/** Limits of the contract (docs/ABI.md, section 4). */
const MAX_PREFIXES: u32 = 256;
const MAX_TEXT = 512;

/**
 * @param first the lowest version that Decrypt accepts
 * @param kept the lowest version that the server still has
 */
export function unusableVersions(place: Place, first: u32, kept: u32): UnusableVersions[] {
  const lowest = first > MAX_PREFIXES ? first - MAX_PREFIXES : 1;
  const all: UnusableVersions[] = [];
  if (kept < first) {
    const below = new UnusableVersions(
      `${range(kept, first)} below the min_decryption_version of the key ${place.toString()}, which is ${decimal(first)}`.slice(
        0,
        MAX_TEXT,
      ),
      `To read objects that they encrypted, lower it until these are encrypted again: ${command(place, kept)}`.slice(
        0,
        MAX_TEXT,
      ),
    );
    addPrefixes(below, max(kept, lowest), first);
    all.push(below);
  }
  if (lowest < kept) {
    const trimmed = new UnusableVersions(
      `${range(1, kept)} trimmed from the key ${place.toString()}: its min_available_version is ${decimal(kept)}`.slice(
        0,
        MAX_TEXT,
      ),
      "The server has deleted them: only a backup from before the trim can read objects that they encrypted, one of the key (transit/restore) or one of the server",
    );
    addPrefixes(trimmed, lowest, kept);
    all.push(trimmed);
  }
  return all;
}

/** `end` is not in the range. */
function range(from: u32, end: u32): string {
  return end - from === 1
    ? `version ${decimal(from)} is`
    : `versions ${decimal(from)} to ${decimal(end - 1)} are`;
}

function command(place: Place, version: u32): string {
  const namespace = place.namespace.length > 0 ? `-namespace=${place.namespace} ` : "";
  return `bao write ${namespace}${place.inPolicy("keys")}/config min_decryption_version=${decimal(version)}`;
}

/** The newest first. */
function addPrefixes(group: UnusableVersions, from: u32, end: u32): void {
  for (let number = end - 1; number >= from; number--) {
    group.ciphertext_prefixes.push(utf8(prefixOf(number)));
  }
}
