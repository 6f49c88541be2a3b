/**
 * The state of composed keys, which follows from the states of their members after each probe. No provider is asked for it: pins, stable
 * versions and versions that came back are checked for each member.
 */
import { KleidiError, toKleidiError } from "../error.ts";
import { SHARE, systemRandom } from "./composed/cipher.ts";
import { MemberSet } from "./composed/member-set.ts";
import { annotationsOf } from "./composed/wrap.ts";
import { wrapShare } from "./composed-seal.ts";
import type { KeyListener } from "./key-change.ts";
import type { ComposedKey, ComposedVersion, KeyState, Keyset, SimpleKey, SimpleVersion } from "./keyset.ts";
import { worst } from "./members.ts";

/** An RPC waits 2 s for a first probe: an anyOf key is ready before that, without the members that have not answered. */
const START_MS = 1_500;

interface Composition {
  readonly key: ComposedKey;
  readonly set: MemberSet;
  readonly ready: PromiseWithResolvers<void>;
  isReady: boolean;
  /** The members that the key encrypts without, as it was told last. */
  told: string;
}

export class Compositions {
  readonly #keyset: Keyset;
  readonly #options: KeyListener;
  readonly #all: readonly Composition[];
  readonly #unprobed: Set<SimpleKey>;
  /** The wrap of each member's last test. */
  readonly #wraps = new Map<SimpleKey, Uint8Array>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isLate = false;
  /** Evaluations run one after another: each tells a change against the one before. */
  #last: Promise<void> = Promise.resolve();

  constructor(keyset: Keyset, options: KeyListener) {
    this.#keyset = keyset;
    this.#options = options;
    this.#all = keyset.keys.flatMap((key) =>
      key.members === undefined
        ? []
        : [{ key, set: new MemberSet(), ready: Promise.withResolvers<void>(), isReady: false, told: "" }],
    );
    this.#unprobed = new Set(this.#all.flatMap(({ key }) => key.members));
  }

  start(): void {
    if (this.#all.length === 0) return;
    this.#timer = setTimeout(() => {
      this.#isLate = true;
      void this.#evaluate(this.#all);
    }, START_MS);
  }

  /** Resolves every promise of firstProbe. */
  stop(): void {
    clearTimeout(this.#timer);
    for (const { ready } of this.#all) ready.resolve();
  }

  /** @returns a promise that resolves when the key has its first state; undefined if it has one */
  firstProbe(key: ComposedKey): Promise<void> | undefined {
    const found = this.#all.find((each) => each.key === key);
    return found === undefined || found.isReady ? undefined : found.ready.promise;
  }

  /**
   * Tests a member of the active key as that key uses it: wraps a share and reads it back. Part of the member's probe.
   * @throws KleidiError of seal
   */
  async test(member: SimpleVersion): Promise<void> {
    const active = this.#all.find(({ key }) => key.use === "active" && key.members.includes(member.key));
    if (active === undefined) return;
    this.#wraps.set(member.key, await wrapShare(member, systemRandom(SHARE), active.key.name));
  }

  /** Brings the keys of a member up to date. Call it after each probe of a key. */
  async probed(member: SimpleKey): Promise<void> {
    this.#unprobed.delete(member);
    await this.#evaluate(this.#all.filter(({ key }) => key.members.includes(member)));
  }

  #evaluate(compositions: readonly Composition[]): Promise<void> {
    this.#last = this.#last.then(async () => {
      for (const each of compositions) await this.#updateOrFail(each);
    });
    return this.#last;
  }

  /** A fault of the host fails the key, and not the probes of its members. */
  async #updateOrFail(composition: Composition): Promise<void> {
    try {
      await this.#update(composition);
    } catch (error) {
      const { key } = composition;
      this.#keyset.markFailed(key, toKleidiError(error, `find the state of key "${key.name}"`));
    }
  }

  async #update(composition: Composition): Promise<void> {
    const { key, ready } = composition;
    const states = key.members.map((member) => this.#keyset.stateOf(member));
    if (!composition.isReady && !this.#mayBegin(key, states)) return;
    const names = this.#membersOf(composition, states);
    const before = this.#keyset.states().find((state) => state.key === key);
    const failure = failureOf(key, states, names) ?? this.#sizeFault(key, names);
    if (failure === undefined) await this.#markGood(composition, states, names, before);
    else {
      this.#keyset.markFailed(key, failure);
      if (before?.failure?.message !== failure.message) this.#options.onChange({ key, failure });
    }
    composition.isReady = true;
    ready.resolve();
    this.#options.onProbe?.(key, failure === undefined ? "good" : "failed");
  }

  /** An anyOf key waits for all members at the start, for START_MS at most; then for the first one that is good. */
  #mayBegin(key: ComposedKey, states: readonly KeyState<SimpleVersion>[]): boolean {
    if (key.members.every((member) => !this.#unprobed.has(member))) return true;
    return key.mode === "anyOf" && this.#isLate && states.some(isGood);
  }

  #membersOf({ key, set }: Composition, states: readonly KeyState<SimpleVersion>[]): readonly string[] {
    if (key.mode === "allOf") return key.members.map(({ name }) => name);
    return set.next(
      states.map((state) => ({ name: state.key.name, isGood: isGood(state) })),
      performance.now(),
    );
  }

  async #markGood(
    composition: Composition,
    states: readonly KeyState<SimpleVersion>[],
    names: readonly string[],
    before: KeyState | undefined,
  ): Promise<void> {
    const { key } = composition;
    const members = states.flatMap(({ key: { name }, current }) =>
      current !== undefined && names.includes(name) ? [current] : [],
    );
    const current: ComposedVersion = await this.#keyset.compose(key, members);
    const without = key.members.flatMap(({ name }) => (names.includes(name) ? [] : [name]));
    this.#keyset.markGood(current);
    const isSame = before?.failure === undefined && before?.current?.keyId === current.keyId;
    if (isSame && composition.told === without.join()) return;
    composition.told = without.join();
    this.#options.onChange({ key, keyId: current.keyId, without });
  }

  /** The API server would refuse the annotations of an object with these wraps. */
  #sizeFault({ use, members }: ComposedKey, names: readonly string[]): KleidiError | undefined {
    if (use !== "active") return undefined;
    const wraps = members.flatMap((member) =>
      names.includes(member.name) ? [this.#wraps.get(member) ?? new Uint8Array()] : [],
    );
    try {
      annotationsOf(wraps);
      return undefined;
    } catch (error) {
      if (error instanceof KleidiError) return error;
      throw error;
    }
  }
}

function isGood({ current, failure }: KeyState): boolean {
  return current !== undefined && failure === undefined;
}

/** allOf needs all members; anyOf one of those that it encrypts with. */
function failureOf(
  key: ComposedKey,
  states: readonly KeyState<SimpleVersion>[],
  names: readonly string[],
): KleidiError | undefined {
  const needed = names.length === 0 ? states : states.filter((state) => names.includes(state.key.name));
  const failed = needed.filter((state) => !isGood(state));
  if (failed.length === 0 || (key.mode === "anyOf" && failed.length < needed.length)) return undefined;
  return worst(
    failed.map(({ failure }) => failure ?? starting(key)),
    `Cannot use key "${key.name}"`,
    failed.map((state) => state.key.name),
  );
}

function starting({ name }: ComposedKey): KleidiError {
  return new KleidiError(
    "key-not-ready/starting",
    `Cannot use key "${name}": the first health probe of a member is still running`,
  );
}
