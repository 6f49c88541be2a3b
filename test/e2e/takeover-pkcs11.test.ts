/** A cluster moves from the Go kleidi with SoftHSM to kleidí, which uses the same token: the walk of takeover-walk.ts. */
import { randomBytes } from "node:crypto";
import { describe } from "node:test";
import { parse } from "yaml";
import { GO_KLEIDI_KEY, startGoKleidi } from "../support/go-kleidi.ts";
import { Page } from "../support/page.ts";
import { pkcs11Config } from "../support/pkcs11-node.ts";
import { SoftHsm } from "../support/softhsm.ts";
import { walkTakeover } from "./takeover-walk.ts";

const page = new Page("operate/from-kleidi-go.md");
const [shown = ""] = page.blocks("Configure both keys", "yaml");
const { keys, providers } = parse(shown);
const { token, keys: granted, foreign } = providers.hsm.grants.pkcs11;
const [, old] = keys;

describe("from the Go kleidi with SoftHSM to kleidí", () => {
  const key = randomBytes(32);
  let hsm: SoftHsm;

  walkTakeover({
    plugin: "kleidi-go-softhsm",
    page,
    oldKey: old.name,
    // The plugin cannot rotate its key.
    keyIds: [GO_KLEIDI_KEY, GO_KLEIDI_KEY],
    async start() {
      hsm = new SoftHsm(token);
      hsm.importKey(foreign[0], key);
      for (const label of granted) hsm.addKey(label);
    },
    async configure(fixture) {
      const rest = { keys, admin: { listen: "unix:admin.sock" } };
      fixture.write(pkcs11Config(hsm, {}, { keys: granted, foreign }, rest));
    },
    serve: (socket) => startGoKleidi(hsm, key, socket),
    async rotate() {},
    async deleteKey() {
      hsm.removeKey(GO_KLEIDI_KEY);
    },
    stop: async () => hsm?.close(),
  });
});
