/** Sets up OpenBao for a test: transit, keys, policies, login methods, quotas. */
import { readFileSync } from "node:fs";
import type { Claims } from "./jwt.ts";
import { JwtIssuer } from "./jwt.ts";
import type { Login, OpenBao } from "./openbao.ts";
import type { ServiceAccount, TokenReviewServer } from "./token-review.ts";

/** The capabilities on a path: read, update, create, delete, list, deny. */
export type Rules = Readonly<Record<string, readonly string[]>>;

export interface RoleOptions {
  readonly policies: readonly string[];
  /** of the tokens: "2s" */
  readonly ttl?: string;
  /** where the method is mounted */
  readonly mount?: string;
}

/** The policy that a plugin needs to encrypt and decrypt with one key, and to read the latest version. */
export function keyRules(key: string, mount = "transit"): Rules {
  return {
    [`${mount}/keys/${key}`]: ["read"],
    [`${mount}/encrypt/${key}`]: ["update"],
    [`${mount}/decrypt/${key}`]: ["update"],
  };
}

export class Setup {
  readonly #bao: OpenBao;
  /** "" or "team/": before every path */
  readonly #namespace: string;

  constructor(bao: OpenBao, namespace = "") {
    this.#bao = bao;
    this.#namespace = namespace === "" ? "" : `${namespace}/`;
  }

