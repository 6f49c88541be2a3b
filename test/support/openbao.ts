/**
 * A real OpenBao for a test, on loopback: in dev mode over plain http, or with file storage and TLS, where it can be sealed, killed
 * and started again, or two of them, of which one is the standby. Built by test/openbao/build.sh. What a test wants in it is made by
 * openbao-setup.ts.
 */
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority, type ServerNames } from "./certificates.ts";
import { type Answer, type Ask, ask, type Body, type Login } from "./openbao-api.ts";
import { freePort, ServerProcess } from "./openbao-server.ts";

export type { Answer, Ask, Body, Login };

export interface TlsOptions extends ServerNames {
  /** false: leaves it as it is on the first day, without keys and sealed */
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

  /** In memory, unsealed, over http: what it holds is gone when it ends. */
  static dev(): Promise<OpenBao> {
    return new OpenBao().#first(async () => {});
  }

  /** On disk, over TLS by a CA of its own; one unseal key. */
  static tls({ init = true, storage = "file", ...names }: TlsOptions = {}): Promise<OpenBao> {
    const server = new OpenBao(storage);
    return server.#first(async () => {
      if (!init) return;
      await server.init();
      await server.unseal();
    }, names);
  }

  /** Two with the same storage; they change places when the active one steps down, is sealed or ends. */
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

  /** Signed its certificate, and signs those of clients. */
  get authority(): Authority {
    if (this.#authority === undefined)
      throw new Error("OpenBao in dev mode has no certificates: use OpenBao.tls()");
    return this.#authority;
  }

  /** Makes the certificate that is presented from the next start or SIGHUP on. */
  serverCertificate(names: ServerNames): void {
    const made = this.authority.server("server", names);
    copyFileSync(made.cert, join(this.folder, "tls.pem"));
    copyFileSync(made.key, join(this.folder, "tls-key.pem"));
  }

  /** One request, whatever is answered. `path` is what follows /v1/. */
  api(method: string, path: string, body?: unknown, token: string | Ask = this.#rootToken): Promise<Answer> {
    const by = typeof token === "string" ? { token } : token;
    return ask(method, new URL(`/v1/${path}`, this.url), body, by);
  }

  /** The same where anything but a 2xx is a fault of the test. */
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

  /** Resolves when it serves, or stands by. */
  async unseal(): Promise<void> {
    await this.must("PUT", "sys/unseal", { key: this.#unsealKey }, {});
    await this.#untilHealth(this.#storage === "raft" ? [200, 429] : [200]);
  }

  /** Gives its place to the standby, and does not want it back for ten seconds. */
  async stepDown(): Promise<void> {
    await this.must("PUT", "sys/step-down");
  }

  /** Ends it and starts it at the same address: with files it is sealed then, in dev mode it is empty. */
  async restart(): Promise<void> {
    await this.#server.end();
    await this.#start();
  }

  /** Starts it again after kill(). */
  start(): Promise<void> {
    return this.#start();
  }

  /** SIGKILL; its address refuses connections until start(). */
  kill(): Promise<void> {
    return this.#server.end("SIGKILL");
  }

  /** SIGSTOP makes it hang and SIGCONT go on; SIGHUP has it read its certificate again. */
  signal(name: NodeJS.Signals): void {
    this.#server.signal(name);
  }

  /** For good: nothing of it is left, so there is nothing to end well. */
  async stop(): Promise<void> {
    await this.#server.end("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The first start: at a port that is free, which somebody may take before OpenBao does. */
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

  /** 200: it serves. 429: it stands by. */
  async #untilHealth(statuses: readonly number[]): Promise<void> {
    await this.#server.until(async () => {
      const { status } = await this.api("GET", "sys/health", undefined, {});
      return statuses.includes(status);
    });
  }
}
