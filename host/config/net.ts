/** `grants.net` as it was written → NetGrantConfig. */
import type { CredentialConfig, NetGrantConfig, VaultLoginConfig } from "./config.ts";
import type { RawConfig } from "./schema.ts";

type RawNet = NonNullable<RawConfig["providers"][string]["grants"]["net"]>;
type RawCredential = NonNullable<RawNet["credential"]>;
type Absolute = (path: string) => string;

export function netOf(raw: RawNet, absolute: Absolute): NetGrantConfig {
  const { origin, allow, headers = ["content-type"], networks = [], limits, tls, credential, rpcs } = raw;
  const { ca, crl, serverName, certificate, key, minimum } = tls;
  return {
    origin,
    allow,
    headers,
    networks,
    requestBytes: limits.request,
    responseBytes: limits.response,
    timeoutMs: limits.timeout,
    connections: limits.connections,
    tls: {
      minimum,
      ...(ca === undefined ? {} : { ca: absolute(ca) }),
      ...(crl === undefined ? {} : { crl: absolute(crl) }),
      ...(serverName === undefined ? {} : { serverName }),
      ...(certificate === undefined || key === undefined
        ? {}
        : { client: { certificate: absolute(certificate), key: absolute(key) } }),
    },
    ...(credential === undefined ? {} : { credential: credentialOf(credential, absolute) }),
    ...(rpcs === undefined ? {} : { rpcs }),
  };
}

/** The schema has seen that there is one of the three. */
function credentialOf({ vault, file, login }: RawCredential, absolute: Absolute): CredentialConfig {
  if (vault !== undefined) return { kind: "vault", ...vaultOf(vault, absolute) };
  if (file !== undefined) {
    const { header, scheme } = file;
    return { kind: "file", file: absolute(file.file), header, ...(scheme === undefined ? {} : { scheme }) };
  }
  if (login === undefined) throw new Error("a credential without a kind");
  const { method, path, body, token, ttl, header, scheme } = login;
  const fields = Object.entries(body).map(([name, { text = "", file }]) => [
    name,
    file === undefined ? text : { file: absolute(file) },
  ]);
  return {
    kind: "login",
    method,
    path,
    body: Object.fromEntries(fields),
    token,
    header,
    ...(ttl === undefined ? {} : { ttl }),
    ...(scheme === undefined ? {} : { scheme }),
  };
}

/** The schema has seen that each method has what it needs. */
function vaultOf(raw: NonNullable<RawCredential["vault"]>, absolute: Absolute): VaultLoginConfig {
  const { auth, mount, namespace, file = "", role, roleId = "", secretId, username = "" } = raw;
  const where = {
    ...(mount === undefined ? {} : { mount }),
    ...(namespace === undefined ? {} : { namespace }),
  };
  switch (auth) {
    case "token":
      return { ...where, auth, file: absolute(file) };
    case "approle":
      return {
        ...where,
        auth,
        roleId,
        ...(secretId === undefined ? {} : { secretId: { file: absolute(secretId.file) } }),
      };
    case "kubernetes":
    case "jwt":
      return { ...where, auth, role: role ?? "", file: absolute(file) };
    case "userpass":
      return { ...where, auth, username, file: absolute(file) };
    case "cert":
      return { ...where, auth, ...(role === undefined ? {} : { role }) };
  }
}
