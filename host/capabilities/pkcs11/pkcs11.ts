/**
 * kleidi:pkcs11: AES-GCM with keys of a token that neither a guest nor the host sees. A provider names the label of a key; the module, the
 * token, its PIN and the granted labels are the configuration's. The associated data binds the names of the provider and the key, but not
 * for a key of another plugin, which only decrypts, what that plugin encrypted.
 */
import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { Pkcs11KeySchema } from "../../../proto/provider/v1/provider_pb.ts";
import { answer, type HostAnswer, type HostCall, HostCode, refusal } from "../../host-call.ts";
import { denied, type Opened, type Plan } from "../capability.ts";
import { parseFacts } from "./facts.ts";
import { answerOf, failure, ModuleFailure } from "./failure.ts";
import { MAX_DATA, type Mechanism, Message, overheadOf } from "./module/protocol.mjs";
import { REQUESTS } from "./requests.ts";
import type { Operation } from "./token-client.ts";

/** The part of a grant that decisions need. */
export interface KeyGrant {
  readonly token: string;
  readonly keys: readonly string[];
  /** The keys of another plugin. */
  readonly foreign: readonly string[];
  /** Of `keys`. */
  readonly mechanism: Mechanism;
}

/** A token, as decisions use it: TokenClient. */
export interface TokenAccess {
  perform(operation: Operation, signal: AbortSignal): Promise<Buffer>;
  close(): void;
}

const IV = 12;
/** Of the Go kleidi's library for PKCS #11 (docs/foreign-formats.md). */
const FOREIGN_IV = 16;
const LABEL = Buffer.from("kleidi pkcs11 1\0");
const VERSION = /^[0-9a-f]{32}$/;

/** @param tokens by the provider's name */
export function openPkcs11(tokens: ReadonlyMap<string, TokenAccess>): Opened<typeof REQUESTS, KeyGrant> {
  return {
    requests: REQUESTS,
    decide: {
      find: (request, call, grant) =>
        plan(tokens, request, call, grant, undefined, async (perform) => {
          const { mechanism, isForeign } = useOf(request, grant);
          const facts = await perform({ type: Message.FIND, fields: [mechanism, request.key].map(bytesOf) });
          const found = { version: versionIn(facts), foreign: isForeign };
          return answer(toBinary(Pkcs11KeySchema, create(Pkcs11KeySchema, found)));
        }),
      encrypt: (request, call, grant) =>
        plan(
          tokens,
          request,
          call,
          // Nothing is encrypted with a key of another plugin.
          { ...grant, foreign: [] },
          tooLarge("plaintext", request.plaintext, request),
          async (perform) => {
            const iv = randomBytes(IV);
            const { plaintext } = request;
            const { mechanism } = grant;
            const sealed = await perform({
              type: Message.ENCRYPT,
              fields: [...named(mechanism, request), iv, bind(call.provider, request), plaintext],
            });
            if (sealed.length !== plaintext.length + overheadOf(mechanism))
              throw failure("call", `C_Encrypt gave ${sealed.length} bytes for ${plaintext.length}`);
            return answer(Buffer.concat([iv, sealed]));
          },
        ),
      decrypt: (request, call, grant) => {
        const { sealed } = request;
        const { mechanism, ivBytes, isForeign } = useOf(request, grant);
        const overhead = overheadOf(mechanism);
        const aad = isForeign ? request.associatedData : bind(call.provider, request);
        const fault = tooLarge("sealed bytes", sealed, request, MAX_DATA + ivBytes + overhead);
        return plan(tokens, request, call, grant, fault, async (perform) => {
          if (sealed.length < ivBytes + overhead)
            return refusal(HostCode.NOT_AUTHENTIC, "the sealed bytes are cut short");
          const [iv, ciphertext] = [sealed.subarray(0, ivBytes), sealed.subarray(ivBytes)];
          const plaintext = await perform({
            type: Message.DECRYPT,
            fields: [...named(mechanism, request), iv, aad, ciphertext],
          });
          if (plaintext.length !== ciphertext.length - overhead)
            throw failure("call", `C_Decrypt gave ${plaintext.length} bytes for ${ciphertext.length}`);
          return answer(plaintext);
        });
      },
    },
    async close() {
      for (const token of tokens.values()) token.close();
    },
  };
}

interface Named {
  readonly key: string;
  readonly version?: string;
}

interface Sized {
  readonly associatedData: Uint8Array;
}

/** Checks the grant. @param fault the fault in the rest of the request */
function plan(
  tokens: ReadonlyMap<string, TokenAccess>,
  { key }: Named,
  call: HostCall,
  grant: KeyGrant,
  fault: string | undefined,
  act: (perform: (operation: Operation) => Promise<Buffer>) => Promise<HostAnswer>,
): Plan | HostAnswer {
  const token = tokens.get(call.provider);
  if (token === undefined) return denied(call, "no token is granted");
  const labels = [...grant.keys, ...grant.foreign];
  if (!labels.includes(key)) return denied(call, `this key is not one of ${labels.length} granted`);
  if (fault !== undefined) return refusal(HostCode.INVALID, fault);
  return {
    target: key,
    async perform() {
      try {
        return await act((operation) => token.perform(operation, call.signal));
      } catch (error) {
        if (!(error instanceof ModuleFailure)) throw error;
        return answerOf(`token "${grant.token}"`, error);
      }
    },
  };
}

function tooLarge(
  what: string,
  { length }: Uint8Array,
  { associatedData }: Sized,
  most = MAX_DATA,
): string | undefined {
  if (length > most) return `${what} of ${length} bytes, at most ${most} are allowed`;
  if (associatedData.length > MAX_DATA)
    return `associated data of ${associatedData.length} bytes, at most ${MAX_DATA} are allowed`;
  return undefined;
}

function named(mechanism: Mechanism, { key, version = "" }: Named): Buffer[] {
  return [mechanism, key, version].map(bytesOf);
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text);
}

/** How a granted key is used. */
function useOf(
  { key }: Named,
  { foreign, mechanism }: KeyGrant,
): { mechanism: Mechanism; ivBytes: number; isForeign: boolean } {
  if (!foreign.includes(key)) return { mechanism, ivBytes: IV, isForeign: false };
  return { mechanism: "aes-gcm", ivBytes: FOREIGN_IV, isForeign: true };
}

/** The answer of FIND is the module's process's: its version is checked. */
function versionIn(facts: Buffer): string {
  const { version } = parseFacts(facts);
  if (typeof version === "string" && VERSION.test(version)) return version;
  throw failure("gone", "its answer has no version");
}

/** Builds the associated data (docs/ABI.md, kleidi:pkcs11). It binds the provider's name, so no other provider can decrypt the bytes. */
function bind(
  provider: string,
  { key, associatedData }: { readonly key: string; readonly associatedData: Uint8Array },
): Buffer {
  return Buffer.concat([LABEL, sized(provider), sized(key), associatedData]);
}

function sized(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
