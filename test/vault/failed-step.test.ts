/** A key that cannot use its KMS: its failure names the step, and so the remedy of this step. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type FaultName, remedyOfFault } from "../../host/error-table.ts";
import { Authority } from "../support/certificates.ts";
import { Fixture } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { Setup } from "../support/openbao-setup.ts";
import { untilWell } from "../support/until-well.ts";
import { vaultConfig } from "../support/vault-node.ts";

/** The log has the remedy of the fault. */
const STEPS: Record<string, FaultName> = {
  answer: "backend-unreachable/answer",
  file: "backend-unreachable/file",
  name: "backend-unreachable/name",
  connection: "backend-unreachable/connection",
  tls: "backend-unreachable/tls",
  time: "backend-unreachable/time",
  login: "credential-refused/login",
  policy: "credential-refused/policy",
};

const fixture = new Fixture();
let bao: OpenBao;
let silent: Server;
let log: readonly { readonly key?: string; readonly hint?: string }[] = [];

before(async () => {
  bao = await OpenBao.tls();
  const setup = new Setup(bao);
  await setup.kek();
  const written = (name: string, text: string) => {
    writeFileSync(join(fixture.folder, name), text, { mode: 0o600 });
    return name;
  };
  written("token", await setup.token({ policies: ["kek"] }));
  const poor = written("poor", await setup.token({ policies: ["default"] }));
  written("secret", "no-such-secret");
  silent = createServer(() => {}).listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const { port } = silent.address() as { port: number };
  const stranger = new Authority(join(fixture.folder, "stranger"), "another CA");

  const tls = { ca: bao.authority.file };
  const grants: Record<string, Record<string, unknown>> = {
    answer: { tls },
    file: { tls, credential: { vault: { auth: "token", file: "missing" } } },
    name: { tls, origin: "https://kms.invalid:8200" },
    connection: { origin: "http://127.0.0.1:1" },
    tls: { tls: { ca: stranger.file } },
    time: { origin: `http://127.0.0.1:${port}`, limits: { timeout: "500ms" } },
    login: {
      tls,
      credential: { vault: { auth: "approle", roleId: "no-such-role", secretId: { file: "secret" } } },
    },
    policy: { tls, credential: { vault: { auth: "token", file: poor } } },
  };
  const { providers, ...rest } = vaultConfig({ origin: bao.url });
  const { vault } = providers as { vault: { grants: { net: Record<string, unknown> } } };
  fixture.write(
    JSON.stringify({
      ...rest,
      providers: Object.fromEntries(
        Object.entries(grants).map(([name, net]) => [
          name,
          { ...vault, grants: { net: { ...vault.grants.net, ...net } } },
        ]),
      ),
      keys: Object.keys(grants).map((name) => ({
        name,
        provider: name,
        use: name === "answer" ? "active" : "decrypt",
        settings: { key: "kek" },
      })),
    }),
  );
  await fixture.serve();
  await bao.seal();
  await untilWell(async () => {
    log = fixture
      .readLog()
      .split("\n")
      .flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
    for (const step of Object.keys(STEPS)) assert.ok(hintOf(step), step);
  });
});

after(async () => {
  await fixture.close();
  silent.close();
  await bao.stop();
});

function hintOf(key: string): string | undefined {
  return log.find((line) => line.key === key && line.hint !== undefined)?.hint;
}

for (const [step, fault] of Object.entries(STEPS))
  test(`${step}: the log has the remedy of ${fault}`, () => assert.equal(hintOf(step), remedyOfFault(fault)));
