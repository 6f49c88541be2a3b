/** kleidi provider sign: signs a module in the form that `trust` of a configuration demands. */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { KNOWN } from "../capabilities/registry.ts";
import { pathErrorText } from "../lib/path-fault.ts";
import { stringifyAscii } from "../lib/text.ts";
import { replaceFile } from "../lib/write-files.ts";
import { examine } from "../module/examine.ts";
import { endOfDay, hasEnded } from "../module/trust/days.ts";
import { readSignatures } from "../module/trust/files.ts";
import { MinisignError, parseSignature } from "../module/trust/minisign.ts";
import { readSecretKey, type SecretKey, SecretKeyFault } from "../module/trust/secret-key.ts";
import { signatureOf } from "../module/trust/sign.ts";
import { readModuleFile } from "./module-file.ts";
import { EXIT, print } from "./output.ts";
import { UsageError } from "./usage-error.ts";

export interface ProviderSignOptions {
  readonly key?: string;
  readonly expires?: string;
  readonly out?: string;
  readonly json: boolean;
}

/** @throws UsageError: the module, the key or the date cannot be used; KleidiError module-invalid: no host would admit the module */
export function providerSignCommand(path: string, options: ProviderSignOptions): number {
  const { expires, json } = options;
  assertDay(expires);
  const { bytes, sha256 } = readModuleFile(path);
  const { manifest } = examine(basename(path, ".wasm"), bytes, KNOWN);
  const key = keyOf(options, path);
  const signature = options.out ?? `${path}.minisig`;
  assertReplaceable(signature, key.id, path);
  const words = [`provider:${manifest.name}`, `version:${manifest.version}`, `sha256:${sha256}`];
  const comment = [...words, ...(expires === undefined ? [] : [`expires:${expires}`])].join(" ");
  write(signature, signatureOf(key, bytes, comment));
  const { name: provider, version } = manifest;
  const { id: keyId, publicKey } = key;
  print(
    json
      ? stringifyAscii({ ok: true, provider, version, sha256, signature, keyId, publicKey, expires, comment })
      : [
          `Signed provider "${provider}" ${version} with the key ${keyId}, ${expires === undefined ? "without a last day" : `until ${expires}`}.`,
          signature,
          "",
          "trust:",
          "  keys:",
          `    - { name: NAME, key: ${publicKey} }`,
        ].join("\n"),
  );
  return EXIT.SUCCESS;
}

function assertDay(day: string | undefined): void {
  if (day === undefined) return;
  if (Number.isNaN(endOfDay(day)))
    throw new UsageError(`Cannot use --expires ${JSON.stringify(day)}: expected a day as YYYY-MM-DD`);
  if (hasEnded(day, new Date()))
    throw new UsageError(
      `Cannot use --expires ${day}: the day has ended in UTC; no host would admit the module`,
    );
}

function keyOf({ key }: ProviderSignOptions, path: string): SecretKey {
  if (key === undefined)
    throw new UsageError(
      'Cannot sign without --key: give the file of a secret key, which "minisign -G -W -p NAME.pub -s NAME.key" creates',
    );
  try {
    return readSecretKey(key);
  } catch (error) {
    if (!(error instanceof SecretKeyFault)) throw error;
    const remedy = error.hasPassword
      ? `; sign with minisign itself: minisign -S -s ${key} -t "kleidi expires:YYYY-MM-DD" -m ${path}`
      : "";
    throw new UsageError(`Cannot sign ${path}: ${error.message}${remedy}`, { cause: error });
  }
}

/** A signature by another key counts too: with a threshold a module needs several. */
function assertReplaceable(signature: string, keyId: string, module: string): void {
  if (!existsSync(signature)) return;
  const other = keyIdIn(signature);
  if (other === keyId) return;
  const what = other === undefined ? "is not a signature" : `is by the key ${other}`;
  throw new UsageError(
    `Cannot replace ${signature}: it ${what}; remove it, or keep it and give --out ${module}.NAME.minisig`,
  );
}

function keyIdIn(path: string): string | undefined {
  const [file] = readSignatures([path]);
  if (file === undefined || "fault" in file) return undefined;
  try {
    return parseSignature(file.text).keyId;
  } catch (error) {
    if (!(error instanceof MinisignError)) throw error;
    return undefined;
  }
}

function write(path: string, text: string): void {
  try {
    replaceFile(path, text);
  } catch (error) {
    throw new UsageError(`Cannot write the signature ${path}: ${pathErrorText(path, error, "create")}`, {
      cause: error,
    });
  }
}
