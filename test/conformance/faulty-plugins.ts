/** Faults of a KMS v2 plugin, one at a time, and the check that must find each. */
import { createDecipheriv } from "node:crypto";
import { status } from "@grpc/grpc-js";
import type { DecryptRequest, EncryptRequest } from "../../proto/kms/v2/kms_pb.ts";
import { GoodPlugin, NONCE, NOTE, Refused, TAG } from "./good-plugin.ts";

type Made = ReturnType<GoodPlugin["encrypt"]>;
const refused = (code: number, details = "no") => new Refused(code, details);

/** By the check that must find it: what the plugin does, and how. The name of a check that warns begins with "warn ". */
export const FAULTS: readonly (readonly [check: string, fault: string, plugin: () => GoodPlugin])[] = [
  [
    "status_encrypt_and_decrypt_succeed",
    "Status has another version",
    () =>
      new (class extends GoodPlugin {
        override status() {
          return { ...super.status(), version: "v1" };
        }
      })(),
  ],
  [
    "status_encrypt_and_decrypt_succeed",
    "Status is not healthy",
    () =>
      new (class extends GoodPlugin {
        override status() {
          return { ...super.status(), healthz: "the KMS is away" };
        }
      })(),
  ],
  [
    "status_encrypt_and_decrypt_succeed",
    "the key_id is empty",
    () =>
      new (class extends GoodPlugin {
        override status() {
          return { ...super.status(), keyId: "" };
        }
      })(),
  ],
  [
    "status_encrypt_and_decrypt_succeed",
    "the key_id of Encrypt is 1024 bytes",
    () =>
      new (class extends GoodPlugin {
        override encrypt(request: EncryptRequest): Made {
          return { ...super.encrypt(request), keyId: "k".repeat(1024) };
        }
      })(),
  ],
  [
    "status_encrypt_and_decrypt_succeed",
    "the ciphertext is 1024 bytes",
    () =>
      new (class extends GoodPlugin {
        override encrypt(request: EncryptRequest): Made {
          const made = super.encrypt(request);
          return {
            ...made,
            ciphertext: Buffer.concat([made.ciphertext, Buffer.alloc(1024)]).subarray(0, 1024),
          };
        }
      })(),
  ],
  [
    "status_encrypt_and_decrypt_succeed",
    "the name of an annotation has one label",
    () =>
      new (class extends GoodPlugin {
        override annotations() {
          return { note: Buffer.from("1") };
        }
      })(),
  ],
  [
    "status_encrypt_and_decrypt_succeed",
    "annotations are 32 KiB",
    () =>
      new (class extends GoodPlugin {
        override annotations() {
          return { [NOTE]: Buffer.alloc(32_768) };
        }
      })(),
  ],
  [
    "warn version_is_v2",
    "Status has the version of the beta",
    () =>
      new (class extends GoodPlugin {
        override status() {
          return { ...super.status(), version: "v2beta1" };
        }
      })(),
  ],
  [
    "status_is_stable",
    "Status alternates between two key_ids",
    () =>
      new (class extends GoodPlugin {
        #calls = 0;
        override status() {
          return { ...super.status(), keyId: `key-${1 + (this.#calls++ % 2)}` };
        }
      })(),
  ],
  [
    "key_id_of_encrypt_is_that_of_status",
    "Encrypt uses another key than Status names",
    () =>
      new (class extends GoodPlugin {
        override status() {
          return { ...super.status(), keyId: "key-0" };
        }
      })(),
  ],
  [
    "seeds_of_any_content",
    "zeros at the end of a seed are cut",
    () =>
      new (class extends GoodPlugin {
        override decrypt(request: DecryptRequest) {
          const plaintext = super.decrypt(request);
          return plaintext.subarray(0, plaintext.findLastIndex((byte) => byte !== 0) + 1);
        }
      })(),
  ],
  [
    "warn plaintexts_of_other_sizes",
    "only plaintexts of 32 bytes are encrypted",
    () =>
      new (class extends GoodPlugin {
        override encrypt(request: EncryptRequest) {
          if (request.plaintext.length !== 32) throw refused(status.INVALID_ARGUMENT);
          return super.encrypt(request);
        }
      })(),
  ],
  [
    "status_encrypt_and_decrypt_succeed",
    "the uid is bound, which is another one in each request",
    () =>
      new (class extends GoodPlugin {
        override bound(keyId: string, annotations: Record<string, Uint8Array>, uid: string) {
          return Buffer.concat([super.bound(keyId, annotations, uid), Buffer.from(uid)]);
        }
      })(),
  ],
  [
    "equal_plaintexts_differ",
    "the nonce is a constant, and there are no annotations",
    () =>
      new (class extends GoodPlugin {
        override nonce() {
          return Buffer.alloc(NONCE);
        }
        override annotations() {
          return {};
        }
      })(),
  ],
  [
    "nothing_of_the_plaintext_is_stored",
    "an annotation has the plaintext in hexadecimal digits",
    () =>
      new (class extends GoodPlugin {
        override annotations(plaintext: Uint8Array) {
          return { [NOTE]: Buffer.from(Buffer.from(plaintext).toString("hex")) };
        }
      })(),
  ],
  [
    "nothing_of_the_plaintext_is_in_errors",
    "an error quotes the plaintext",
    () =>
      new (class extends GoodPlugin {
        override refusal(plaintext: Uint8Array) {
          return refused(
            status.INVALID_ARGUMENT,
            `cannot encrypt ${Buffer.from(plaintext.subarray(0, 64)).toString("hex")}`,
          );
        }
      })(),
  ],
  [
    "ciphertext_with_each_byte_changed",
    "the tag is not verified",
    () =>
      new (class extends GoodPlugin {
        override open(ciphertext: Buffer, key: Buffer, bound: Buffer) {
          const end = ciphertext.length - TAG;
          if (end < NONCE) throw refused(status.INVALID_ARGUMENT);
          return createDecipheriv("aes-256-gcm", key, ciphertext.subarray(0, NONCE))
            .setAAD(bound)
            .update(ciphertext.subarray(NONCE, end));
        }
      })(),
  ],
  [
    "ciphertext_with_each_byte_changed",
    "a changed ciphertext is answered as if the KMS were away",
    () =>
      new (class extends GoodPlugin {
        override open(ciphertext: Buffer, key: Buffer, bound: Buffer) {
          try {
            return super.open(ciphertext, key, bound);
          } catch {
            throw refused(status.UNAVAILABLE);
          }
        }
      })(),
  ],
  [
    "ciphertext_cut_at_each_byte",
    "an empty ciphertext gives an empty plaintext",
    () =>
      new (class extends GoodPlugin {
        override open(ciphertext: Buffer, key: Buffer, bound: Buffer) {
          return ciphertext.length === 0 ? Buffer.alloc(0) : super.open(ciphertext, key, bound);
        }
      })(),
  ],
  [
    "ciphertext_with_more_bytes",
    "white space after the ciphertext is cut",
    () =>
      new (class extends GoodPlugin {
        override open(ciphertext: Buffer, key: Buffer, bound: Buffer) {
          try {
            return super.open(ciphertext, key, bound);
          } catch {
            return super.open(ciphertext.subarray(0, -1), key, bound);
          }
        }
      })(),
  ],
  [
    "ciphertext_of_random_bytes",
    "a ciphertext of 512 bytes is passed through",
    () =>
      new (class extends GoodPlugin {
        override open(ciphertext: Buffer, key: Buffer, bound: Buffer) {
          return ciphertext.length === 512 ? ciphertext : super.open(ciphertext, key, bound);
        }
      })(),
  ],
  [
    "key_id_of_another_key",
    "the key_id is ignored",
    () =>
      new (class extends GoodPlugin {
        override knows() {
          return true;
        }
        override keyFor() {
          return this.keyId();
        }
        override bound(_keyId: string, annotations: Record<string, Uint8Array>, uid: string) {
          return super.bound("", annotations, uid);
        }
      })(),
  ],
  [
    "key_id_of_another_key",
    "a key_id that begins like one is that one",
    () =>
      new (class extends GoodPlugin {
        override decrypt(request: DecryptRequest) {
          return super.decrypt({ ...request, keyId: request.keyId.slice(0, 5) });
        }
      })(),
  ],
  [
    "warn annotation_with_each_byte_changed",
    "annotations are ignored",
    () =>
      new (class extends GoodPlugin {
        override bound(keyId: string, _annotations: Record<string, Uint8Array>, uid: string) {
          return super.bound(keyId, {}, uid);
        }
      })(),
  ],
  [
    "warn annotation_missing",
    "an annotation that is missing is not missed",
    () =>
      new (class extends GoodPlugin {
        override annotations() {
          return { [NOTE]: Buffer.alloc(0) };
        }
      })(),
  ],
  [
    "good_objects_open_after_refusals",
    "after twenty refusals nothing is decrypted",
    () =>
      new (class extends GoodPlugin {
        #refusals = 0;
        override decrypt(request: DecryptRequest) {
          if (this.#refusals >= 20) throw refused(status.FAILED_PRECONDITION);
          try {
            return super.decrypt(request);
          } catch (error) {
            this.#refusals += 1;
            throw error;
          }
        }
      })(),
  ],
  [
    "callers_64_at_once",
    "33 calls at once are too many",
    () =>
      new (class extends GoodPlugin {
        override encrypt(request: EncryptRequest) {
          if (this.inFlight > 32) throw refused(status.RESOURCE_EXHAUSTED);
          return super.encrypt(request);
        }
      })(),
  ],
  [
    "api_server_polls_status_each_minute",
    "the key_id is another one after a while",
    () =>
      new (class extends GoodPlugin {
        #calls = 0;
        override status() {
          this.#calls += 1;
          if (this.#calls === 70) this.rotate();
          return super.status();
        }
      })(),
  ],
  [
    "api_server_restarts_with_many_seeds",
    "only the last seven objects are remembered",
    () =>
      new (class extends GoodPlugin {
        readonly #known: string[] = [];
        override encrypt(request: EncryptRequest) {
          const made = super.encrypt(request);
          this.#known.push(made.ciphertext.toString("hex"));
          return made;
        }
        override decrypt(request: DecryptRequest) {
          const isKnown = this.#known.slice(-7).includes(Buffer.from(request.ciphertext).toString("hex"));
          if (!isKnown) throw refused(status.NOT_FOUND);
          return super.decrypt(request);
        }
      })(),
  ],
  [
    "key_id_changes",
    "after a rotation older objects do not open",
    () =>
      new (class extends GoodPlugin {
        override knows(keyId: string) {
          return keyId === this.keyId();
        }
      })(),
  ],
  [
    "key_id_changes",
    "after a rotation the older key_id comes back",
    () =>
      new (class extends GoodPlugin {
        #rotated = 0;
        override rotate() {
          super.rotate();
          this.#rotated = 1;
        }
        override status() {
          const now = super.status();
          return this.#rotated > 0 && this.#rotated++ % 4 === 0 ? { ...now, keyId: "key-1" } : now;
        }
      })(),
  ],
  [
    "key_id_changes",
    "after a rotation Encrypt uses the older key",
    () =>
      new (class extends GoodPlugin {
        override keyId() {
          return "key-1";
        }
        override status() {
          return { ...super.status(), keyId: `key-${this.generation}` };
        }
      })(),
  ],
];
