/**
 * Decides which key version to encrypt with. A replicated KMS can answer from a replica that lags; switching on every answer would make
 * the key_id flip-flop and the API server rewrite its objects each time. A new version is adopted only after `stableProbes` consecutive
 * probes report it, and a retired version is never adopted again. Pure; one instance per key.
 */
import type { KeyVersions } from "./provider.ts";

export class VersionStabilizer {
  readonly #stableProbes: number;
  /** Versions that were active once. Never adopted again, even if the KMS reports them. */
  readonly #retired: Set<string>;
  #candidate: string | undefined;
  #probes = 0;

  /**
   * @param stableProbes the number of consecutive probes that must report a new version, at least 1
   * @param former of the same key; its retired versions stay retired
   */
  constructor(stableProbes: number, former?: VersionStabilizer) {
    this.#stableProbes = stableProbes;
    this.#retired = new Set(former === undefined ? [] : former.#retired);
  }

  /**
   * Returns the versions to use after a probe. A new version that is not adopted yet is listed as an older one: another host may already
   * encrypt with it, so it must decrypt.
   * @param reported versions from the latest probe
   * @param active the version in use; undefined before the first successful probe, whose version is adopted at once
   * @returns the version to encrypt with, and all other versions that decrypt
   * @example new VersionStabilizer(3).next({ version: "2", olderVersions: [] }, "1") // { version: "1", olderVersions: ["2"] }
   */
  next(reported: KeyVersions, active: string | undefined): KeyVersions {
    const { version } = reported;
    if (active === undefined || version === active) {
      this.reset();
      return reported;
    }
    // The replica lags, or the KMS was restored from a backup: keep the active version as long as it works.
    if (this.#retired.has(version)) {
      this.reset();
      return keepActive(active, reported);
    }
    this.#probes = version === this.#candidate ? this.#probes + 1 : 1;
    this.#candidate = version;
    if (this.#probes < this.#stableProbes) return keepActive(active, reported);
    this.#retired.add(active);
    return reported;
  }

  /** Restarts the count of consecutive probes. Call it after a probe that failed. */
  reset(): void {
    this.#candidate = undefined;
    this.#probes = 0;
  }

  /** The version waiting to be adopted, with the number of consecutive probes that reported it. */
  get pending(): { readonly version: string; readonly probes: number } | undefined {
    const version = this.#candidate;
    if (version === undefined || this.#probes >= this.#stableProbes) return undefined;
    return { version, probes: this.#probes };
  }
}

/** Keeps the active version; the reported one decrypts, beside the older ones. */
function keepActive(active: string, { version, olderVersions }: KeyVersions): KeyVersions {
  return { version: active, olderVersions: [version, ...olderVersions.filter((old) => old !== active)] };
}
