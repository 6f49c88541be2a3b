/** Sends the requests of a login recipe: login and renewal. login.ts decides when. */
import { describeRequest, documentOf, lifetimeIn, tokenIn } from "./answer.ts";
import { readSecret } from "./secret-file.ts";
import type { SecretScanner } from "./secret-scanner.ts";
import { fieldFault } from "./secret-text.ts";
import { type RequestContext, requestOf, timedRequest } from "./timed-request.ts";
import { Token } from "./token.ts";
import type { LoginRecipe } from "./token-recipe.ts";

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
    const { login, token: pointer, lifetime, header, remedy } = this.#recipe;
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
    if (renew === undefined || !token.renewable) return false;
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
