/** The template of the azure provider: a KEK in Azure Key Vault or Managed HSM. */
import type { Answers, Template } from "./template.ts";
import { scalar, shellWord } from "./words.ts";

const NET = ["providers", "azure", "grants", "net"] as const;
const AZURE = [...NET, "credential", "azure"] as const;
const isApplication = ({ "azure-source": source }: Answers) => source !== "managed-identity";

export const azure: Template = {
  name: "azure",
  about: "Azure Key Vault or Managed HSM",
  questions: [
    {
      name: "vault",
      value: "<url>",
      about: "the vault, as https://NAME.vault.azure.net or https://NAME.managedhsm.azure.net",
      key: [...NET, "origin"],
    },
    {
      name: "azure-source",
      value: "<source>",
      about: "the source of the host's Azure identity: managed-identity, client-certificate or client-secret",
      key: [...AZURE, "source"],
      oneOf: ["managed-identity", "client-certificate", "client-secret"],
      byDefault: "managed-identity",
    },
    {
      name: "tenant",
      value: "<id>",
      about: "the id of the application's tenant",
      key: [...AZURE, "tenant"],
      concerns: isApplication,
    },
    {
      name: "client",
      value: "<id>",
      about: "the id of the application",
      key: [...AZURE, "client"],
      concerns: isApplication,
    },
    {
      name: "azure-file",
      value: "<file>",
      about: "the PEM file with certificate and key, or the file of the client secret, of mode 0600",
      key: [...AZURE, "file"],
      concerns: isApplication,
    },
  ],
  section: () => [],
  grants: ({ key = "", vault = "", ...answers }) => [
    "net:",
    `  origin: ${scalar(vault)} # the only server that the provider can contact`,
    "  allow: # the provider can send these requests and no others",
    ...[`GET /keys/${key}`, `GET /keys/${key}/versions`, `POST /keys/${key}/`].map((line) => {
      const more = line.endsWith("/versions") ? "&maxresults=25" : "";
      return `    - ${JSON.stringify(`${line}?api-version=7.4${more}`)}`;
    }),
    "  credential: # the host adds the access token; the provider never sees one",
    "    azure:",
    ...sourceOf(answers).map((line) => `      ${line}`),
    ...(vault.includes(".managedhsm.")
      ? ["      resource: https://managedhsm.azure.net # the audience of the token"]
      : []),
  ],
  steps: ({ key = "", "azure-source": source, "azure-file": file = "" }) => [
    `in Azure: create the key, "az keyvault key create --name ${shellWord(key)} --ops wrapKey unwrapKey", of type RSA-HSM, or in a Managed HSM oct-HSM of 256 bits`,
    "assign the role Key Vault Crypto Service Encryption User on the key, and nothing else, to the identity of the host (docs/operate/azure.md)",
    ...(source === "managed-identity"
      ? []
      : [`put the ${source?.replace("-", " ")} into ${file}, readable by the user of the host only`]),
  ],
};

function sourceOf({
  "azure-source": source = "",
  tenant = "",
  client = "",
  "azure-file": file = "",
}: Answers): string[] {
  if (source === "managed-identity")
    return [
      "source: managed-identity # the identity of this machine",
      "endpoint: http://169.254.169.254 # the metadata service, which the host contacts because of this line only",
    ];
  return [
    `source: ${source} # an application of Microsoft Entra ID`,
    `tenant: ${scalar(tenant)} # its directory`,
    `client: ${scalar(client)} # its id, which is not secret`,
    `file: ${scalar(file)} # read at each login`,
    "login: https://login.microsoftonline.com # gives the token",
  ];
}
