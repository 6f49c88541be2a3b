/** Grants with `credential.azure` that parseConfig refuses. */
import { type RefusedText, testRefusals } from "../../test/support/config-faults.ts";

const configuration = (allow: string, credential: string) => `apiVersion: kleidi.dev/v1
listen: { socket: /run/kms.sock }
providers:
  one:
    module: a
    sha256: ${"0123456789abcdef".repeat(4)}
    grants:
      net:
        origin: https://kek-vault.vault.azure.net
        allow: ["${allow}"]
        credential:
          azure:
            ${credential}
keys:
  - { name: kek-1, provider: one, use: active }
`;
const LINE = "POST /keys/kek/?api-version=7.4";
const MACHINE = "{ source: managed-identity, endpoint: 'http://169.254.169.254' }";
const SECRET =
  "{ source: client-secret, tenant: 11111111-2222-3333-4444-555555555555, client: 66666666-7777-8888-9999-000000000000, file: /s, login: 'https://login.microsoftonline.com' }";
const NET = "providers.one.grants.net";
const AZURE = `13:13 ${NET}.credential.azure`;

const refused: RefusedText[] = [];
const refuses = (name: string, place: string, credential: string, allow = LINE) =>
  refused.push({ name, text: configuration(allow, credential), place });

for (const endpoint of ["http://169.254.169.253", "https://169.254.169.254", "http://169.254.169.254/x"])
  refuses(
    `the metadata service ${endpoint}`,
    `13:51 ${NET}.credential.azure.endpoint`,
    MACHINE.replace("http://169.254.169.254", endpoint),
  );
refuses("a metadata service without its address", AZURE, "{ source: managed-identity }");
refuses(
  "a secret without its tenant",
  AZURE,
  SECRET.replace(" tenant: 11111111-2222-3333-4444-555555555555,", ""),
);
refuses(
  "a tenant of another source",
  AZURE,
  MACHINE.replace(" }", ", tenant: 11111111-2222-3333-4444-555555555555 }"),
);
refuses(
  "a tenant by its name",
  `13:46 ${NET}.credential.azure.tenant`,
  SECRET.replace("11111111-2222-3333-4444-555555555555", "example.com"),
);
refuses(
  "a resource with a path",
  `13:87 ${NET}.credential.azure.resource`,
  MACHINE.replace(" }", ", resource: 'https://vault.azure.net/' }"),
);
for (const allow of [
  "POST /keys/kek/create?api-version=7.4",
  "POST /keys/kek/0123456789abcdef0123456789abcdef/decrypt?api-version=7.4",
  "POST /keys/kek/",
  "DELETE /keys/kek?api-version=7.4",
  "GET /keys/?api-version=7.4",
  "GET /secrets/kek?api-version=7.4",
])
  refuses(`the request ${allow}`, `10:17 ${NET}.allow[0]`, MACHINE, allow);

testRefusals("credential.azure", refused);
