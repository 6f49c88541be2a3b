/** A real etcd and a real kube-apiserver on loopback, with the smallest set of flags that works (Kubernetes 1.36, etcd 3.6). */
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdirSync, openSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const binaries = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "kleidi", "e2e-bin");

const START_MS = 60_000;
const STOP_MS = 10_000;

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Reads the raw contents of an etcd. */
export class EtcdClient {
  url = "";

  /** The stored bytes of one key, or of all keys under a prefix. */
  async values(key: string, prefix = false): Promise<Buffer[]> {
    const encode = (text: string) => Buffer.from(text).toString("base64");
    const end = key.slice(0, -1) + String.fromCharCode(key.charCodeAt(key.length - 1) + 1);
    const response = await fetch(`${this.url}/v3/kv/range`, {
      method: "POST",
      body: JSON.stringify({ key: encode(key), ...(prefix ? { range_end: encode(end) } : {}) }),
    });
    const { kvs = [] } = (await response.json()) as { kvs?: { value: string }[] };
    return kvs.map(({ value }) => Buffer.from(value, "base64"));
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    await this.#ask("put", { key, value });
  }

  async delete(key: string): Promise<void> {
    await this.#ask("deleterange", { key });
  }

  async #ask(verb: string, body: Record<string, string | Uint8Array>): Promise<void> {
    const encoded = Object.entries(body).map(([name, value]) => [
      name,
      Buffer.from(value as string).toString("base64"),
    ]);
    const response = await fetch(`${this.url}/v3/kv/${verb}`, {
      method: "POST",
      body: JSON.stringify(Object.fromEntries(encoded)),
    });
    if (!response.ok) throw new Error(`${verb} gave ${response.status}: ${await response.text()}`);
  }
}

export class Etcd extends EtcdClient {
  readonly #folder: string;
  #process: ChildProcess | undefined;

  constructor(folder: string) {
    super();
    this.#folder = folder;
  }

  async start(): Promise<void> {
    const [client, peer] = [await freePort(), await freePort()];
    this.url = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    this.#process = start(this.#folder, "etcd", [
      "--name=e2e",
      `--data-dir=${join(this.#folder, "etcd-data")}`,
      `--listen-client-urls=${this.url}`,
      `--advertise-client-urls=${this.url}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=e2e=${peerUrl}`,
      "--unsafe-no-fsync",
      "--log-level=warn",
    ]);
    await until("etcd is healthy", async () => (await fetch(`${this.url}/health`)).ok);
  }

  async stop(): Promise<void> {
    await end(this.#process);
  }
}

/** Sends requests to an API server on loopback as a member of system:masters. */
export class ApiClient {
  readonly token: string;
  port = 0;

  constructor(token = randomBytes(16).toString("hex")) {
    this.token = token;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  get(path: string): Promise<Answer> {
    return this.ask("GET", path);
  }

  async createSecret(name: string, value: string): Promise<void> {
    const { status, body } = await this.ask("POST", "/api/v1/namespaces/default/secrets", {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name },
      stringData: { value },
    });
    if (status !== 201) throw new Error(`creating Secret ${name} gave ${status}: ${body}`);
  }

  /** Returns the Secret's value, or throws an error with the API server's response. */
  async readSecret(name: string): Promise<string> {
    const { status, body } = await this.get(`/api/v1/namespaces/default/secrets/${name}`);
    if (status !== 200) throw new Error(`reading Secret ${name} gave ${status}: ${body}`);
    return Buffer.from(JSON.parse(body).data.value, "base64").toString();
  }

  /** Writes a Secret unchanged, so that one stored under an older key moves to the current one. */
  async rewriteSecret(name: string): Promise<void> {
    const path = `/api/v1/namespaces/default/secrets/${name}`;
    const { body } = await this.get(path);
    const { status } = await this.ask("PUT", path, JSON.parse(body));
    if (status !== 200) throw new Error(`rewriting Secret ${name} gave ${status}`);
  }

