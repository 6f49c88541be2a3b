/** Opens kleidi:pkcs11: a token for each provider. The process of a module starts with the first operation. */
import type { OpenContext, Opened } from "../capability.ts";
import type { Pkcs11Config } from "./grant.ts";
import { openPkcs11 } from "./pkcs11.ts";
import { startOf } from "./start.ts";
import { TokenClient } from "./token-client.ts";

export function open({ grants, log, onCredential, startNative }: OpenContext<Pkcs11Config>): Opened {
  const tokens = new Map(
    [...grants].map(([provider, grant]) => {
      const { module, token, pin, environment } = grant;
      const client = new TokenClient({
        module,
        token,
        pinFile: pin.file,
        environment,
        start: startOf(grant, startNative),
        onOpened: () => {
          log("info", { provider, token }, "the host has logged in to the token");
          onCredential({ provider, event: "login" });
        },
        onFailed: ({ message }) => {
          log("warn", { provider, token, why: message }, "the token cannot be used");
          onCredential({ provider, event: "failed", why: message });
        },
      });
      return [provider, client] as const;
    }),
  );
  return openPkcs11(tokens);
}
