/**
 * A real OpenBao for a test, on loopback: in dev mode over plain http, or with file storage and TLS, where it can be sealed, killed
 * and started again. Built by test/openbao/build.sh. What a test wants in it is made by openbao-setup.ts.
 */
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority, type Certificate, type ServerNames } from "./certificates.ts";
import { freePort, ServerProcess } from "./openbao-server.ts";

/** What the API answers with; which of them depends on the path. */
export interface Body {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly auth?: { readonly client_token: string; readonly policies: readonly string[] } | null;
  readonly errors?: readonly string[];
  readonly [field: string]: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body as it came; `body` is {} where that is no JSON object. */
  readonly text: string;
  readonly body: Body;
}

export interface Ask {
  readonly token?: string | undefined;
  /** for the auth method "cert" */
  readonly client?: Certificate | undefined;
  readonly headers?: OutgoingHttpHeaders;
}

/** How to log in by one of the auth methods. */
export interface Login extends Pick<Ask, "client"> {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface TlsOptions extends ServerNames {
  /** false: leaves it as it is on the first day, without keys and sealed */
  readonly init?: boolean;
}

export class OpenBao {
  readonly folder = mkdtempSync(join(tmpdir(), "kleidi-openbao-"));
  readonly #server = new ServerProcess(this.folder);
  readonly #authority: Authority | undefined;
  #rootToken = `root-${randomBytes(8).toString("hex")}`;
  #unsealKey = "";
  #port = 0;

  private constructor(tls: boolean) {
    this.#authority = tls ? new Authority(join(this.folder, "pki")) : undefined;
  }

  /** In memory, unsealed, over http: what it holds is gone when it ends. */
  static dev(): Promise<OpenBao> {
    return OpenBao.#make(false, async () => {});
  }

  /** In files, over TLS by a CA of its own; one unseal key. */
  static tls({ init = true, ...names }: TlsOptions = {}): Promise<OpenBao> {
    return OpenBao.#make(
      true,
      async (server) => {
        if (!init) return;
        await server.init();
        await server.unseal();
      },
      names,
    );
  }

  static async #make(
    tls: boolean,
    ready: (server: OpenBao) => Promise<void>,
    names: ServerNames = {},
  ): Promise<OpenBao> {
    const server = new OpenBao(tls);
    try {
      if (tls) server.serverCertificate(names);
      await server.#listen();
      await ready(server);
      return server;
    } catch (error) {
      await server.stop();
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

  /** Makes the certificate that is presented from the next start, or the next reload(), on. */
  serverCertificate(names: ServerNames): void {
    const made = this.authority.server("server", names);
    copyFileSync(made.cert, join(this.folder, "tls.pem"));
    copyFileSync(made.key, join(this.folder, "tls-key.pem"));
  }

  /** One request, whatever is answered. `path` is what follows /v1/. */
  api(method: string, path: string, body?: unknown, token: string | Ask = this.#rootToken): Promise<Answer> {
    const ask = typeof token === "string" ? { token } : token;
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const options = {
      method,
      agent: false as const,
      headers: {
        ...(ask.token === undefined ? {} : { "x-vault-token": ask.token }),
        ...(sent === undefined ? {} : { "content-type": "application/json" }),
        ...ask.headers,
      },
      ...(ask.client === undefined
        ? {}
        : { cert: readFileSync(ask.client.cert), key: readFileSync(ask.client.key) }),
      ...(this.#authority === undefined
        ? {}
        : // Whoever asks here set this server up: a certificate that has expired is for others to stumble over.
          { ca: this.#authority.pem, rejectUnauthorized: false }),
    };
    return new Promise((resolve, reject) => {
      const url = new URL(`/v1/${path}`, this.url);
      const outgoing = (this.#authority === undefined ? httpRequest : httpsRequest)(
        url,
        options,
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk) => chunks.push(chunk));
          incoming.once("error", reject);
          incoming.once("end", () => {
            const text = Buffer.concat(chunks).toString();
            const { statusCode: status = 0, headers } = incoming;
            resolve({ status, headers, text, body: parse(text) });
          });
        },
      );
      outgoing.once("error", reject);
      outgoing.end(sent);
    });
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

  /** Resolves when it serves. */
  async unseal(): Promise<void> {
    await this.must("PUT", "sys/unseal", { key: this.#unsealKey }, {});
    const serves = async () => (await this.api("GET", "sys/health", undefined, {})).status === 200;
    await this.#server.until(serves);
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

  async stop(): Promise<void> {
    await this.#server.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The first start: at a port that is free, which somebody may take before OpenBao does. */
  async #listen(): Promise<void> {
    for (let left = 3; ; left--) {
      this.#port = await freePort();
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
    const config = join(this.folder, "bao.json");
    const tcp = {
      address,
      tls_cert_file: join(this.folder, "tls.pem"),
      tls_key_file: join(this.folder, "tls-key.pem"),
    };
    const storage = { file: { path: join(this.folder, "data") } };
    writeFileSync(config, JSON.stringify({ storage, listener: [{ tcp }], api_addr: this.url }));
    await this.#server.start(
      ["server", `-config=${config}`],
      async () => (await this.api("GET", "sys/seal-status", undefined, {})).status === 200,
    );
  }
}

function parse(text: string): Body {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Body) : {};
  } catch {
    return {};
  }
}
