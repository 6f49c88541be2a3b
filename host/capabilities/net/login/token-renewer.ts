/**
 * Renews a token that another program created: looks up its lifetime, and renews it in the background. If the host is not allowed to
 * renew it, the lifetime is looked up again: Vault Agent renews a token without touching its file.
 */
import { type Response, Unreachable } from "../exchange.ts";
import { describeRequest, documentOf, lifetimeIn } from "./answer.ts";
import { FailurePause } from "./failure-pause.ts";
import { type CredentialLimit, tokenLimit } from "./limits.ts";
import { type EmitEvent, type RequestContext, requestOf, timedRequest } from "./timed-request.ts";
import type { Token } from "./token.ts";
import type { Call, Lifetime, TokenFileRecipe } from "./token-recipe.ts";

const LIMIT_MS = 5000;
/** Tokens with a shorter lifetime are not renewed. */
const SHORTEST_TTL_MS = 1000;
/** Permanent refusals. Other statuses are temporary: sealed, overloaded, a standby. */
const NEVER: ReadonlySet<number> = new Set([400, 401, 403, 404, 405]);

export class TokenRenewer {
  readonly #recipe: NonNullable<TokenFileRecipe["keep"]>;
  readonly #context: RequestContext;
  readonly #emit: EmitEvent;
  readonly #pause: FailurePause;
  readonly #onLimit: (limit: CredentialLimit) => void;
  #limit = Promise.withResolvers<CredentialLimit>();
  #token: Token | undefined;
  #mayRenew = true;
  #cancel = () => {};

  constructor(
    recipe: NonNullable<TokenFileRecipe["keep"]>,
    context: RequestContext,
    emit: EmitEvent,
    onLimit: (limit: CredentialLimit) => void,
  ) {
    this.#recipe = recipe;
    this.#onLimit = onLimit;
    this.#context = context;
    this.#emit = emit;
    this.#pause = new FailurePause(context.clock);
  }

  /** Renews this token from now on, in place of the one before. */
  start(token: Token): void {
    this.stop();
    this.#token = token;
    this.#mayRenew = true;
    this.#limit = Promise.withResolvers();
    void this.#lookUp(token);
  }

  stop(): void {
    this.#token = undefined;
    this.#cancel();
    this.#pause.reset();
  }

  /** The limits of the current token, once its first look-up is done. */
  limit(): Promise<CredentialLimit> {
    return this.#limit.promise;
  }

  close(): void {
    this.stop();
  }

  async #lookUp(token: Token): Promise<void> {
    const { lookup, lookedUp, limits } = this.#recipe;
    const outcome = await this.#updateLifetime(token, "look-up", lookup, undefined, lookedUp, (document) => {
      const limit = tokenLimit(document, limits, this.#context.clock.date());
      token.setUses(limit.usesLeft);
      this.#limit.resolve(limit);
      this.#onLimit(limit);
    });
    if (this.#token !== token) return;
    if (outcome === "later") this.#after(this.#pause.leftMs + 1, () => this.#lookUp(token));
    // A forbidden look-up says nothing about the token.
    if (outcome === "never")
      this.#limit.resolve({ kind: "token", unknown: "the server refused its look-up" });
    if (outcome !== "done") return;
    this.#emitTokenEvent("read", token);
    this.#renewLater(token);
  }

  #renewLater(token: Token): void {
    if (!token.renewable || token.ttlMs < SHORTEST_TTL_MS || token.ttlMs === Number.POSITIVE_INFINITY) return;
    const part = (2 * (0.9 + 0.1 * this.#context.clock.random())) / 3;
    this.#after(token.ttlMs * part, () => (this.#mayRenew ? this.#renew(token) : this.#lookUp(token)));
  }

  async #renew(token: Token): Promise<void> {
    const { renew, renewed } = this.#recipe;
    const outcome = await this.#updateLifetime(token, "renewal", renew, {}, renewed);
    if (this.#token !== token) return;
    if (outcome === "done") {
      this.#emitTokenEvent("renewed", token);
      this.#renewLater(token);
    } else if (outcome === "never") {
      this.#mayRenew = false;
      await this.#lookUp(token);
    } else if (outcome === "later" && token.isUsable(this.#context.clock.now())) {
      this.#after(this.#pause.leftMs + 1, () => this.#renew(token));
    }
  }

  /** Sends a request and records the lifetime from its answer. "never": the server refused it; "later": it could not answer now. */
  async #updateLifetime(
    token: Token,
    kind: "look-up" | "renewal",
    call: Call,
    fields: Readonly<Record<string, unknown>> | undefined,
    lifetime: Lifetime,
    onDocument: (document: unknown) => void = () => {},
  ): Promise<"done" | "never" | "later"> {
    const what = describeRequest(kind, call);
    if (!token.take()) return "never";
    const asked = this.#context.clock.now();
    let answer: Response | undefined;
    try {
      answer = await timedRequest(this.#context, what, token.lease.sign(requestOf(call, fields)), LIMIT_MS);
      const document = documentOf(what, answer, "the token is not valid, or its policies do not allow this");
      const { ttlMs, renewable } = lifetimeIn(what, document, lifetime);
      if (this.#token === token) {
        token.setLifetime(asked, ttlMs, renewable);
        onDocument(document);
      }
      this.#pause.reset();
      return "done";
    } catch (error) {
      if (this.#token !== token) return "never";
      const why = (error as Error).message;
      this.#pause.recordFailure(new Unreachable(why));
      const refused = answer !== undefined && NEVER.has(answer.status);
      // A forbidden look-up is common and not reported.
      if (!(refused && kind === "look-up")) this.#emit({ event: "failed", why });
      return refused ? "never" : "later";
    }
  }

  #after(ms: number, run: () => Promise<void>): void {
    this.#cancel();
    this.#cancel = this.#context.clock.after(ms, () => void run());
  }

  #emitTokenEvent(event: "read" | "renewed", token: Token): void {
    const { clock } = this.#context;
    this.#emit({ event, expires: token.expiresAt(clock.now(), clock.date()) });
  }
}
