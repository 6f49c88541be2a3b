/** Builds the recipe of `credential.vault`. HashiCorp Vault and OpenBao have the same API here. */
import { parsePointer } from "../pointer.ts";
import type { Call, Recipe, SecretField, SecretLookup } from "../token-recipe.ts";
import type { VaultLogin } from "./grant.ts";

const HEADER = { name: "x-vault-token" };
/** Vault Agent's `require_request_header`: a web page cannot make a browser send it. */
export const REQUEST_HEADER = { "x-vault-request": "true" } as const;
const IN_AUTH = {
  ttl: parsePointer("/auth/lease_duration"),
  renewable: parsePointer("/auth/renewable"),
};
const TOKEN_LIMITS = {
  uses: parsePointer("/data/num_uses"),
  ttl: parsePointer("/data/ttl"),
  life: parsePointer("/data/creation_ttl"),
  most: parsePointer("/data/explicit_max_ttl"),
  created: parsePointer("/data/creation_time"),
  renewable: parsePointer("/data/renewable"),
};
const SECRET_LIMITS = {
  uses: parsePointer("/data/secret_id_num_uses"),
  end: parsePointer("/data/expiration_time"),
  life: parsePointer("/data/secret_id_ttl"),
};
const IN_DATA = { ttl: parsePointer("/data/ttl"), renewable: parsePointer("/data/renewable") };

export function vaultRecipe(config: VaultLogin): Recipe {
  // The namespace is part of the path: as a header, it would be one more header that a guest must not set.
  const root = `/v1/${config.namespace === undefined ? "" : `${pathOf(config.namespace)}/`}auth`;
  const self = (method: string, what: string): Call => callOf(method, `${root}/token/${what}-self`);
  if (config.auth === "token") {
    const [lookup, renew] = [self("GET", "lookup"), self("POST", "renew")];
    const keep = { lookup, lookedUp: IN_DATA, limits: TOKEN_LIMITS, renew, renewed: IN_AUTH };
    return { kind: "file", header: HEADER, file: config.file, keep };
  }
  const { user, body, remedy } = method(config);
  const mount = `${root}/${pathOf(config.mount ?? config.auth)}`;
  const at = `${mount}/login`;
  const secret: SecretLookup = {
    field: "secret_id",
    role: parsePointer("/auth/metadata/role_name"),
    call: (role) => callOf("POST", `${mount}/role/${pathOf(role, 1)}/secret-id/lookup`),
    limits: SECRET_LIMITS,
  };
  return {
    kind: "login",
    header: HEADER,
    login: callOf("POST", user === undefined ? at : `${at}/${pathOf(user, 1)}`),
    body,
    token: parsePointer("/auth/client_token"),
    lifetime: IN_AUTH,
    uses: parsePointer("/auth/num_uses"),
    ...(body.secret_id === undefined ? {} : { secret }),
    renew: self("POST", "renew"),
    revoke: self("POST", "revoke"),
    remedy,
  };
}

function callOf(method: string, path: string): Call {
  return { method, path, headers: REQUEST_HEADER };
}

/** The parts of a recipe that depend on the auth method. */
interface Method {
  readonly user?: string;
  readonly body: Readonly<Record<string, string | SecretField>>;
  readonly remedy: string;
}

function method(config: Exclude<VaultLogin, { auth: "token" }>): Method {
  switch (config.auth) {
    case "approle":
      return {
        body: {
          role_id: config.roleId,
          ...(config.secretId === undefined ? {} : { secret_id: config.secretId }),
        },
        remedy: "look at the role id and the secret id",
      };
    case "kubernetes":
    case "jwt":
      return {
        body: { role: config.role, jwt: { file: config.file, projected: true } },
        remedy: `look at the role and at the token in ${config.file}: its audience, subject and time`,
      };
    case "userpass":
      return {
        user: config.username,
        body: { password: { file: config.file } },
        remedy: "look at the user and the password",
      };
    case "cert":
      return {
        body: config.role === undefined ? {} : { name: config.role },
        remedy: "look at the client certificate (tls.client) and the role",
      };
  }
}

/** Encodes the segments of a path. @throws Error a segment that a URL parser would remove, or too many segments */
function pathOf(text: string, most = 16): string {
  const segments = most === 1 ? [text] : text.replace(/^\/+|\/+$/g, "").split("/");
  const wrong = segments.find((segment) => ["", ".", ".."].includes(segment));
  if (wrong !== undefined || segments.length > most) {
    throw new Error(`Cannot take ${JSON.stringify(text)} as a part of a path: name each of its parts`);
  }
  return segments.map(encodeURIComponent).join("/");
}