  /** A request as the administrator, or as the holder of a token. */
  ask(
    method: string,
    path: string,
    body?: unknown,
    {
      type = "application/json",
      accept = "application/json",
      token = this.token,
    }: { type?: string; accept?: string; token?: string } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: "127.0.0.1",
          port: this.port,
          method,
          path,
          // The server has just made its certificate itself.
          rejectUnauthorized: false,
          headers: { authorization: `Bearer ${token}`, "content-type": type, accept },
        },
        (incoming) => {
          let text = "";
          incoming.setEncoding("utf8").on("data", (chunk) => {
            text += chunk;
          });
          incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, body: text }));
        },
      );
      outgoing.on("error", reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

export interface ApiServerOptions {
  readonly flags?: readonly string[];
  /** A second server over the same etcd, whose tokens this one accepts. */
  readonly tokensOf?: ApiServer;
}

export class ApiServer extends ApiClient {
  readonly #folder: string;
  readonly #etcd: Etcd;
  readonly #flags: readonly string[];
  /** The folder of the administrator's token and of the keys that sign the tokens of service accounts. */
  readonly #tokens: string;
  #process: ChildProcess | undefined;

  /** @param socket the KMS plugin's socket, for Secrets, under the provider name "kleidi" */
  constructor(folder: string, etcd: Etcd, socket: string, { flags = [], tokensOf }: ApiServerOptions = {}) {
    super(tokensOf?.token);
    this.#folder = folder;
    this.#etcd = etcd;
    this.#flags = flags;
    this.#tokens = tokensOf === undefined ? folder : tokensOf.#tokens;
    mkdirSync(join(folder, "certs"), { recursive: true });
    if (tokensOf === undefined) this.#makeTokens();
    this.#write(
      "encryption.yaml",
      JSON.stringify({
        apiVersion: "apiserver.config.k8s.io/v1",
        kind: "EncryptionConfiguration",
        resources: [
          {
            resources: ["secrets"],
            providers: [
              { kms: { apiVersion: "v2", name: "kleidi", endpoint: `unix://${socket}`, timeout: "3s" } },
              { identity: {} },
            ],
          },
        ],
      }),
    );
  }

  /** The certificates that a client trusts. */
  get certificate(): string {
    return join(this.#folder, "certs", "apiserver.crt");
  }

  async start(): Promise<void> {
    // The same port after a restart, so that clients keep their address.
    if (this.port === 0) this.port = await freePort();
    const file = (name: string) => join(this.#folder, name);
    const tokens = (name: string) => join(this.#tokens, name);
    this.#process = start(this.#folder, "kube-apiserver", [
      `--etcd-servers=${this.#etcd.url}`,
      "--bind-address=127.0.0.1",
      // Without a default route the server finds no address of its own; with one it would use the external address.
      "--advertise-address=127.0.0.1",
      "--endpoint-reconciler-type=none",
      `--secure-port=${this.port}`,
      `--cert-dir=${file("certs")}`,
      "--service-cluster-ip-range=10.0.0.0/24",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-signing-key-file=${tokens("sa.key")}`,
      `--service-account-key-file=${tokens("sa.pub")}`,
      `--token-auth-file=${tokens("tokens.csv")}`,
      "--authorization-mode=RBAC",
      `--encryption-provider-config=${file("encryption.yaml")}`,
      ...this.#flags,
    ]);
    await until("the API server is ready", async () => (await this.get("/readyz")).status === 200);
  }

  /** Replaces the EncryptionConfiguration, for the next start. */
  useEncryption(text: string): void {
    this.#write("encryption.yaml", text);
  }

  create(path: string, body: unknown): Promise<Answer> {
    return this.ask("POST", path, body);
  }

  async stop(): Promise<void> {
    await end(this.#process);
  }

  /** The path of the EncryptionConfiguration. */
  get encryptionConfig(): string {
    return join(this.#folder, "encryption.yaml");
  }

  /** Writes a kubeconfig for the running server. @returns its path */
  kubeconfig(): string {
    const cluster = {
      server: this.url,
      "certificate-authority": "certs/apiserver.crt",
    };
    this.#write(
      "kubeconfig",
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "e2e", cluster }],
        users: [{ name: "admin", user: { token: this.token } }],
        contexts: [{ name: "e2e", context: { cluster: "e2e", user: "admin" } }],
        "current-context": "e2e",
      }),
    );
    return join(this.#folder, "kubeconfig");
  }

  #makeTokens(): void {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#write("sa.key", privateKey.export({ type: "pkcs8", format: "pem" }));
    this.#write("sa.pub", publicKey.export({ type: "spki", format: "pem" }));
    this.#write("tokens.csv", `${this.token},admin,admin,system:masters\n`);
  }

  #write(name: string, text: string | Buffer): void {
    writeFileSync(join(this.#folder, name), text, { mode: 0o600 });
  }
}

/** An error that ends a wait at once, because waiting is pointless. */
export class Hopeless extends Error {}

/** Polls until the check returns true; an exception counts as false, except Hopeless. */
export async function until(what: string, ask: () => Promise<boolean>, limitMs = START_MS): Promise<void> {
  const deadline = Date.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      if (await ask()) return;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`waited ${limitMs} ms until ${what}`, { cause: last });
    await sleep(100);
  }
}

function start(folder: string, name: string, args: string[]): ChildProcess {
  const log = openSync(join(folder, `${name}.log`), "a");
  return spawn(join(binaries, name), args, { cwd: folder, stdio: ["ignore", log, log] });
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await ended;
  clearTimeout(timer);
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
