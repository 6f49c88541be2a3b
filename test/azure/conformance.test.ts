/** The azure provider passes the conformance kit against the stand-in for Azure, with keys of both kinds: all levels, and a rotation. */
import { after, before, test } from "node:test";
import { FakeAzure } from "../support/azure/azure.ts";
import { rotate } from "../support/azure/vault.ts";
import { azureModule, azureNode, machineOf } from "../support/azure-node.ts";
import { assertPassesKit, withRotator } from "../support/conformance-run.ts";

let azure: FakeAzure;
before(async () => {
  azure = await FakeAzure.start();
});
after(() => azure.close());

for (const kind of ["RSA", "oct-HSM"])
  test(`azure passes all levels with a key of type ${kind}`, async (t) => {
    const key = azure.vault.create(kind);
    const node = azureNode({ azure, key: key.name, ...machineOf(azure) });
    try {
      await withRotator(
        () => rotate(key),
        (program) => assertPassesKit(t, { module: azureModule, config: node.config, rotate: program }),
      );
    } finally {
      await node.close();
    }
  });
