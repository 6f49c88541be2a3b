/** The losses of a KEK in a TPM, each followed by its section of docs/recovery.md. The TPM is a virtual one. */
import assert from "node:assert/strict";
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Page } from "../support/page.ts";
import { Swtpm } from "../support/swtpm.ts";
import type { WalkedControlPlane } from "./walked-plane.ts";

const recovery = new Page("recovery.md");
const WAY_BACK = "The TPM was cleared or replaced";
const NODE_GONE = "A node with a key in a TPM is gone";
const SOCKET = "/var/lib/tpm/tpm.sock";

/** @param machine an API server with kleidí, whose objects are all in the clear or readable with the keys in its folders */
export function tpmLosses(machine: WalkedControlPlane): void {
  describe("recovery.md: a KEK in a TPM", () => {
    const board = mkdtempSync(join(tmpdir(), "kleidi-board-"));
    let tpm: Swtpm;
    let version = "";

    before(async () => {
      const folder = join(machine.root, "var/lib/tpm");
      mkdirSync(folder);
      tpm = await Swtpm.start("unix", folder);
      admit();
      machine.useProvider("tpm", { tpm: { device: `swtpm:${SOCKET}` }, state: { names: ["kek-2026"] } });
      machine.walkBlock("install -d -m 0700 -o kleidi -g kleidi /var/lib/kleidi/state /run/escrow");
      const made = machine.mustRun(
        "runuser -u kleidi -- kleidi key init kek-2026 --json --escrow /run/escrow/kek-2026.hex",
      );
      ({ version } = JSON.parse(made));
      machine.walkBlock("install -m 0600 /run/escrow/kek-2026.hex /root/; rm --recursive /run/escrow");
      machine.serveAnew();
      machine.remember("under-the-tpm");
      machine.walkBlock("rm --recursive --force /root/kleidi-backup; install -d -m 0700 /root/kleidi-backup");
      machine.walkBlock("cp --archive /etc/kleidi /root/kleidi-backup/");
    });
    after(async () => {
      await tpm.stop();
      rmSync(board, { recursive: true });
    });

    /** The user of the host may use the TPM. */
    function admit(): void {
      const { uid, gid } = statSync(join(machine.root, "var/lib/kleidi/keys"));
      chownSync(tpm.socket, uid, gid);
    }

    function assertBack(): void {
      machine.restartApiServer();
      machine.assertReadable();
    }

    test("tpm2_clear", async () => {
      machine.mustRun("systemctl stop kleidi.service");
      await tpm.tool("tpm2_clear", "-c", "p");
      const { status, text } = machine.run("runuser -u kleidi -- kleidi check --live");
      assert.equal(status, 1, text);
      assert.match(text, /this TPM's storage primary is not the parent of the key/);
      machine.walk(recovery, WAY_BACK);
      assertBack();
    });

    test("another board, and nothing but the escrowed bytes and the configuration on a new node", async () => {
      machine.mustRun("systemctl stop kleidi.service");
      await tpm.kill();
      await tpm.start(board);
      admit();
      machine.mustRun("rm --recursive /etc/kleidi/* /var/lib/kleidi/state");
      machine.walk(recovery, NODE_GONE);
      machine.configureAsShown(recovery, NODE_GONE);
      machine.configure(({ keys: [key], ...rest }) => ({ ...rest, keys: [{ ...key, version }] }));
      machine.walk(recovery, WAY_BACK);
      assertBack();
    });
  });
}
