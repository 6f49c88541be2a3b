/** Sends the requests of a login recipe: login and renewal. login.ts decides when. */
import { Unreachable } from "../exchange.ts";
import { describeRequest, documentOf, lifetimeIn, tokenIn } from "./answer.ts";
import { type CredentialLimit, secretLimit, usesIn } from "./limits.ts";
import { valueAt } from "./pointer.ts";
import { readSecret } from "./secret-file.ts";
import type { SecretScanner } from "./secret-scanner.ts";
import { fieldFault } from "./secret-text.ts";
import { type RequestContext, requestOf, timedRequest } from "./timed-request.ts";
import { Token } from "./token.ts";
import type { LoginRecipe, SecretLookup } from "./token-recipe.ts";

/** For one request. A caller with less time leaves; the next one gets the result. */
const LIMIT_MS = 5000;

export class LoginRequests {
  readonly #recipe: LoginRecipe;
  readonly #context: RequestContext;
  readonly #scanner: SecretScanner;

  /** @param scanner gets each secret before it is sent, and each that was received */
  constructor(recipe: LoginRecipe, context: RequestContext, scanner: SecretScanner) {
    this.#recipe = recipe;
    this.#context = context;
    this.#scanner = scanner;
  }

  /** Logs in. @throws Unreachable the server returned no usable token */
  async login(): Promise<Token> {
    const { login, token: pointer, lifetime, uses, secret, header, remedy } = this.#recipe;
    const what = describeRequest("login", login);
    const asked = this.#context.clock.now();
    const request = requestOf(login, this.#fields());
    let document: unknown;
    try {
      document = documentOf(what, await timedRequest(this.#context, what, request, LIMIT_MS), remedy);
    } finally {
      request.body.fill(0);
    }
    const token = new Token(tokenIn(what, document, pointer), header, asked);
    try {
      const { ttlMs, renewable } = lifetimeIn(what, document, lifetime);
      token.setLifetime(asked, ttlMs, renewable);
      token.setUses(usesIn(document, uses));
      // Without a pause, callers would log in again and again.
      if (token.usesLeft === 0) throw new Unreachable(`${what} returned a token that is good for no request`);
      if (secret !== undefined) token.role = valueAt(document, secret.role);
    } catch (error) {
      // The token is valid at the server though it is not used. Watched under a name of its own, so the active token stays watched.
      this.#scanner.add("unusable token", token.secret);
      throw error;
    }
    this.#scanner.add("token", token.secret);
    return token;
  }

  /** Renews a token. @returns true if it was renewed; the reason does not matter, because a login follows */
  async renew(token: Token): Promise<boolean> {
    const { renew, lifetime } = this.#recipe;
    if (renew === undefined || !token.renewable || !token.take()) return false;
    const what = describeRequest("renewal", renew);
    const asked = this.#context.clock.now();
    try {
      const answer = await timedRequest(
        this.#context,
        what,
        token.lease.sign(requestOf(renew, {})),
        LIMIT_MS,
      );
      const { ttlMs, renewable } = lifetimeIn(what, documentOf(what, answer, ""), lifetime);
      token.setLifetime(asked, ttlMs, renewable);
      return true;
    } catch {
      return false;
    }
  }

  /** Looks up the limits of the token and of the secret of its login. Does not throw. */
  async limits(token: Token): Promise<readonly CredentialLimit[]> {
    const { secret } = this.#recipe;
    const usesLeft = token.uses === Number.POSITIVE_INFINITY ? undefined : token.uses;
    const own: CredentialLimit = { kind: "token", usesLeft };
    return secret === undefined ? [own] : [own, await this.#secretLimit(secret, token)];
  }

  async #secretLimit(lookup: SecretLookup, token: Token): Promise<CredentialLimit> {
    const { field, call, limits } = lookup;
    const value = this.#recipe.body[field];
    const unknown = (why: string): CredentialLimit => ({ kind: "secret-id", unknown: why });
    if (value === undefined || typeof value === "string") return unknown("it is not in a file");
    if (typeof token.role !== "string" || !/^[\w.-]{1,256}$/.test(token.role))
      return unknown("the login did not name its role");
    const what = describeRequest("look-up", call(token.role));
    // The last use is the caller's who waits for this login.
    if (token.usesLeft < 2 || !token.take()) return unknown("the token has no use left to ask");
    try {
      const secret = readSecret(value, fieldFault);
      const request = requestOf(call(token.role), { [field]: secret.text() });
      secret.wipe();
      const answer = await timedRequest(this.#context, what, token.lease.sign(request), LIMIT_MS).finally(
        () => request.body.fill(0),
      );
      return secretLimit(documentOf(what, answer, "the policy of the token does not allow it"), limits);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      return unknown(error.message);
    }
  }

  /** Reads the secret files, at each login. Their content is kept only to find it in answers. */
  #fields(): Record<string, string> {
    const fields = Object.entries(this.#recipe.body).map(([name, value]) => {
      if (typeof value === "string") return [name, value] as const;
      const secret = readSecret(value, fieldFault);
      this.#scanner.add(`field ${name}`, secret);
      return [name, secret.text()] as const;
    });
    return Object.fromEntries(fields);
  }
}
