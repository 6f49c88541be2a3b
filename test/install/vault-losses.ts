/** The losses of a KEK in Transit, each followed by its section of docs/recovery.md. The server is an OpenBao on the same machine. */
import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { bao } from "../support/openbao-server.ts";
import { Page } from "../support/page.ts";
import { untilWell } from "../support/until-well.ts";
import type { WalkedControlPlane } from "./walked-plane.ts";

const recovery = new Page("recovery.md");
const RESTORED = "Vault was restored from a snapshot";
const ORIGIN = "http://127.0.0.1:8200";
const SERVER = {
  storage: { raft: { path: "/var/lib/bao", node_id: "one", performance_multiplier: "1" } },
  listener: [{ tcp: { address: "127.0.0.1:8200", tls_disable: true } }],
  api_addr: ORIGIN,
  cluster_addr: "https://127.0.0.1:8201",
};
const POLICY = ["keys", "encrypt", "decrypt"].map(
  (each) => `path "transit/${each}/kek-2026" { capabilities = ["${each === "keys" ? "read" : "update"}"] }`,
);

export function vaultLosses(machine: WalkedControlPlane): void {
  describe("recovery.md: a KEK in Vault", () => {
    let root = "";
    const vault = (command: string) =>
      machine.mustRun(`BAO_ADDR=${ORIGIN} BAO_TOKEN=${root} timeout 60 sh -c '${command}'`);

    before(() => {
      copyFileSync(bao, join(machine.root, "usr/local/bin/bao"));
      writeFileSync(join(machine.root, "etc/bao.json"), JSON.stringify(SERVER));
      machine.walkBlock("install -d /var/lib/bao\nsystemd-run --unit bao bao server -config=/etc/bao.json");
      vault(
        "until bao operator init -key-shares=1 -key-threshold=1 -format=json >/root/bao-keys; do sleep 0.2; done",
      );
      const { root_token, unseal_keys_b64 } = JSON.parse(machine.mustRun("cat /root/bao-keys"));
      root = root_token;
      vault(`bao operator unseal ${unseal_keys_b64[0]}`);
      vault("until bao secrets enable transit; do sleep 0.2; done");
      vault("bao write transit/keys/kek-2026 type=aes256-gcm96");
      writeFileSync(join(machine.root, "root/kek.hcl"), POLICY.join("\n"));
      vault("bao policy write kek kek.hcl");
      vault(
        "install -m 0600 -o kleidi -g kleidi /dev/null /etc/kleidi/token; bao token create -policy=kek -period=24h -field=token >/etc/kleidi/token",
      );
      machine.useProvider("vault", {
        net: {
          origin: ORIGIN,
          allow: [
            "GET /v1/transit/keys/kek-2026",
            "POST /v1/transit/encrypt/kek-2026",
            "POST /v1/transit/decrypt/kek-2026",
          ],
          credential: { vault: { auth: "token", file: "token" } },
        },
      });
      machine.serveAnew();
      machine.remember("under-vault");
      machine.walkBlock("rm --recursive --force /root/kleidi-backup; install -d -m 0700 /root/kleidi-backup");
      machine.walkBlock("cp --archive /etc/kleidi /root/kleidi-backup/");
      vault("bao operator raft snapshot save /root/vault.snapshot");
    });

    const restore = () => vault("bao operator raft snapshot restore /root/vault.snapshot");

    test("the node is gone", () => {
      machine.mustRun("systemctl disable --now kleidi.service; rm --recursive /etc/kleidi/*");
      machine.walk(recovery, "A node with a key in Vault is gone");
      machine.restartApiServer();
      machine.assertReadable();
    });

    test("a snapshot with every version was restored: kleidí continues by itself", () => {
      vault("bao write transit/keys/kek-2026/config deletion_allowed=true");
      vault("bao delete transit/keys/kek-2026");
      restore();
      machine.mustRun("kleidi healthcheck --wait 60s");
      machine.restartApiServer();
      machine.assertReadable();
    });

    test("a snapshot from before a rotation was restored: the API server that runs still has the Secrets", async () => {
      await loseVersion();
      machine.walk(recovery, RESTORED);
      machine.restartApiServer();
      machine.assertReadable();
    });

    test("without such an API server, what was written under the lost version is lost, and nothing else", async () => {
      await loseVersion();
      machine.mustRun("systemctl restart kleidi.service; kleidi healthcheck --wait 60s");
      machine.assertNotReady("unable to transform key");
      const [find = "", remove = ""] = recovery.blocks("One damaged Secret keeps the API server from ready");
      assert.equal(machine.mustRun(find), 'unable to transform key "/registry/secrets/default/rotated"');
      machine.walkBlock(remove.replaceAll("default/damaged", "default/rotated"));
      machine.forget("rotated");
      machine.assertReadable();
    });

    /** Rotates the key, writes a Secret under the new version, and restores Vault as it was before. */
    async function loseVersion(): Promise<void> {
      const before = keyId();
      vault("bao write -f transit/keys/kek-2026/rotate");
      await untilWell(async () => assert.notEqual(keyId(), before));
      machine.restartApiServer();
      machine.run("kubectl delete secret rotated");
      machine.remember("rotated");
      restore();
      machine.mustRun("timeout 60 sh -c 'while kleidi healthcheck; do sleep 0.2; done'");
    }

    /** The hash of the key_id that Status gives. */
    function keyId(): string {
      const [hash] = /sha256 [0-9a-f]+/.exec(machine.mustRun("kleidi healthcheck")) ?? [];
      return hash ?? "";
    }
  });
}
