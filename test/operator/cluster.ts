/**
 * A control plane on loopback: one etcd, and for each node a kleidi host, an API server and an agent. The manifests of
 * operator/ are installed unchanged, and the controller and the agents run with their service accounts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { ApiServer, type ApiServerOptions, Etcd, until } from "../e2e/servers.ts";
import { freePort } from "../support/admin.ts";
import { Fixture, type Key, localConfig, root } from "../support/fixture.ts";

export const NAMESPACE = "kleidi-system";
const PROGRAM = join(root, "operator", "kleidi-operator");
const PATHS: Record<string, string> = {
  ClusterRole: "clusterroles",
  ClusterRoleBinding: "clusterrolebindings",
  CustomResourceDefinition: "customresourcedefinitions",
  Role: "roles",
  RoleBinding: "rolebindings",
  ServiceAccount: "serviceaccounts",
  ValidatingAdmissionPolicy: "validatingadmissionpolicies",
  ValidatingAdmissionPolicyBinding: "validatingadmissionpolicybindings",
};

/** A running program, and the port of its probes. */
export interface Program {
  readonly process: ChildProcess;
  readonly port: number;
  readonly log: string;
}

export class Node {
  readonly name: string;
  readonly fixture = new Fixture();
  readonly api: ApiServer;
  readonly #admin: number;
  #host: ChildProcess | undefined;

  constructor(name: string, admin: number, etcd: Etcd, options: ApiServerOptions) {
    this.name = name;
    this.#admin = admin;
    this.api = new ApiServer(this.fixture.folder, etcd, this.fixture.socket, options);
  }

  get admin(): string {
    return `127.0.0.1:${this.#admin}`;
  }

  configure(keys: readonly Key[], changes: Record<string, unknown> = {}): this {
    this.fixture.write(localConfig(keys, { admin: { listen: this.admin }, ...changes }));
    return this;
  }

  /** Copies the keys of another node, like an operator. */
  copyKeys(from: Node): this {
    cpSync(join(from.fixture.folder, "keys"), join(this.fixture.folder, "keys"), { recursive: true });
    return this;
  }

  async startHost(): Promise<void> {
    if (this.#host !== undefined) await Fixture.stop(this.#host);
    this.#host = await this.fixture.serve();
  }

  async restartApi(): Promise<void> {
    await this.api.stop();
    await this.api.start();
  }
}

export class Cluster {
  readonly folder = mkdtempSync(join(tmpdir(), "kleidi-operator-"));
  readonly etcd = new Etcd(this.folder);
  readonly nodes: Node[] = [];
  readonly #programs = new Set<ChildProcess>();
  #started = 0;

  get api(): ApiServer {
    const [node] = this.nodes;
    if (node === undefined) throw new Error("the cluster has not started");
    return node.api;
  }

  /**
   * Starts nodes whose hosts hold the same keys.
   * @param flags for the API servers
   */
  async start(
    keys: readonly Key[],
    { nodes = 2, flags = [] }: { nodes?: number; flags?: readonly string[] } = {},
  ): Promise<void> {
    const one = new Node("cp-1", await freePort(), this.etcd, { flags }).configure(keys);
    for (const { name } of keys) one.fixture.keyInit(name);
    this.nodes.push(one);
    for (let at = 2; at <= nodes; at++) {
      const options = { flags, tokensOf: one.api };
      const next = new Node(`cp-${at}`, await freePort(), this.etcd, options);
      this.nodes.push(next.configure(keys).copyKeys(one));
    }
    await Promise.all([this.etcd.start(), ...this.nodes.map((node) => node.startHost())]);
    for (const { api } of this.nodes) await api.start();
    writeFileSync(
      join(this.folder, "ca.crt"),
      this.nodes.map(({ api }) => readFileSync(api.certificate, "utf8")).join("\n"),
    );
    await this.create("/api/v1/namespaces", { metadata: { name: NAMESPACE } });
    for (const { name } of this.nodes) await this.create("/api/v1/nodes", { metadata: { name } });
    for (const file of ["kleidinodes", "encryptionpolicies", "keyrotations"])
      await this.install(`crds/${file}.yaml`);
    for (const file of ["operator", "agent"]) await this.install(`manifests/${file}.yaml`);
    await until(
      "the resources are served",
      async () => (await this.api.get("/apis/kleidi.dev/v1alpha1/keyrotations")).status === 200,
    );
  }

  /** Creates every object in a file of operator/. */
  async install(file: string): Promise<void> {
    for (const document of parseAllDocuments(readFileSync(join(root, "operator", file), "utf8"))) {
      const object = document.toJSON();
      const { namespace } = object.metadata;
      const base = object.apiVersion === "v1" ? "/api/v1" : `/apis/${object.apiVersion}`;
      const scope = namespace === undefined ? "" : `/namespaces/${namespace}`;
      await this.create(`${base}${scope}/${PATHS[object.kind]}?fieldValidation=Strict`, object);
    }
  }

  async create(path: string, body: object): Promise<void> {
    const answer = await this.api.ask("POST", path, body);
    if (answer.status !== 201) throw new Error(`${path} gave ${answer.status}: ${answer.body}`);
  }

  /** A token of a service account, bound to a node if one is given, like the tokens of the kubelet. */
  async token(account: string, node?: string): Promise<string> {
    const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${account}/token`;
    const boundObjectRef = node === undefined ? undefined : { kind: "Node", apiVersion: "v1", name: node };
    const { body } = await this.api.ask("POST", path, { spec: { expirationSeconds: 3600, boundObjectRef } });
    const file = join(this.folder, `${account}-${node ?? "any"}.token`);
    writeFileSync(file, JSON.parse(body).status.token, { mode: 0o600 });
    return file;
  }

  async startAgent(node: Node, options: readonly string[] = []): Promise<Program> {
    const token = await this.token("kleidi-agent", node.name);
    return await this.run("agent", token, [
      "--node",
      node.name,
      "--admin",
      node.admin,
      "--api-server",
      node.api.url,
      "--interval",
      "1",
      ...options,
    ]);
  }

  async startController(identity: string, options: readonly string[] = []): Promise<Program> {
    const token = await this.token("kleidi-operator");
    const quick = ["--interval", "1", "--idle-interval", "1", "--lease-seconds", "3", "--retry-seconds", "3"];
    return await this.run("controller", token, [
      "--namespace",
      NAMESPACE,
      "--identity",
      identity,
      ...quick,
      ...options,
    ]);
  }

  async run(command: string, token: string, options: readonly string[]): Promise<Program> {
    const port = await freePort();
    this.#started += 1;
    const log = join(this.folder, `${command}-${this.#started}.log`);
    const sink = openSync(log, "a");
    const common = [
      "--server",
      this.api.url,
      "--token-file",
      token,
      "--ca-file",
      join(this.folder, "ca.crt"),
    ];
    const child = spawn(PROGRAM, [command, ...common, "--listen", `127.0.0.1:${port}`, ...options], {
      stdio: ["ignore", sink, sink],
    });
    this.#programs.add(child);
    child.once("exit", () => this.#programs.delete(child));
    return { process: child, port, log };
  }

  async get<T>(path: string): Promise<T> {
    const { status, body } = await this.api.get(path);
    if (status !== 200) throw new Error(`${path} gave ${status}: ${body}`);
    return JSON.parse(body) as T;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#programs].map((each) => Fixture.stop(each, "SIGKILL")));
    // Stop the API servers first: without etcd they take long to exit.
    await Promise.all(this.nodes.map(({ api }) => api.stop()));
    await this.etcd.stop();
    for (const { fixture } of this.nodes) await fixture.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
