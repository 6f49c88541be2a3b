/**
 * The formats of other plugins over a Transit key (docs/foreign-formats.md). Their ciphertexts are Transit's own, without associated data;
 * their key ids name a version of the key.
 */
import { StatusReply } from "../../../sdk/assemblyscript/assembly";

const VAULT_KUBERNETES_KMS = "vault-kubernetes-kms";
const KLEIDI_GO_VAULT = "kleidi-go-vault";

export function isKnownFormat(format: string): bool {
  return format === VAULT_KUBERNETES_KMS || format === KLEIDI_GO_VAULT;
}

/** Adds the key ids under which the other plugin stores what the versions of the reply decrypt. */
export function addForeignKeyIds(reply: StatusReply, format: string): void {
  reply.foreign_key_ids.push(keyIdOf(reply.version, format));
  for (let i = 0; i < reply.older_versions.length; i++) {
    reply.foreign_key_ids.push(keyIdOf(reply.older_versions[i], format));
  }
}

/** `version`: its number, the Unix time of its creation, and the hash of its place, with dots between. */
function keyIdOf(version: string, format: string): string {
  const parts = version.split(".");
  return format === VAULT_KUBERNETES_KMS ? parts[0] : "kleidi-kms-plugin_" + parts[0] + "_" + parts[1];
}
