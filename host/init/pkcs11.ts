/** The template of the pkcs11 provider: a KEK in an HSM. */
import type { Template } from "./template.ts";
import { scalar, shellWord } from "./words.ts";

const GRANT = ["providers", "pkcs11", "grants", "pkcs11"] as const;

export const pkcs11: Template = {
  name: "pkcs11",
  about: "an HSM with a PKCS #11 module",
  questions: [
    {
      name: "hsm-module",
      value: "<file>",
      about: "the PKCS #11 module of the HSM's vendor",
      key: [...GRANT, "module"],
    },
    { name: "hsm-token", value: "<label>", about: "the label of the token", key: [...GRANT, "token"] },
    {
      name: "hsm-pin-file",
      value: "<file>",
      about: "the file with the PIN, of mode 0600",
      key: [...GRANT, "pin", "file"],
      byDefault: "/etc/kleidi/pin",
    },
    {
      name: "hsm-mechanism",
      value: "<name>",
      about: "how the token uses the key: aes-gcm or aes-kw, where it has no AES-GCM",
      key: [...GRANT, "mechanism"],
      byDefault: "aes-gcm",
    },
    {
      name: "hsm-config",
      value: "<file>",
      about: "the configuration file that the module reads; none if it needs none",
      key: [...GRANT, "reads", 0],
      optional: true,
    },
    {
      name: "hsm-config-variable",
      value: "<name>",
      about: "the environment variable that names this file to the module: SOFTHSM2_CONF for SoftHSM",
      optional: true,
      concerns: ({ "hsm-config": config }) => config !== undefined,
    },
    {
      name: "hsm-folder",
      value: "<folder>",
      about: "the folder whose files the module changes, like the tokens of SoftHSM; none if it changes none",
      key: [...GRANT, "writes", 0],
      optional: true,
    },
    {
      name: "hsm-server",
      value: "<server>",
      about: "the name or the address of the HSM in the network; none if it is not reached by the network",
      key: [...GRANT, "servers", 0],
      optional: true,
    },
  ],
  section: () => [],
  grants: (answers) => {
    const { key = "", "hsm-config": config, "hsm-config-variable": variable } = answers;
    const { "hsm-folder": folder, "hsm-server": server } = answers;
    return [
      "pkcs11:",
      `  module: ${scalar(answers["hsm-module"] ?? "")} # runs in a process of its own, behind the wall`,
      `  token: ${scalar(answers["hsm-token"] ?? "")}`,
      `  pin: { file: ${scalar(answers["hsm-pin-file"] ?? "")} } # goes to that process only`,
      `  keys: [${scalar(key)}] # the provider can use these keys of the token and no others`,
      `  mechanism: ${scalar(answers["hsm-mechanism"] ?? "")} # permanent: the key_id is derived from it too`,
      ...(config !== undefined && variable !== undefined
        ? [`  environment: { ${variable}: ${scalar(config)} }`]
        : []),
      ...(config === undefined ? [] : [`  reads: [${scalar(config)}] # beside the libraries of the system`]),
      ...(folder === undefined ? [] : [`  writes: [${scalar(folder)}]`]),
      ...(server === undefined ? [] : [`  servers: [${scalar(server)}] # gives the module the network`]),
    ];
  },
  steps: ({
    key = "",
    "hsm-module": module = "",
    "hsm-token": token = "",
    "hsm-pin-file": pin = "",
    ...answers
  }) => {
    const { "hsm-config": config = "", "hsm-config-variable": variable } = answers;
    const usage = answers["hsm-mechanism"] === "aes-kw" ? " --usage-wrap" : "";
    const environment = variable === undefined ? "" : `${variable}=${shellWord(config)} `;
    return [
      `put the PIN into ${pin}, one line, readable by the user of the host only`,
      `create the key, on one node only: ${environment}PIN="$(cat ${shellWord(pin)})" pkcs11-tool --module ${shellWord(module)} --token-label ${shellWord(token)} --login --pin env:PIN --keygen --key-type aes:32 --label ${shellWord(key)} --id 01 --sensitive${usage}`,
    ];
  },
};
