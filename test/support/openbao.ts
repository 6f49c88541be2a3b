/**
 * A real OpenBao for a test, on loopback: in dev mode over plain http, or with file storage and TLS, where it can be sealed, killed and
 * restarted, or two nodes, of which one is the standby. Built by test/openbao/build.sh. openbao-setup.ts creates the objects that a test
 * needs in it.
 */
import { randomBytes } from "node:crypto";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Authority, type ServerNames } from "./certificates.ts";
import { type Answer, type Ask, ask, type Body, type Login } from "./openbao-api.ts";
import { freePort, ServerProcess } from "./openbao-server.ts";

export type { Answer, Ask, Body, Login };

export interface TlsOptions extends ServerNames {
  /** false: leaves it in its initial state, without keys and sealed */
  readonly init?: boolean;
  /** "raft" can have a standby; "file" (the default) starts faster */
  readonly storage?: "file" | "raft";
}

export class OpenBao {
  readonly folder = mkdtempSync(join(tmpdir(), "kleidi-openbao-"));
  readonly #server = new ServerProcess(this.folder);
  readonly #authority: Authority | undefined;
  readonly #storage: "file" | "raft" | undefined;
  #rootToken = `root-${randomBytes(8).toString("hex")}`;
  #unsealKey = "";
  #port = 0;
  #clusterPort = 0;

  private constructor(storage?: "file" | "raft") {
    this.#storage = storage;
    this.#authority = storage === undefined ? undefined : new Authority(join(this.folder, "pki"));
  }

  /** In memory, unsealed, over http: its data is gone when it ends. */
  static dev(): Promise<OpenBao> {
    return new OpenBao().#first(async () => {});
  }

