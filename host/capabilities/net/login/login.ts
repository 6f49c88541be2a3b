/**
 * A credential from a login. All callers share one login at a time; during the pause after a failed login, calls fail at once. At two
 * thirds of its lifetime a token is renewed or replaced by another login. An expired token is never used.
 *
 * A token may be good for a number of requests only: each lease takes one, and at a third of them the next login begins.
 */
import { type Credential, type Lease, Unreachable } from "../exchange.ts";
import { FailurePause } from "./failure-pause.ts";
import type { CredentialLimit } from "./limits.ts";
import { LoginRequests } from "./login-requests.ts";
import { SecretScanner } from "./secret-scanner.ts";
import { type EmitEvent, type RequestContext, waitFor } from "./timed-request.ts";
import type { Token } from "./token.ts";
import type { LoginRecipe } from "./token-recipe.ts";
import { TokenRevoker } from "./token-revoker.ts";

/** A refusal of a younger token concerns the request and not the token. */
const FRESH_MS = 10_000;

export class Login implements Credential {
  readonly #context: RequestContext;
  readonly #emit: EmitEvent;
  readonly #scanner: SecretScanner;
  readonly #requests: LoginRequests;
  readonly #pause: FailurePause;
  readonly #revoker: TokenRevoker;
  readonly #onLimit: (limit: CredentialLimit) => void;
  #token: Token | undefined;
  /** The limits of a token, or the look-up that is running. */
  #limits: { readonly token: Token; readonly found: Promise<readonly CredentialLimit[]> } | undefined;
  /** A look-up that was refused is not repeated. */
  #mayLookUp = true;
  #pendingLogin: Promise<Token> | undefined;
  #cancelRefresh = () => {};
  #closed = false;

  constructor(
    recipe: LoginRecipe,
    context: RequestContext,
    emit: EmitEvent,
    onLimit: (limit: CredentialLimit) => void,
  ) {
    this.#context = context;
    this.#emit = emit;
    this.#onLimit = onLimit;
    this.#scanner = new SecretScanner(context.clock);
    this.#requests = new LoginRequests(recipe, context, this.#scanner);
    this.#pause = new FailurePause(context.clock);
    this.#revoker = new TokenRevoker(recipe.revoke, context);
  }

  async lease(signal: AbortSignal): Promise<Lease> {
    let token = this.#token;
    // Callers that waited for the same login may have taken all of its uses.
    while (this.#closed || !token?.isUsable(this.#context.clock.now()) || !token.take()) {
      token = await waitFor(this.#login(), signal);
      if (token.take()) break;
    }
    if (token.uses !== Number.POSITIVE_INFINITY && token.usesLeft <= token.uses / 3)
      void this.#login().catch(() => {});
    return token.lease;
  }

  async limits(signal: AbortSignal): Promise<readonly CredentialLimit[]> {
    const token = this.#token;
    return token === undefined ? [] : await waitFor(this.#limitsOf(token), signal);
  }

  async refused(lease: Lease, signal: AbortSignal): Promise<boolean> {
    const token = this.#token;
    if (token === undefined || this.#closed) return false;
    // Another caller has logged in meanwhile.
    if (token.lease !== lease) return true;
    if (this.#context.clock.now() - token.issued < FRESH_MS) return false;
    if (this.#pendingLogin === undefined && this.#pause.leftMs === 0) this.#emitTokenEvent("refused", token);
    return waitFor(this.#login(), signal).then(
      () => true,
      () => false,
    );
  }

  containsSecret(bytes: Uint8Array): boolean {
    return this.#scanner.foundIn(bytes);
  }

  /** Revokes the tokens. Waits for a running login, whose token would outlive the host otherwise. Takes at most a second. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelRefresh();
    await this.#revoker.close(async () => {
      await this.#pendingLogin?.catch(() => {});
      return this.#token;
    });
  }

  #login(): Promise<Token> {
    if (this.#closed) return Promise.reject(new Unreachable("the host is stopping"));
    if (this.#pendingLogin !== undefined) return this.#pendingLogin;
    const paused = this.#pause.currentFailure();
    if (paused !== undefined) return Promise.reject(paused);
    const pending = this.#attempt().finally(() => {
      this.#pendingLogin = undefined;
    });
    // No caller may be left to handle a rejection.
    pending.catch(() => {});
    this.#pendingLogin = pending;
    return pending;
  }

  #limitsOf(token: Token): Promise<readonly CredentialLimit[]> {
    if (this.#limits?.token !== token) this.#limits = { token, found: this.#requests.limits(token) };
    return this.#limits.found;
  }

  async #reportLimits(token: Token): Promise<void> {
    if (!this.#mayLookUp) return;
    for (const limit of await this.#limitsOf(token)) {
      if (limit.unknown !== undefined) this.#mayLookUp = false;
      // The next login replaces the token.
      else if (limit.kind !== "token") this.#onLimit(limit);
    }
  }

  async #attempt(): Promise<Token> {
    try {
      const token = await this.#requests.login();
      this.#pause.reset();
      this.#replaceToken(token);
      this.#emitTokenEvent("login", token);
      void this.#reportLimits(token);
      return token;
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.#pause.recordFailure(error);
      this.#emit({ event: "failed", why: error.message });
      throw error;
    }
  }

  #replaceToken(token: Token): void {
    const before = this.#token;
    this.#token = token;
    // Some servers return the same token again.
    if (before !== undefined && !before.secret.equals(token.secret)) this.#revoker.schedule(before);
    this.#refreshIn(token);
  }

  /** Schedules the renewal at two thirds of the lifetime, or a little earlier: hosts that started together must not renew together. */
  #refreshIn(token: Token): void {
    this.#cancelRefresh();
    if (this.#closed || token.ttlMs === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#context;
    const afterMs = (token.ttlMs * 2 * (0.9 + 0.1 * clock.random())) / 3;
    this.#cancelRefresh = clock.after(afterMs, () => void this.#refresh(token));
  }

  async #refresh(token: Token): Promise<void> {
    const renewed = await this.#requests.renew(token);
    if (this.#closed || this.#token !== token) return;
    if (renewed) {
      this.#pause.reset();
      this.#emitTokenEvent("renewed", token);
      // Shrinking lifetimes mean that the token nears the maximum that the server allows: then log in again.
      if (token.ttlMs >= (token.firstTtlMs ?? 0) / 2) return this.#refreshIn(token);
    }
    await this.#login().catch(() => {
      const { clock } = this.#context;
      if (this.#closed || this.#token !== token || !token.isUsable(clock.now())) return;
      // Retry while the token is usable; after that, the next call logs in.
      this.#cancelRefresh();
      this.#cancelRefresh = clock.after(this.#pause.leftMs + 1, () => void this.#refresh(token));
    });
  }

  #emitTokenEvent(event: "login" | "renewed" | "refused", token: Token): void {
    const { clock } = this.#context;
    this.#emit({ event, expires: token.expiresAt(clock.now(), clock.date()) });
  }
}
