/**
 * Reads a kubeconfig: the server and the identity of its current context. It runs no program and uses no proxy. The identity is a client
 * certificate or a token, in the file or in files next to it.
 */
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { FileFault } from "../lib/files.ts";
import { Secret } from "../lib/secret.ts";
import { readSecretFile } from "../lib/secret-files.ts";
import { isMapping, type Mapping } from "../schema/outline.ts";
import { ClusterFault } from "./cluster-fault.ts";

const MAX_BYTES = 1 << 20;

export interface ClusterAccess {
  /** "https://10.0.0.1:6443" */
  readonly server: string;
  /** PEM; undefined: the CA certificates of Node. */
  readonly ca: string | undefined;
  /** The name that the server's certificate must have; undefined: the host of `server`. */
  readonly serverName: string | undefined;
  /** PEM. */
  readonly certificate: string | undefined;
  /** The key of `certificate`, PEM. */
  readonly key: Secret | undefined;
  readonly token: Secret | undefined;
}

/** Authentication methods and settings that this reader does not support. */
const REFUSED_USER = ["exec", "auth-provider", "username", "password", "as", "as-groups", "as-uid"];
const REFUSED_CLUSTER = ["insecure-skip-tls-verify", "proxy-url"];

/**
 * @param path of the file; relative paths in it are resolved against its folder
 * @param server the address of another API server of the cluster, "https://10.0.0.2:6443"; by default that of the file
 * @throws ClusterFault it names the place and does not quote the file
 */
export function readKubeconfig(path: string, server?: string): ClusterAccess {
  const root = parsed(path);
  const context = named(root.contexts, root["current-context"], "context", path);
  const cluster = named(root.clusters, context.cluster, "cluster", path);
  const user = named(root.users, context.user, "user", path);
  refuse(cluster, REFUSED_CLUSTER, path);
  refuse(user, REFUSED_USER, path);
  const fileOr = (mapping: Mapping, key: string) => content(mapping, key, dirname(resolve(path)), path);
  const access = {
    server:
      server === undefined ? serverOf(cluster.server, `the server in ${path}`) : serverOf(server, server),
    ca: fileOr(cluster, "certificate-authority")?.text(),
    serverName: text(cluster["tls-server-name"]),
    certificate: fileOr(user, "client-certificate")?.text(),
    key: fileOr(user, "client-key"),
    token: tokenOf(user, path),
  };
  if (access.token !== undefined || (access.certificate !== undefined && access.key !== undefined))
    return access;
  throw new ClusterFault(
    `the user in ${path} has neither a token nor a client certificate with its key`,
    "Add one of them.",
  );
}

function parsed(path: string): Mapping {
  const bytes = readSecretFile(path, MAX_BYTES, "given");
  if (bytes instanceof FileFault) throw new ClusterFault(`${path} ${bytes.problem}`, `${bytes.remedy}.`);
  let value: unknown;
  try {
    value = parse(bytes.toString());
  } catch {
    // without the cause, which quotes the file
    throw new ClusterFault(`${path} is not valid YAML`, "Give a kubeconfig.");
  } finally {
    bytes.fill(0);
  }
  if (isMapping(value) && value.kind === "Config") return value;
  throw new ClusterFault(`${path} is not a kubeconfig: kind is not Config`, "Give a kubeconfig.");
}

/** The mapping under `kind` of the item with this name. */
function named(items: unknown, name: unknown, kind: string, path: string): Mapping {
  const list: readonly unknown[] = Array.isArray(items) ? items : [];
  const item = list.find((each) => isMapping(each) && each.name === name && typeof name === "string");
  const value = isMapping(item) ? item[kind] : undefined;
  if (isMapping(value)) return value;
  throw new ClusterFault(
    `${path} has no ${kind} for its current context`,
    "Set current-context, or give another file.",
  );
}

function refuse(mapping: Mapping, keys: readonly string[], path: string): void {
  const key = keys.find((each) => mapping[each] !== undefined && mapping[each] !== false);
  if (key === undefined) return;
  throw new ClusterFault(
    `${path} has ${key}, which is not supported here`,
    "Give a kubeconfig with a client certificate or a token, such as /etc/kubernetes/admin.conf.",
  );
}

function serverOf(server: unknown, place: string): string {
  if (typeof server === "string" && URL.canParse(server)) {
    const { protocol, origin, pathname, search } = new URL(server);
    if (protocol === "https:" && pathname === "/" && search === "") return origin;
  }
  throw new ClusterFault(`${place} is not https://host:port`, "Give the address of one API server.");
}

/** The content of `key`-data (base64), or of the file that `key` names. */
function content(mapping: Mapping, key: string, folder: string, path: string): Secret | undefined {
  const data = text(mapping[`${key}-data`]);
  if (data !== undefined) return new Secret(Buffer.from(data, "base64"));
  const file = text(mapping[key]);
  return file === undefined
    ? undefined
    : read(resolve(folder, file), key.endsWith("key") ? "given" : "public", path);
}

function tokenOf(user: Mapping, path: string): Secret | undefined {
  // a token that the kubelet projects is world-readable and valid for minutes
  const file = text(user.tokenFile);
  if (file !== undefined) return read(resolve(dirname(resolve(path)), file), "public", path);
  const token = text(user.token);
  return token === undefined ? undefined : Secret.of(token);
}

function read(file: string, secrecy: "given" | "public", path: string): Secret {
  const bytes = readSecretFile(file, MAX_BYTES, secrecy);
  if (!(bytes instanceof FileFault)) return new Secret(bytes);
  throw new ClusterFault(`${file}, which ${path} names, ${bytes.problem}`, `${bytes.remedy}.`);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
