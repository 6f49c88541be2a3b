/** Rules that involve several keys, for `credential.vault`. */
import { mapping } from "../../../../schema/outline.ts";
import type { Rule } from "../../../../schema/rule.ts";

export const RULES: readonly Rule[] = [
  {
    description: "`auth: cert` needs the host's own certificate, `tls.certificate`.",
    *check({ document, providers = [] }) {
      for (const { name, grants } of providers) {
        const vault = mapping(mapping(grants.net?.credential)?.vault);
        if (vault?.auth !== "cert" || Object.hasOwn(mapping(grants.net?.tls) ?? {}, "certificate")) continue;
        yield document.fault(["providers", name, "grants", "net", "credential", "vault", "auth"], {
          expected: "another auth method, or a certificate to log in with",
          actual: "cert without tls.certificate",
          remedy: "write: tls: { certificate: /etc/kleidi/client.pem, key: /etc/kleidi/client-key.pem }",
        });
      }
    },
  },
];
