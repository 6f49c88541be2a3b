/** What a TLS connection is made with, from PEM files that may be exchanged while the host runs. */
import { statSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";
import { FileFault, readRegular, systemFault } from "../../lib/files.ts";
import { readSecretFile } from "../../lib/secret-files.ts";
import { Unreachable } from "./exchange.ts";
import { codeOf } from "./faults.ts";

export interface TlsTarget {
  /** Absent: the certificates that Node comes with. */
  readonly ca?: string | undefined;
  readonly serverName?: string | undefined;
  readonly client?: { readonly certificate: string; readonly key: string } | undefined;
  readonly minimum: "1.2" | "1.3";
}

/** A bundle of every public CA is a quarter of this. */
const MAX_BYTES = 1 << 20;

export class TlsContext {
  readonly #tls: TlsTarget;
  #known: { readonly stamp: string; readonly context: SecureContext } | undefined;

  constructor(tls: TlsTarget) {
    this.#tls = tls;
  }

  /** Made anew when one of its files changes. */
  get(): SecureContext {
    const { ca, client, minimum } = this.#tls;
    const named: readonly (readonly ["ca" | "cert" | "key", string, string | undefined])[] = [
      ["ca", "tls.ca", ca],
      ["cert", "tls.certificate", client?.certificate],
      ["key", "tls.key", client?.key],
    ];
    const files = named.flatMap(([option, key, path]) =>
      path === undefined ? [] : [{ option, key, path, stamp: stampOf(key, path) }],
    );
    const stamp = JSON.stringify(files);
    if (this.#known?.stamp === stamp) return this.#known.context;
    const bytes = files.map(({ option, key, path }) => [option, read(key, path)] as const);
    for (const [i, [option, content]] of bytes.entries()) {
      // Node takes such a file as a CA that has signed nothing, and who is at fault then seems to be the server. Not the whole line:
      // OpenSSL also reads TRUSTED ones.
      if (option !== "key" && !content.includes(" CERTIFICATE-----"))
        throw new Unreachable(`${files[i]?.key} ${files[i]?.path} has no PEM certificate in it`);
    }
    try {
      const context = createSecureContext({
        minVersion: minimum === "1.3" ? "TLSv1.3" : "TLSv1.2",
        ...Object.fromEntries(bytes),
      });
      this.#known = { stamp, context };
      return context;
    } catch (error) {
      const all = files.map(({ key, path }) => `${key} ${path}`).join(", ");
      throw new Unreachable(`${all}: PEM that cannot be used (${codeOf(error) || "no reason"})`);
    }
  }
}

// A few small files and a rare connection: no need to be asynchronous.
function stampOf(key: string, path: string): string {
  try {
    const { mtimeMs, ctimeMs, size, ino } = statSync(path);
    return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
  } catch (error) {
    throw new Unreachable(`${key} ${path} ${systemFault(path, error).text}`);
  }
}

function read(key: string, path: string): Buffer {
  const content = key === "tls.key" ? readSecretFile(path, MAX_BYTES, "given") : readRegular(path, MAX_BYTES);
  if (content instanceof FileFault) throw new Unreachable(`${key} ${path} ${content.text}`);
  return content;
}