  /** On disk, over TLS with its own CA; one unseal key. */
  static tls({ init = true, storage = "file", ...names }: TlsOptions = {}): Promise<OpenBao> {
    const server = new OpenBao(storage);
    return server.#first(async () => {
      if (!init) return;
      await server.init();
      await server.unseal();
    }, names);
  }

  /** Two nodes with the same storage; they change roles when the active one steps down, is sealed or ends. */
  static async pair(): Promise<{ active: OpenBao; standby: OpenBao }> {
    const active = await OpenBao.tls({ storage: "raft" });
    const standby = new OpenBao("raft");
    try {
      await standby.#first(() => standby.#join(active));
      return { active, standby };
    } catch (error) {
      await active.stop();
      throw error;
    }
  }

  async #first(ready: () => Promise<void>, names: ServerNames = {}): Promise<OpenBao> {
    try {
      if (this.#authority !== undefined) this.serverCertificate(names);
      await this.#listen();
      await ready();
      return this;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  get url(): string {
    return `${this.#authority === undefined ? "http" : "https"}://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get rootToken(): string {
    return this.#rootToken;
  }

  get pid(): number | undefined {
    return this.#server.pid;
  }

  get log(): string {
    return readFileSync(this.#server.log, "utf8");
  }

  /** The CA that signed its certificate, and signs those of clients. */
  get authority(): Authority {
    if (this.#authority === undefined)
      throw new Error("OpenBao in dev mode has no certificates: use OpenBao.tls()");
    return this.#authority;
  }

  /** Makes the certificate for the next start or SIGHUP. */
  serverCertificate(names: ServerNames): void {
    const made = this.authority.server("server", names);
    copyFileSync(made.cert, join(this.folder, "tls.pem"));
    copyFileSync(made.key, join(this.folder, "tls-key.pem"));
  }

  /** Sends one request and returns any answer. `path` is the part after /v1/. */
  api(method: string, path: string, body?: unknown, token: string | Ask = this.#rootToken): Promise<Answer> {
    const by = typeof token === "string" ? { token } : token;
    return ask(method, new URL(`/v1/${path}`, this.url), body, by);
  }

  /** The same, but any status except 2xx fails the test. */
  async must(method: string, path: string, body?: unknown, token?: string | Ask): Promise<Body> {
    const answer = await this.api(method, path, body, token);
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    throw new Error(`${method} /v1/${path} gave ${answer.status}: ${answer.text}`);
  }

  /** @returns the token */
  async login({ path, body, client }: Login): Promise<string> {
    const { auth } = await this.must("POST", path, body, { client });
    if (!auth) throw new Error(`POST /v1/${path} gave no token`);
    return auth.client_token;
  }

  async init(): Promise<void> {
    const made = await this.must("PUT", "sys/init", { secret_shares: 1, secret_threshold: 1 }, {});
    this.#rootToken = String(made.root_token);
    [this.#unsealKey] = made.keys_base64 as [string];
  }

  async seal(): Promise<void> {
    await this.must("PUT", "sys/seal");
  }

  /** Resolves when it serves, or is on standby. */
  async unseal(): Promise<void> {
    await this.must("PUT", "sys/unseal", { key: this.#unsealKey }, {});
    await this.#untilHealth(this.#storage === "raft" ? [200, 429] : [200]);
  }

  /** Gives the active role to the standby, and does not take it back for ten seconds. */
  async stepDown(): Promise<void> {
    await this.must("PUT", "sys/step-down");
  }

  /** Restarts it at the same address: with files it is sealed then, in dev mode it is empty. */
  async restart(): Promise<void> {
    await this.#server.end();
    await this.#start();
  }

  /** Restarts it after kill(). */
  start(): Promise<void> {
    return this.#start();
  }

  /** SIGKILL; its address refuses connections until start(). */
  kill(): Promise<void> {
    return this.#server.end("SIGKILL");
  }

  /** Makes it hang until SIGCONT. Resolves when all its threads have stopped: one that still runs could answer a request. */
  async hang(): Promise<void> {
    this.signal("SIGSTOP");
    const tasks = `/proc/${this.#server.pid}/task`;
    const isStopped = (task: string) =>
      /^\d+ \(.*\) T /.test(readFileSync(join(tasks, task, "stat"), "latin1"));
    while (!readdirSync(tasks).every(isStopped)) await sleep(5);
  }

  /** SIGCONT makes it continue; SIGHUP makes it reload its certificate. */
  signal(name: NodeJS.Signals): void {
    this.#server.signal(name);
  }

  /** Ends it for good: its data is removed, so no clean shutdown is needed. */
  async stop(): Promise<void> {
    await this.#server.end("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The first start, at a free port that another program may take before OpenBao does. */
  async #listen(): Promise<void> {
    for (let left = 3; ; left--) {
      this.#port = await freePort();
      this.#clusterPort = await freePort();
      try {
        await this.#start();
        return;
      } catch (error) {
        if (left === 1 || !String(error).includes("address already in use")) throw error;
      }
    }
  }

  async #start(): Promise<void> {
    const address = `127.0.0.1:${this.#port}`;
    if (this.#authority === undefined) {
      const token = `-dev-root-token-id=${this.#rootToken}`;
      await this.#server.start(
        ["server", "-dev", token, `-dev-listen-address=${address}`, "-dev-no-store-token"],
        async () => (await this.api("GET", "auth/token/lookup-self")).status === 200,
      );
      return;
    }
    const path = join(this.folder, "data");
    mkdirSync(path, { recursive: true });
    const config = {
      storage:
        this.#storage === "file"
          ? { file: { path } }
          : { raft: { path, node_id: address, performance_multiplier: "1" } },
      listener: [
        {
          tcp: {
            address,
            cluster_address: `127.0.0.1:${this.#clusterPort}`,
            tls_cert_file: join(this.folder, "tls.pem"),
            tls_key_file: join(this.folder, "tls-key.pem"),
          },
        },
      ],
      api_addr: this.url,
      cluster_addr: `https://127.0.0.1:${this.#clusterPort}`,
    };
    const file = join(this.folder, "bao.json");
    writeFileSync(file, JSON.stringify(config));
    await this.#server.start(
      ["server", `-config=${file}`],
      async () => (await this.api("GET", "sys/seal-status", undefined, {})).status === 200,
    );
  }

  async #join(active: OpenBao): Promise<void> {
    this.#rootToken = active.#rootToken;
    this.#unsealKey = active.#unsealKey;
    const leader = { leader_api_addr: active.url, leader_ca_cert: active.authority.pem };
    await this.must("POST", "sys/storage/raft/join", leader, {});
    await this.must("PUT", "sys/unseal", { key: this.#unsealKey }, {});
    await this.#untilHealth([429]);
  }

  /** 200: active. 429: standby. */
  async #untilHealth(statuses: readonly number[]): Promise<void> {
    await this.#server.until(async () => {
      const { status } = await this.api("GET", "sys/health", undefined, {});
      return statuses.includes(status);
    });
  }
}
