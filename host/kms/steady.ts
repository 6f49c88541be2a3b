/**
 * When a key moves to a new version. A KMS of several servers may answer from one that lags behind: if each answer were believed, the
 * key_id would go back and forth, and the API server would rewrite what it has again and again. So a version other than the one that
 * is written with counts only once several probes in a row have named it. Pure; one for each key.
 */
import type { KeyVersions } from "./provider.ts";

export class Steady {
  readonly #probes: number;
  /** Versions that were written with and are not any more: never again, whoever names them. */
  readonly #left = new Set<string>();
  #candidate: string | undefined;
  #seen = 0;

  /** @param probes how many in a row must name a new version, 1 or more */
  constructor(probes: number) {
    this.#probes = probes;
  }

  /**
   * What to go on with after a probe that named these versions. Before a new version counts, it is one that still decrypts: another
   * host may write with it already.
   * @param current the version that is written with; undefined before the first good probe, whose version is taken as it is
   */
  take(named: KeyVersions, current: string | undefined): KeyVersions {
    const { version } = named;
    if (current === undefined || version === current) {
      this.forget();
      return named;
    }
    // It lags behind, or was put back to an earlier state: what is written with goes on as long as it works.
    if (this.#left.has(version)) {
      this.forget();
      return stillWith(current, named);
    }
    this.#seen = version === this.#candidate ? this.#seen + 1 : 1;
    this.#candidate = version;
    if (this.#seen < this.#probes) return stillWith(current, named);
    this.#left.add(current);
    return named;
  }

  /** A probe named nothing: those before it are in no row with the next one. */
  forget(): void {
    this.#candidate = undefined;
    this.#seen = 0;
  }

  /** The version that is on its way, and how many probes have named it. */
  get coming(): { readonly version: string; readonly seen: number } | undefined {
    const version = this.#candidate;
    return version === undefined || this.#seen >= this.#probes ? undefined : { version, seen: this.#seen };
  }
}

/** What was named decrypts, beside the others. */
function stillWith(current: string, { version, olderVersions }: KeyVersions): KeyVersions {
  return { version: current, olderVersions: [version, ...olderVersions.filter((old) => old !== current)] };
}
