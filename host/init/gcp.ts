/** The template of the gcp provider: a KEK in Google Cloud KMS. */
import type { Answers, Template } from "./template.ts";
import { scalar, shellWord } from "./words.ts";

const GCP = ["providers", "gcp", "grants", "net", "credential", "gcp"] as const;

export const gcp: Template = {
  name: "gcp",
  about: "Google Cloud KMS",
  questions: [
    {
      name: "crypto-key",
      value: "<name>",
      about: "the resource name of the key, projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY",
    },
    {
      name: "gcp-source",
      value: "<source>",
      about: "the source of the host's Google identity: metadata or service-account",
      key: [...GCP, "source"],
      oneOf: ["metadata", "service-account"],
      byDefault: "metadata",
    },
    {
      name: "gcp-key-file",
      value: "<file>",
      about: "the JSON key of the service account, of mode 0600",
      key: [...GCP, "file"],
      concerns: ({ "gcp-source": source }) => source === "service-account",
    },
  ],
  section: () => [],
  grants: ({ "crypto-key": name = "", ...answers }) => [
    "net:",
    "  origin: https://cloudkms.googleapis.com # the only server that the provider can contact",
    "  allow: # the provider can send these requests and no others",
    ...[`GET /v1/${name}`, `POST /v1/${name}/cryptoKeyVersions/`, `POST /v1/${name}:decrypt`].map(
      (line) => `    - ${JSON.stringify(line)}`,
    ),
    "  credential: # the host adds the access token; the provider never sees one",
    "    gcp:",
    ...sourceOf(answers).map((line) => `      ${line}`),
  ],
  settings: ({ "crypto-key": name = "" }) => [`key: ${scalar(name)} # the same name as in the grant`],
  steps: ({ "crypto-key": name = "", "gcp-source": source, "gcp-key-file": file = "" }) => [
    `in Google Cloud: create the key, "gcloud kms keys create ${shellWord(name)} --purpose=encryption"`,
    "bind roles/cloudkms.cryptoKeyEncrypterDecrypter and roles/cloudkms.viewer on the key, and nothing else, to the identity of the host (docs/operate/gcp.md)",
    ...(source === "service-account"
      ? [`put the key of the service account into ${file}, readable by the user of the host only`]
      : []),
  ],
};

function sourceOf({ "gcp-source": source, "gcp-key-file": file = "" }: Answers): string[] {
  if (source === "service-account")
    return [
      "source: service-account # a key, whose assertion is exchanged for a token",
      `file: ${scalar(file)} # read at each login`,
      "oauth: https://oauth2.googleapis.com # gives the token",
    ];
  return [
    "source: metadata # the service account of this machine",
    "endpoint: http://169.254.169.254 # the metadata service, which the host contacts because of this line only",
  ];
}
