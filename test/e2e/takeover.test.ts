/** A cluster moves from vault-kubernetes-kms to kleidí: the walk of takeover-walk.ts with a real OpenBao. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import { parse } from "yaml";
import { startForeignPlugin } from "../support/foreign-plugin.ts";
import { OpenBao } from "../support/openbao.ts";
import { Setup } from "../support/openbao-setup.ts";
import { Page } from "../support/page.ts";
import { vaultConfig } from "../support/vault-node.ts";
import { walkTakeover } from "./takeover-walk.ts";

const page = new Page("operate/from-vault-kubernetes-kms.md");

describe("from vault-kubernetes-kms to kleidí", () => {
  let bao: OpenBao;
  let setup: Setup;

  walkTakeover({
    plugin: "vault-kubernetes-kms",
    page,
    oldKey: "old-transit",
    keyIds: ["1", "2"],
    async start() {
      bao = await OpenBao.dev();
      setup = new Setup(bao);
      await setup.transit();
      for (const key of ["kms", "kek-2026"]) await setup.key(key);
      // As the page says.
      await setup.policy("kleidi", {
        "transit/keys/kek-2026": ["read"],
        "transit/encrypt/kek-2026": ["update"],
        "transit/decrypt/kek-2026": ["update"],
        "transit/keys/kms": ["read"],
        "transit/decrypt/kms": ["update"],
      });
    },
    async configure(fixture) {
      const [shown = ""] = page.blocks("Configure both keys", "yaml");
      const { keys, providers } = parse(shown);
      const net = { allow: providers.vault.grants.net.allow };
      const rest = { keys, admin: { listen: "unix:admin.sock" } };
      fixture.write(JSON.stringify(vaultConfig({ origin: bao.url, net, rest })));
      const token = await setup.token({ policies: ["kleidi"] });
      writeFileSync(join(fixture.folder, "token"), `${token}\n`, { mode: 0o600 });
    },
    serve: (socket) => startForeignPlugin(bao, "kms", socket),
    rotate: () => setup.rotate("kms"),
    deleteKey: () => setup.deleteKey("kms"),
    stop: async () => await bao?.stop(),
  });
});
