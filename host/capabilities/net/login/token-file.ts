/** A credential that another program keeps in a file: the token is the current content. */
import { type Credential, type Lease, Unreachable } from "../exchange.ts";
import type { CredentialLimit } from "./limits.ts";
import { readSecret, stampOf } from "./secret-file.ts";
import { SecretScanner } from "./secret-scanner.ts";
import { tokenFault } from "./secret-text.ts";
import { type EmitEvent, type RequestContext, waitFor } from "./timed-request.ts";
import { Token } from "./token.ts";
import type { TokenFileRecipe } from "./token-recipe.ts";
import { TokenRenewer } from "./token-renewer.ts";

/** A change is noticed after this time at the latest. */
const CHECK_INTERVAL_MS = 1000;

export class TokenFile implements Credential {
  readonly #recipe: TokenFileRecipe;
  readonly #context: RequestContext;
  readonly #emit: EmitEvent;
  readonly #scanner: SecretScanner;
  readonly #renewer: TokenRenewer | undefined;
  readonly #onLimit: (limit: CredentialLimit) => void;
  #token: Token | undefined;
  #fault: Unreachable | undefined;
  #stamp: string | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #pendingCheck: Promise<void> | undefined;
  #closed = false;

  constructor(
    recipe: TokenFileRecipe,
    context: RequestContext,
    emit: EmitEvent,
    onLimit: (limit: CredentialLimit) => void,
  ) {
    this.#recipe = recipe;
    this.#onLimit = onLimit;
    this.#context = context;
    this.#emit = emit;
    this.#scanner = new SecretScanner(context.clock);
    this.#renewer =
      recipe.keep === undefined ? undefined : new TokenRenewer(recipe.keep, context, emit, onLimit);
  }

  async lease(signal: AbortSignal): Promise<Lease> {
    if (this.#closed) throw new Unreachable("the host is stopping");
    const now = this.#context.clock.now();
    const due = now - this.#checkedAt >= CHECK_INTERVAL_MS || this.#token?.isUsable(now) === false;
    if (due) await waitFor(this.#checkOnce(), signal);
    // A new error each time: callers must not share and change one.
    if (this.#token === undefined)
      throw new Unreachable(this.#fault?.message ?? "the host is stopping", this.#fault?.step);
    const usesLeft = this.#token.usesLeft;
    if (this.#token.isUsable(this.#context.clock.now()) && this.#token.take()) {
      if (usesLeft !== Number.POSITIVE_INFINITY) this.#onLimit({ kind: "token", usesLeft: usesLeft - 1 });
      return this.#token.lease;
    }
    if (usesLeft <= 0)
      throw new Unreachable(
        `the token in ${this.#recipe.file} has no use left: put one there whose number of uses is not limited (num_uses=0)`,
        "file",
      );
    throw new Unreachable(`the token in ${this.#recipe.file} has expired: put a new one there`, "file");
  }

  async refused(lease: Lease, _signal: AbortSignal): Promise<boolean> {
    if (this.#closed) return false;
    if (this.#token !== undefined && this.#token.lease !== lease) return true;
    // Read even if the stamp is unchanged: a file can be written twice within one tick of the file system's clock.
    this.#read();
    return this.#token !== undefined && this.#token.lease !== lease;
  }

  async limits(signal: AbortSignal): Promise<readonly CredentialLimit[]> {
    return this.#renewer === undefined ? [] : [await waitFor(this.#renewer.limit(), signal)];
  }

  containsSecret(bytes: Uint8Array): boolean {
    return this.#scanner.foundIn(bytes);
  }

  /** Does not revoke the token, which is not the host's. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#renewer?.close();
  }

  #checkOnce(): Promise<void> {
    this.#pendingCheck ??= this.#checkFile().finally(() => {
      this.#pendingCheck = undefined;
    });
    return this.#pendingCheck;
  }

  async #checkFile(): Promise<void> {
    const stamp = await stampOf(this.#recipe);
    this.#checkedAt = this.#context.clock.now();
    if (stamp === this.#stamp || this.#closed) return;
    this.#read();
    // The stamp from before the read: a change in between is noticed next time. A failed read is tried again.
    this.#stamp = this.#fault === undefined ? stamp : undefined;
  }

  #read(): void {
    const { file, header } = this.#recipe;
    try {
      const secret = readSecret({ file }, tokenFault);
      this.#fault = undefined;
      if (this.#token?.secret.equals(secret)) return;
      this.#scanner.add("token", secret);
      this.#token = new Token(secret, header, this.#context.clock.now());
      this.#emit({ event: "read" });
      this.#renewer?.start(this.#token);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.#token = undefined;
      this.#renewer?.stop();
      if (this.#fault?.message !== error.message) this.#emit({ event: "failed", why: error.message });
      this.#fault = error;
    }
  }
}
