/** Configurations to render: a realistic one for each kind of authority. */
const SHA = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const HEAD = `apiVersion: kleidi.dev/v1
listen: { socket: /run/kleidi/kms.sock, mode: "0660", group: GROUP }
`;
const KEYS = "keys: [{ name: kek-2026, provider: main, use: active }]\n";

function head(group: string): string {
  return HEAD.replace("GROUP", group);
}

function provider(grants: string): string {
  return `providers:\n  main: { module: providers/main.wasm, sha256: ${SHA}, grants: ${grants} }\n${KEYS}`;
}

const KEYSTORE = "keystore: { directory: /var/lib/kleidi/keys }\n";
const LOCAL = provider("{ keystore: { keys: [kek-2026] } }");
const AUDIT =
  "audit: { file: /var/log/kleidi/audit.jsonl, checkpoints: { key: /etc/kleidi/secret/audit.key } }\n";
const ALLOW = "allow: [POST /v1/transit/encrypt/kek-2026]";
const FILES =
  "tls: { ca: /etc/kleidi/tls/ca.pem }, credential: { vault: { auth: token, file: /run/vault/token } }";

/** Software keys, without a network. */
export const local = head("kleidi-socket") + KEYSTORE + LOCAL;
/** The same for a pod: with numeric groups, and probes over loopback. */
export const localPod = `${head("65533")}${KEYSTORE}${LOCAL}${AUDIT}admin: { listen: "127.0.0.1:9464" }\n`;
export const tpm = `${head("kleidi-socket")}state: { directory: /var/lib/kleidi/state }\n${provider(
  "{ tpm: { device: /dev/tpmrm0 }, state: { names: [kek-2026] } }",
)}`;
/** A server with a host name, whose address is not in the configuration. */
export const vault =
  head("65533") + provider(`{ net: { origin: "https://vault.example:8200", ${ALLOW}, ${FILES} } }`);
/** A server with an IP address. */
export const vaultAddress = `${head("65533")}${provider(
  `{ net: { origin: "https://10.20.0.5:8200", ${ALLOW}, networks: [10.20.0.0/16], ${FILES} } }`,
)}sandbox: { wall: landlock }\n`;
export const talos = localPod
  .replace("65533", "65534")
  .replace("providers/main.wasm", "/opt/kleidi/providers/main.wasm")
  .replace("/etc/kleidi/secret", "/var/lib/kleidi/secret");
/** The module where an image volume is mounted. */
export const moduleFromImage = localPod.replace("providers/main.wasm", "/opt/kleidi/modules/main.wasm");
/** The same, with a second provider whose module is in that folder. */
export const twoModules = moduleFromImage
  .replace(
    "\nkeys:",
    `\n  second: { module: /opt/kleidi/modules/second.wasm, sha256: ${SHA}, grants: {} }\nkeys:`,
  )
  .replace("keys: [{", "keys: [{ name: old, provider: second, use: decrypt }, {");
