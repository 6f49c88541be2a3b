/** Grants of pkcs11 that parseConfig refuses. */
import { type RefusedText, testRefusals } from "../../test/support/config-faults.ts";

const configuration = (grant: string) => `apiVersion: kleidi.dev/v1
listen: { socket: /run/kms.sock }
providers:
  one:
    module: a
    sha256: ${"0123456789abcdef".repeat(4)}
    grants:
      pkcs11:
        module: /usr/lib/module.so
        token: kleidi
        pin: { file: /etc/kleidi/pin }
        ${grant}
keys:
  - { name: kek-1, provider: one, use: active }
`;
const KEYS = "keys: [kek-1]";
/** A second provider, which has the first one's key as a foreign one. */
const OTHER = `  two:
    module: a
    sha256: ${"0123456789abcdef".repeat(4)}
    grants:
      pkcs11:
        module: /usr/lib/module.so
        token: kleidi
        pin: { file: /etc/kleidi/pin }
        foreign: [kek-1]
keys:
  - {`;
const GRANT = "providers.one.grants.pkcs11";

const refused: RefusedText[] = [];
const refuses = (name: string, place: string, grant: string) =>
  refused.push({ name, text: configuration(grant), place });

refuses("a grant without keys and foreign", `9:9 ${GRANT}`, "rpcs: [status]");
refuses("an empty list of foreign keys", `12:18 ${GRANT}.foreign`, "foreign: []");
refuses(
  "a label for kleidí and for another plugin",
  `13:24 ${GRANT}.foreign[1]`,
  `${KEYS}\n        foreign: [old, kek-1]`,
);
refuses("a mechanism without keys", `13:20 ${GRANT}.mechanism`, "foreign: [old]\n        mechanism: aes-kw");
refused.push(
  ...["/etc/kleidi/module.so", "/module.so", "/etc/module.so"].map((path) => ({
    name: `a module beside a PIN: ${path}`,
    text: configuration(KEYS).replace("/usr/lib/module.so", path),
    place: `9:17 ${GRANT}.module`,
  })),
  {
    name: "a label of another plugin that another provider encrypts with",
    text: configuration(KEYS)
      .replace("keys:\n  - {", OTHER)
      .concat("  - { name: kek-2, provider: two, use: decrypt }\n"),
    place: "21:19 providers.two.grants.pkcs11.foreign[0]",
  },
);
refuses("an empty list of keys", `12:15 ${GRANT}.keys`, "keys: []");
refuses("a label with a line end", `12:16 ${GRANT}.keys[0]`, 'keys: ["a\\nb"]');
refuses("a label of 256 bytes", `12:16 ${GRANT}.keys[0]`, `keys: ["${"é".repeat(128)}"]`);
refuses(
  "an environment variable that is inherited",
  `13:22 ${GRANT}.environment`,
  `${KEYS}\n        environment: [PATH]`,
);
refuses(
  "a server with a scheme",
  `13:19 ${GRANT}.servers[0]`,
  `${KEYS}
        servers: ["http://hsm"]`,
);
refuses("a PIN in the configuration", `13:9 ${GRANT}.password`, `${KEYS}\n        password: "1234"`);

testRefusals("grants of pkcs11", refused);
