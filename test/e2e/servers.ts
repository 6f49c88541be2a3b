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

export class Etcd {
  readonly #folder: string;
  #url = "";
  #process: ChildProcess | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get url(): string {
    return this.#url;
  }

  async start(): Promise<void> {
    const [client, peer] = [await freePort(), await freePort()];
    this.#url = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    this.#process = start(this.#folder, "etcd", [
      "--name=e2e",
      `--data-dir=${join(this.#folder, "etcd-data")}`,
      `--listen-client-urls=${this.#url}`,
      `--advertise-client-urls=${this.#url}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=e2e=${peerUrl}`,
      "--unsafe-no-fsync",
      "--log-level=warn",
    ]);
    await until("etcd is healthy", async () => (await fetch(`${this.#url}/health`)).ok);
  }

  /** The stored bytes of one key, or of all keys under a prefix. */
  async values(key: string, prefix = false): Promise<Buffer[]> {
    const encode = (text: string) => Buffer.from(text).toString("base64");
    const end = key.slice(0, -1) + String.fromCharCode(key.charCodeAt(key.length - 1) + 1);
    const response = await fetch(`${this.#url}/v3/kv/range`, {
      method: "POST",
      body: JSON.stringify({ key: encode(key), ...(prefix ? { range_end: encode(end) } : {}) }),
    });
    const { kvs = [] } = (await response.json()) as { kvs?: { value: string }[] };
    return kvs.map(({ value }) => Buffer.from(value, "base64"));
  }

  async stop(): Promise<void> {
    await end(this.#process);
  }
}

export class ApiServer {
  readonly #folder: string;
  readonly #etcd: Etcd;
  readonly #token = randomBytes(16).toString("hex");
  #port = 0;
  #process: ChildProcess | undefined;

  /** @param socket the KMS plugin's, for Secrets, under the provider name "kleidi" */
  constructor(folder: string, etcd: Etcd, socket: string) {
    this.#folder = folder;
    this.#etcd = etcd;
    mkdirSync(join(folder, "certs"), { recursive: true });
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#write("sa.key", privateKey.export({ type: "pkcs8", format: "pem" }));
    this.#write("sa.pub", publicKey.export({ type: "spki", format: "pem" }));
    this.#write("tokens.csv", `${this.#token},admin,admin,system:masters\n`);
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

  async start(): Promise<void> {
    this.#port = await freePort();
    const file = (name: string) => join(this.#folder, name);
    this.#process = start(this.#folder, "kube-apiserver", [
      `--etcd-servers=${this.#etcd.url}`,
      "--bind-address=127.0.0.1",
      // Without a default route the server finds no address of its own, with one it would take the outer one.
      "--advertise-address=127.0.0.1",
      "--endpoint-reconciler-type=none",
      `--secure-port=${this.#port}`,
      `--cert-dir=${file("certs")}`,
      "--service-cluster-ip-range=10.0.0.0/24",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-signing-key-file=${file("sa.key")}`,
      `--service-account-key-file=${file("sa.pub")}`,
      `--token-auth-file=${file("tokens.csv")}`,
      "--authorization-mode=RBAC",
      `--encryption-provider-config=${file("encryption.yaml")}`,
    ]);
    await until("the API server is ready", async () => (await this.get("/readyz")).status === 200);
  }

  /** Replaces the EncryptionConfiguration, for the next start. */
  useEncryption(text: string): void {
    this.#write("encryption.yaml", text);
  }

  create(path: string, body: unknown): Promise<Answer> {
    return this.#ask("POST", path, body);
  }

  /** Writes a Secret back unchanged: an object that another provider wrote is encrypted anew. */
  async rewriteSecret(name: string): Promise<void> {
    const path = `/api/v1/namespaces/default/secrets/${name}`;
    const { status, body } = await this.#ask("PUT", path, JSON.parse((await this.get(path)).body));
    if (status !== 200) throw new Error(`rewriting Secret ${name} gave ${status}: ${body}`);
  }

  get(path: string): Promise<Answer> {
    return this.#ask("GET", path);
  }

  async createSecret(name: string, value: string): Promise<void> {
    const { status, body } = await this.#ask("POST", "/api/v1/namespaces/default/secrets", {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name },
      stringData: { value },
    });
    if (status !== 201) throw new Error(`creating Secret ${name} gave ${status}: ${body}`);
  }

  /** The Secret's value, or an error with what the API server said. */
  async readSecret(name: string): Promise<string> {
    const { status, body } = await this.get(`/api/v1/namespaces/default/secrets/${name}`);
    if (status !== 200) throw new Error(`reading Secret ${name} gave ${status}: ${body}`);
    return Buffer.from(JSON.parse(body).data.value, "base64").toString();
  }

  async stop(): Promise<void> {
    await end(this.#process);
  }

  #ask(method: string, path: string, body?: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: "127.0.0.1",
          port: this.#port,
          method,
          path,
          // The server made its certificate itself a moment ago.
          rejectUnauthorized: false,
          headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
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

  #write(name: string, text: string | Buffer): void {
    writeFileSync(join(this.#folder, name), text, { mode: 0o600 });
  }
}

/** Asks until the answer is yes; an exception is a no. */
export async function until(what: string, ask: () => Promise<boolean>, limitMs = START_MS): Promise<void> {
  const deadline = Date.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      if (await ask()) return;
    } catch (error) {
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

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
