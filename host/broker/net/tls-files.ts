/** What a TLS connection is made with, from PEM files that may be exchanged while the host runs. */
import { readFileSync, statSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";
import { Unreachable } from "./exchange.ts";
import { codeOf } from "./faults.ts";

export interface TlsTarget {
  /** Absent: the certificates that Node comes with. */
  readonly ca?: string | undefined;
  readonly serverName?: string | undefined;
  readonly client?: { readonly certificate: string; readonly key: string } | undefined;
  readonly minimum: "1.2" | "1.3";
}

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
  return orUnreadable(key, path, () => {
    const { mtimeMs, ctimeMs, size, ino } = statSync(path);
    return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
  });
}

function read(key: string, path: string): Buffer {
  if (key === "tls.key") assertHidden(key, path);
  return orUnreadable(key, path, () => readFileSync(path));
}

/** Less strict than with other secrets: certificates are exchanged by links, and a group is how a pod's user gets to read them. */
function assertHidden(key: string, path: string): void {
  const mode = orUnreadable(key, path, () => statSync(path).mode & 0o777);
  if ((mode & 0o007) === 0) return;
  const actual = mode.toString(8).padStart(4, "0");
  throw new Unreachable(
    `${key} ${path} has the mode ${actual}, others may have read it; it should be 0600, or 0640`,
  );
}

function orUnreadable<T>(key: string, path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new Unreachable(`${key} ${path} cannot be read (${codeOf(error) || "no reason"})`);
  }
}
