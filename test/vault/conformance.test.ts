/** The Vault provider passes the conformance kit against a real OpenBao: all levels, a rotation, and a server that hangs. */
import { after, before, test } from "node:test";
import { assertPassesKit } from "../support/conformance-run.ts";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { allowFor, vaultModule, vaultNode } from "../support/vault-node.ts";

let bao: OpenBao;
let setup: Setup;

before(async () => {
  bao = await OpenBao.dev();
  setup = new Setup(bao);
  await setup.transit();
});
after(() => bao.stop());

test("vault passes all levels", async (t) => {
  await setup.key("kek");
  await setup.policy("kek", keyRules("kek"));
  const token = await setup.token({ policies: ["kek"] });
  const rotator = await setup.token({ policies: ["root"] });
  const node = vaultNode({ origin: bao.url, token, net: { allow: allowFor("kek") } });
  const url = new URL("/v1/transit/keys/kek/rotate", bao.url);
  const rotate = `fetch("${url}",{method:"POST",headers:{"x-vault-token":"${rotator}"}}).then(({ok})=>process.exit(ok?0:1))`;
  // On a busy machine a thread that runs answers a moment longer.
  const stop = `kill -STOP ${bao.pid}; while grep -L 'State:.*T' /proc/${bao.pid}/task/*/status | grep -q .; do sleep 0.05; done`;
  const options = ["--stop", stop, "--start", `kill -CONT ${bao.pid}`];
  const names = ["kms_out_of_reach"];
  try {
    await assertPassesKit(t, { module: vaultModule, config: node.config, rotate, options, names });
  } finally {
    await node.close();
  }
});
