/** Revokes tokens from logins that the host no longer needs, best effort, so that they do not pile up at the server. */
import { type RequestContext, requestOf, timedRequest } from "./timed-request.ts";
import type { Token } from "./token.ts";
import type { Call } from "./token-recipe.ts";

/** Requests with the old token may still be running until then. */
const AFTER_MS = 10_000;
const LIMIT_MS = 5000;
/** The limit for all revocations at the end of the host. */
const CLOSE_MS = 1000;

export class TokenRevoker {
  readonly #revocation: Call | undefined;
  readonly #context: RequestContext;
  readonly #waiting = new Map<Token, () => void>();

  constructor(revoke: Call | undefined, context: RequestContext) {
    this.#revocation = revoke;
    this.#context = context;
  }

  schedule(token: Token): void {
    if (this.#revocation === undefined) return;
    const cancel = this.#context.clock.after(AFTER_MS, () => {
      this.#waiting.delete(token);
      void this.#revokeToken(token, LIMIT_MS);
    });
    this.#waiting.set(token, cancel);
  }

  /** Revokes all tokens, within a second. @param last resolves to the active token, once no other login is running */
  async close(last: () => Promise<Token | undefined>): Promise<void> {
    const { clock } = this.#context;
    const ends = clock.now() + CLOSE_MS;
    const over = Promise.withResolvers<void>();
    const cancel = clock.after(CLOSE_MS, over.resolve);
    const all = async () => {
      const token = await last();
      const tokens = [...this.#waiting.keys(), ...(token === undefined ? [] : [token])];
      for (const stop of this.#waiting.values()) stop();
      this.#waiting.clear();
      const leftMs = Math.max(1, ends - clock.now());
      await Promise.all(tokens.map((each) => this.#revokeToken(each, leftMs)));
    };
    await Promise.race([all(), over.promise]);
    cancel();
  }

  async #revokeToken(token: Token, limitMs: number): Promise<void> {
    if (this.#revocation === undefined || !token.isUsable(this.#context.clock.now())) return;
    if (!token.take()) return;
    const request = token.lease.sign(requestOf(this.#revocation, {}));
    // A token that is not revoked expires.
    await timedRequest(this.#context, "the revocation", request, limitMs).catch(() => {});
  }
}
