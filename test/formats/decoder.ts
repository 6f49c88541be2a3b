/**
 * A second reader of docs/formats.md, written from the page with nothing but Node's crypto. It shares no code with the host: a mistake in both
 * would have to be made twice.
 */
import { createDecipheriv, createHash, hkdfSync } from "node:crypto";

export interface StoredObject {
  readonly keyId: string;
  readonly ciphertext: Buffer;
  readonly annotations: Readonly<Record<string, Buffer>>;
}

/** Opens the ciphertext of a member: its key_id, ciphertext, annotations and associated data → the share; undefined: it cannot. */
export type OpenMember = (
  keyId: string,
  ciphertext: Buffer,
  annotations: readonly [string, Buffer][],
  associatedData: (provider: string) => Buffer,
) => Buffer | undefined;

function parts(label: string, ...all: string[]): Buffer {
  const chunks = all.flatMap((part) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(Buffer.byteLength(part));
    return [length, Buffer.from(part)];
  });
  return Buffer.concat([Buffer.from(`${label}\0`), ...chunks]);
}

const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest("base64url");

export function keyIdOf(key: string, version: string): string {
  return `k1.${hash(parts("kleidi key_id 1", key, version))}`;
}

export function simpleData(provider: string, keyId: string): Buffer {
  return parts("kleidi 1", provider, keyId);
}

export function decodeObject(key: string, object: StoredObject, open: OpenMember): Buffer {
  const { ciphertext, annotations, keyId } = object;
  if (annotations["format.kleidi.dev"]?.toString() !== "2") throw new Error("format");
  if (ciphertext[0] !== 1) throw new Error("layout");
  const mode = { 1: "anyOf", 2: "allOf" }[ciphertext[1] ?? 0];
  let at = 3;
  const keyIds = Array.from({ length: ciphertext[2] ?? 0 }, () => {
    const length = ciphertext[at] ?? 0;
    at += 1 + length;
    return ciphertext.subarray(at - length, at).toString("latin1");
  });
  if (keyIdOf(key, `${mode}.${hash(parts("kleidi members 1", ...keyIds))}`) !== keyId)
    throw new Error("key_id");
  const header = ciphertext.subarray(0, at);
  const nonce = ciphertext.subarray(at, at + 12);
  const sealed = ciphertext.subarray(at + 12, -16);
  const wraps = keyIds.map((_, i) => annotations[`wrap-${i + 1}.kleidi.dev`]);
  const shares = wraps.map((wrap, i) => wrap && shareOf(wrap, keyIds[i] ?? "", key, open));
  const bound = wraps.flatMap((wrap = Buffer.alloc(0)) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(wrap.length);
    return [length, wrap];
  });
  const tries: [Buffer | undefined, Buffer][] =
    mode === "anyOf"
      ? shares.map((share) => [share, header])
      : [
          [
            shares.includes(undefined) ? undefined : Buffer.concat(shares as Buffer[]),
            Buffer.concat([header, ...bound]),
          ],
        ];
  for (const [input, data] of tries) {
    if (input === undefined) continue;
    const secret = Buffer.from(hkdfSync("sha256", input, "", parts("kleidi composed 1", keyId), 32));
    const cipher = createDecipheriv("aes-256-gcm", secret, nonce)
      .setAAD(data)
      .setAuthTag(ciphertext.subarray(-16));
    try {
      return Buffer.concat([cipher.update(sealed), cipher.final()]);
    } catch {}
  }
  throw new Error("no share opens the seal");
}

function shareOf(wrap: Buffer, keyId: string, composed: string, open: OpenMember): Buffer | undefined {
  const length = wrap.readUInt16BE(0);
  const ciphertext = wrap.subarray(2, 2 + length);
  let at = 4 + length;
  const annotations = Array.from({ length: wrap.readUInt16BE(2 + length) }, (): [string, Buffer] => {
    const name = wrap.subarray(at + 1, at + 1 + (wrap[at] ?? 0));
    const size = wrap.readUInt16BE(at + 1 + name.length);
    at += 3 + name.length + size;
    return [name.toString(), wrap.subarray(at - size, at)];
  });
  return open(keyId, ciphertext, annotations, (provider) =>
    parts("kleidi member 1", provider, keyId, composed),
  );
}
