/** The provider's calls with a variable request and answers, for its unit tests. */
import { createHash } from "node:crypto";
import type { NetRequest } from "../../../proto/provider/v1/provider_pb.ts";
import { failureOf, Guest, type Server } from "./guest.ts";

export const PLAINTEXT = new Uint8Array(32).fill(5);
export const AAD = new Uint8Array([1, 2, 3]);
export const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
export const SEALED = base64(new Uint8Array(60).fill(9));
export const CREATED = 1_795_596_031;
export const idOf = (path: string) => createHash("sha256").update(path).digest("hex").slice(0, 16);
export const ID = idOf("/v1/transit/keys/kek");
export const VERSION = `3.${CREATED + 3}.${ID}`;

/** OpenBao 2.4.0's description of a key with three versions, including members that the provider ignores. */
export const KEY = {
  allow_plaintext_backup: false,
  auto_rotate_period: 0,
  deletion_allowed: false,
  derived: false,
  exportable: false,
  imported_key: false,
  keys: { "1": CREATED + 1, "2": CREATED + 2, "3": CREATED + 3 } as Record<string, unknown>,
  latest_version: 3 as unknown,
  min_available_version: 0 as unknown,
  min_decryption_version: 1 as unknown,
  min_encryption_version: 0 as unknown,
  name: "kek",
  soft_deleted: false,
  supports_decryption: true,
  supports_derivation: true,
  supports_encryption: true,
  supports_signing: false,
  type: "aes256-gcm96",
};

export const guest = await Guest.load("vault");

/** A response with this JSON, or these bytes, in its body. */
export const answer = (status: number, body: unknown, type = "application/json") => ({
  status,
  headers: [{ name: "content-type", value: type }],
  body: body instanceof Uint8Array ? body : new TextEncoder().encode(JSON.stringify(body)),
});
export const data = (content: object) =>
  answer(200, { request_id: "x", data: content, warnings: null, auth: null });
export const errors = (status: number, ...texts: string[]) => answer(status, { errors: texts });
export const text = (status: number, body: string, type: string) =>
  answer(status, new TextEncoder().encode(body), type);

export const settingsOf = (settings: Record<string, string>) =>
  Object.entries(settings).map(([name, value]) => ({ name, value }));
export const status = (server: Server, settings = {}) =>
  guest.status({ key: "kek", settings: settingsOf(settings) }, server);
export const described = (changes: object) => status(() => data({ ...KEY, ...changes }));
export const encrypt = (server: Server, version = VERSION, settings = {}) =>
  guest.encrypt(
    { key: "kek", version, plaintext: PLAINTEXT, associatedData: AAD, settings: settingsOf(settings) },
    server,
  );
export const decrypt = (
  server: Server,
  ciphertext: string | Uint8Array = `vault:v3:${SEALED}`,
  version = VERSION,
) =>
  guest.decrypt(
    {
      key: "kek",
      version,
      ciphertext: typeof ciphertext === "string" ? new TextEncoder().encode(ciphertext) : ciphertext,
      associatedData: AAD,
    },
    server,
  );

/** All three calls, each failing with this answer. */
export const everyCall: readonly (readonly [string, string, (server: Server) => [] | [number, string]])[] = [
  ["status", 'Cannot read the key "transit/keys/kek": ', (server) => failureOf(status(server))],
  ["encrypt", 'Cannot encrypt with the key "transit/keys/kek": ', (server) => failureOf(encrypt(server))],
  ["decrypt", 'Cannot decrypt with the key "transit/keys/kek": ', (server) => failureOf(decrypt(server))],
];

export function sent(request: NetRequest): unknown[] {
  const headers = request.headers.map(({ name, value }) => `${name}: ${value}`);
  const body = new TextDecoder().decode(request.body);
  return [request.method, request.path, headers, body && JSON.parse(body)];
}
