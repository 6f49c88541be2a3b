/** A control-plane node without a distribution: etcd and kube-apiserver are services of a real systemd; kubectl and etcdctl are installed. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { binaries } from "../e2e/servers.ts";
import { Machine } from "../packages/machine.ts";

const TOOLS = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "kleidi", "install-bin");
const PKI = "/etc/kubernetes/pki";
const unit = (after: string, command: readonly string[]) => `[Unit]
After=${after}

[Service]
Type=notify
ExecStart=${command.join(" ")}
Restart=always
RestartSec=500ms
TimeoutStartSec=120s
`;
const ETCD = unit("network.target", [
  "/usr/local/bin/etcd",
  "--data-dir=/var/lib/etcd",
  "--listen-client-urls=http://127.0.0.1:2379",
  "--advertise-client-urls=http://127.0.0.1:2379",
  "--log-level=warn",
]);
const API_SERVER = unit("etcd.service", [
  "/usr/local/bin/kube-apiserver",
  "--etcd-servers=http://127.0.0.1:2379",
  "--bind-address=127.0.0.1",
  "--advertise-address=127.0.0.1",
  "--endpoint-reconciler-type=none",
  "--secure-port=6443",
  `--cert-dir=${PKI}`,
  "--service-cluster-ip-range=10.0.0.0/24",
  "--service-account-issuer=https://kubernetes.default.svc",
  `--service-account-signing-key-file=${PKI}/sa.key`,
  `--service-account-key-file=${PKI}/sa.pub`,
  `--token-auth-file=${PKI}/tokens.csv`,
  "--authorization-mode=RBAC",
]);

export class ControlPlane extends Machine {
  /** Boots the machine and waits until the API server serves. */
  async start(): Promise<void> {
    for (const name of ["etcd", "kube-apiserver"]) this.#program(join(binaries, name));
    for (const name of ["kubectl", "etcdctl", "etcdutl"]) this.#program(join(TOOLS, name));
    this.#write("/etc/systemd/system/etcd.service", ETCD);
    // The API server notifies systemd only if it can be reached from outside. Here it counts as started at once.
    this.#write("/etc/systemd/system/kube-apiserver.service", API_SERVER.replace("notify", "exec"));
    // debootstrap leaves this step to the installer.
    this.#write("/etc/hosts", "127.0.0.1 localhost\n", 0o644);
    this.#writeIdentity();
    await this.boot();
    this.mustRun("systemctl start etcd.service kube-apiserver.service");
    this.untilReady();
  }

  /** Waits until the API server is ready, at most two minutes. */
  untilReady(): void {
    this.mustRun("timeout 120 sh -c 'until kubectl get --raw /readyz >/dev/null 2>&1; do sleep 0.5; done'");
  }

  /** Reads the value of a Secret from the API server. */
  secret(name: string): string {
    const value = this.mustRun(`kubectl get secret ${name} --output 'jsonpath={.data.value}'`);
    return Buffer.from(value, "base64").toString();
  }

  createSecret(name: string, value: string): void {
    this.mustRun(`kubectl create secret generic ${name} --from-literal=value=${value}`);
  }

  /** Reads the first bytes of a Secret in etcd, as text. They name the provider that wrote it. */
  storedPrefix(name: string): string {
    return this.mustRun(
      `etcdctl get /registry/secrets/default/${name} --print-value-only | head --bytes 22 | tr --delete '\\0'`,
    );
  }

  #program(path: string): void {
    const to = join(this.root, "usr/local/bin", path.slice(dirname(path).length));
    copyFileSync(path, to);
  }

  #writeIdentity(): void {
    const token = randomBytes(16).toString("hex");
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#write(`${PKI}/sa.key`, privateKey.export({ type: "pkcs8", format: "pem" }));
    this.#write(`${PKI}/sa.pub`, publicKey.export({ type: "spki", format: "pem" }));
    this.#write(`${PKI}/tokens.csv`, `${token},admin,admin,system:masters\n`);
    const cluster = { server: "https://127.0.0.1:6443", "certificate-authority": `${PKI}/apiserver.crt` };
    const kubeconfig = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "local", cluster }],
      users: [{ name: "admin", user: { token } }],
      contexts: [{ name: "local", context: { cluster: "local", user: "admin" } }],
      "current-context": "local",
    };
    this.#write("/root/.kube/config", JSON.stringify(kubeconfig));
  }

  #write(path: string, content: string | Buffer, mode = 0o600): void {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content, { mode });
  }
}
