/** Runs the sections of docs/recovery.md about keys in a TPM and in Vault, on a machine with a real systemd, etcd and kube-apiserver. */
import { after, before, describe } from "node:test";
import { requireDebian } from "../support/debian.ts";
import { tpmLosses } from "./tpm-losses.ts";
import { vaultLosses } from "./vault-losses.ts";
import { WalkedControlPlane } from "./walked-plane.ts";

requireDebian(["debootstrap", "swtpm", "systemd-container", "tpm2-tools"]);

describe("a control plane with keys in a KMS", () => {
  const machine = new WalkedControlPlane();

  before(async () => {
    await machine.start();
    machine.install();
  });
  after(() => machine.close());

  tpmLosses(machine);
  vaultLosses(machine);
});