  #must(method: string, path: string, body?: unknown) {
    return this.#bao.must(method, `${this.#namespace}${path}`, body);
  }

  /** @returns a setup that works in the namespace */
  async namespace(name: string): Promise<Setup> {
    await this.#must("POST", `sys/namespaces/${name}`);
    return new Setup(this.#bao, `${this.#namespace}${name}`);
  }

  async transit(mount = "transit"): Promise<void> {
    await this.#must("POST", `sys/mounts/${mount}`, { type: "transit" });
  }

  async key(name: string, options: Readonly<Record<string, unknown>> = {}, mount = "transit"): Promise<void> {
    await this.#must("POST", `${mount}/keys/${name}`, { type: "aes256-gcm96", ...options });
  }

  /** Creates transit, a key, and a policy of the same name for its users. */
  async kek(name = "kek"): Promise<void> {
    await this.transit();
    await this.key(name);
    await this.policy(name, keyRules(name));
  }

  async rotate(name: string, mount = "transit"): Promise<void> {
    await this.#must("POST", `${mount}/keys/${name}/rotate`);
  }

  /** min_decryption_version, min_encryption_version, deletion_allowed … */
  async configure(
    name: string,
    options: Readonly<Record<string, unknown>>,
    mount = "transit",
  ): Promise<void> {
    await this.#must("POST", `${mount}/keys/${name}/config`, options);
  }

  async deleteKey(name: string, mount = "transit"): Promise<void> {
    await this.configure(name, { deletion_allowed: true }, mount);
    await this.#must("DELETE", `${mount}/keys/${name}`);
  }

  async policy(name: string, rules: Rules): Promise<void> {
    const path = Object.fromEntries(
      Object.entries(rules).map(([where, capabilities]) => [where, { capabilities }]),
    );
    await this.#must("PUT", `sys/policies/acl/${name}`, { policy: JSON.stringify({ path }) });
  }

  /** A token without a parent. */
  async token(options: Readonly<Record<string, unknown>>): Promise<string> {
    const { auth } = await this.#must("POST", "auth/token/create-orphan", {
      no_default_policy: true,
      ...options,
    });
    if (!auth) throw new Error("auth/token/create-orphan gave no token");
    return auth.client_token;
  }

  async revoke(token: string): Promise<void> {
    await this.#must("POST", "auth/token/revoke", { token });
  }

  async appRole({ mount = "approle", ...role }: RoleOptions): Promise<Login> {
    await this.#enable("approle", mount);
    await this.#must("POST", `auth/${mount}/role/kleidi`, tokenFields(role));
    const { data: id } = await this.#must("GET", `auth/${mount}/role/kleidi/role-id`);
    const { data: secret } = await this.#must("POST", `auth/${mount}/role/kleidi/secret-id`);
    return this.#login(mount, "login", { role_id: id?.role_id, secret_id: secret?.secret_id });
  }

  async userpass(
    user: string,
    password: string,
    { mount = "userpass", ...role }: RoleOptions,
  ): Promise<Login> {
    await this.#enable("userpass", mount);
    await this.#must("POST", `auth/${mount}/users/${user}`, { password, ...tokenFields(role) });
    return this.#login(mount, `login/${user}`, { password });
  }

  /** @param subject the subject that the role accepts; the audience is "kleidi" */
  async jwt(subject: string, { mount = "jwt", ...role }: RoleOptions) {
    const issuer = new JwtIssuer();
    await this.#enable("jwt", mount);
    await this.#must("POST", `auth/${mount}/config`, { jwt_validation_pubkeys: [issuer.publicKey] });
    await this.#must("POST", `auth/${mount}/role/kleidi`, {
      role_type: "jwt",
      user_claim: "sub",
      bound_audiences: ["kleidi"],
      bound_subject: subject,
      ...tokenFields(role),
    });
    return {
      /** with its own token, which may differ from `claims` */
      login: (claims: Claims = {}): Login => {
        const jwt = issuer.sign({ sub: subject, aud: "kleidi", ...claims });
        return this.#login(mount, "login", { role: "kleidi", jwt });
      },
    };
  }

  /** @param name the common name of the one client certificate that is accepted */
  async cert(name: string, { mount = "cert", ...role }: RoleOptions): Promise<Login> {
    await this.#enable("cert", mount);
    const { authority } = this.#bao;
    const certificate = { certificate: authority.pem, allowed_common_names: [name] };
    await this.#must("POST", `auth/${mount}/certs/kleidi`, { ...certificate, ...tokenFields(role) });
    return { ...this.#login(mount, "login", { name: "kleidi" }), client: authority.client(name) };
  }

  /** @param reviews called for each login; its certificate is by `authority` */
  async kubernetes(
    reviews: TokenReviewServer,
    account: ServiceAccount,
    authority: { readonly file: string },
    { mount = "kubernetes", ...role }: RoleOptions,
  ) {
    await this.#enable("kubernetes", mount);
    await this.#must("POST", `auth/${mount}/config`, {
      kubernetes_host: reviews.url,
      kubernetes_ca_cert: readFileSync(authority.file, "utf8"),
      disable_local_ca_jwt: true,
    });
    await this.#must("POST", `auth/${mount}/role/kleidi`, {
      bound_service_account_names: [account.name],
      bound_service_account_namespaces: [account.namespace],
      ...tokenFields(role),
    });
    return {
      login: (jwt = reviews.token(account)): Login => this.#login(mount, "login", { role: "kleidi", jwt }),
    };
  }

  /** @param path "" for the whole server, "transit/" for a mount */
  async rateLimit(
    name: string,
    options: { readonly path?: string; readonly rate: number; readonly interval?: string },
  ) {
    await this.#must("POST", `sys/quotas/rate-limit/${name}`, { path: "", ...options });
  }

  async endRateLimit(name: string): Promise<void> {
    await this.#must("DELETE", `sys/quotas/rate-limit/${name}`);
  }

  async #enable(type: string, mount: string): Promise<void> {
    await this.#must("POST", `sys/auth/${mount}`, { type });
  }

  #login(mount: string, path: string, body: Login["body"]): Login {
    return { path: `${this.#namespace}auth/${mount}/${path}`, body };
  }
}

function tokenFields({ policies, ttl }: Omit<RoleOptions, "mount">): Readonly<Record<string, unknown>> {
  return {
    token_policies: policies,
    token_no_default_policy: true,
    ...(ttl === undefined ? {} : { token_ttl: ttl }),
  };
}
