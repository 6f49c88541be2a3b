/** The requests of a recipe: to log in, and to renew. When they are made is in login.ts. */
import { documentOf, lifeIn, nameOf, tokenIn } from "./answer.ts";
import { type Ask, ask, requestOf } from "./ask.ts";
import type { Leaks } from "./leaks.ts";
import { readSecret } from "./secret-file.ts";
import { fieldFault } from "./text.ts";
import { Token } from "./token.ts";
import type { LoginRecipe } from "./token-recipe.ts";

/** Of one request. A caller may have less; the next one finds what came of it. */
const LIMIT_MS = 5000;

export class Steps {
  readonly #recipe: LoginRecipe;
  readonly #ask: Ask;
  readonly #leaks: Leaks;

  /** @param leaks is told of each secret before it is sent, and of each that came */
  constructor(recipe: LoginRecipe, asks: Ask, leaks: Leaks) {
    this.#recipe = recipe;
    this.#ask = asks;
    this.#leaks = leaks;
  }

  /** @throws Unreachable where there is no token that can be used */
  async login(): Promise<Token> {
    const { login, token: pointer, lifetime, header, remedy } = this.#recipe;
    const what = nameOf("login", login);
    const asked = this.#ask.clock.now();
    const request = requestOf(login, this.#fields());
    let document: unknown;
    try {
      document = documentOf(what, await ask(this.#ask, what, request, LIMIT_MS), remedy);
    } finally {
      request.body.fill(0);
    }
    const token = new Token(tokenIn(what, document, pointer), header, asked);
    try {
      const { ttlMs, renewable } = lifeIn(what, document, lifetime);
      token.lives(asked, ttlMs, renewable);
    } catch (error) {
      // Nothing comes of it, but the server has given it. In a place of its own: the token in use stays where it is.
      this.#leaks.sent("unusable token", token.secret);
      throw error;
    }
    this.#leaks.sent("token", token.secret);
    return token;
  }

  /** False where it was not renewed. There is another way to get a token, so why does not matter. */
  async renew(token: Token): Promise<boolean> {
    const { renew, lifetime } = this.#recipe;
    if (renew === undefined || !token.renewable) return false;
    const what = nameOf("renewal", renew);
    const asked = this.#ask.clock.now();
    try {
      const answer = await ask(this.#ask, what, token.lease.sign(requestOf(renew, {})), LIMIT_MS);
      const { ttlMs, renewable } = lifeIn(what, documentOf(what, answer, ""), lifetime);
      token.lives(asked, ttlMs, renewable);
      return true;
    } catch {
      return false;
    }
  }

  /** The files are read at each login: nothing of them is kept but to find it in answers. */
  #fields(): Record<string, string> {
    const fields = Object.entries(this.#recipe.body).map(([name, value]) => {
      if (typeof value === "string") return [name, value] as const;
      const secret = readSecret(value, fieldFault);
      this.#leaks.sent(`field ${name}`, secret);
      return [name, secret.text()] as const;
    });
    return Object.fromEntries(fields);
  }
}
