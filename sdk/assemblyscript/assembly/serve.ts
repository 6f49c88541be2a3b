/**
 * The exports of a provider. `index.ts` of a provider passes one instance of its class to `serve` and re-exports the functions that
 * docs/ABI.md, section 1, names. A method is called by name through its class, never through the table: admission still sees which RPC
 * reaches which host call. The compiler leaves out what the provider does not re-export, so a module without `kleidi_provision` has
 * neither that export nor its reach.
 */
import { owed } from "./abort";
import {
  receiveDecrypt,
  receiveEncrypt,
  receiveProvision,
  receiveStatus,
  sendDecrypt,
  sendEncrypt,
  sendProvision,
  sendStatus,
} from "./exchange";
import { FailureCode, fail, refuse } from "./failure";
import {
  DecryptReply,
  DecryptRequest,
  EncryptReply,
  EncryptRequest,
  ProvisionReply,
  ProvisionRequest,
  StatusReply,
  StatusRequest,
} from "./messages";

/**
 * A provider: one method for each RPC. A method returns a reply, or a failure in a reply (`fail`, `failFrom`, `refuse`); a trap ends
 * the call and the API server sees INTERNAL. Every call runs in a new instance, so a field is new with each call.
 *
 * @throws Nothing. The constructor runs before the RPC and must make no host call: admission refuses such a module.
 * @example
 * ```ts
 * export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "../../../sdk/assemblyscript/assembly";
 *
 * class Mine extends Provider {
 *   status(request: StatusRequest): StatusReply {
 *     const info = keystore.info(request.key);
 *     return info.ok ? new StatusReply(keystore.versionOf(info)) : failFrom<StatusReply>(info, "read the key's version");
 *   }
 *   encrypt(request: EncryptRequest): EncryptReply {
 *     const sealed = keystore.seal(request.key, request.version, request.plaintext, request.associated_data);
 *     return sealed.ok ? new EncryptReply(sealed.body) : failFrom<EncryptReply>(sealed, "seal with the key");
 *   }
 *   decrypt(request: DecryptRequest): DecryptReply {
 *     const opened = keystore.open(request.key, request.version, request.ciphertext, request.associated_data);
 *     return opened.ok ? new DecryptReply(opened.body) : failFrom<DecryptReply>(opened, "open with the key");
 *   }
 * }
 *
 * serve(new Mine());
 * ```
 */
export abstract class Provider {
  /**
   * Names the version to encrypt with. Never creates or changes a key.
   * @param request the key's name and settings
   * @returns the version, 1 to 128 printable ASCII characters without a space, never used again for other key material; or a failure
   */
  abstract status(request: StatusRequest): StatusReply;

  /**
   * Encrypts with exactly `request.version`, or fails. Equal plaintexts must give different ciphertexts.
   * @param request the plaintext, 1 to 512 bytes, and the associated data to bind to the ciphertext
   * @returns the ciphertext, 1 to 1,023 bytes, with annotations if `writesAnnotations`; or a failure
   */
  abstract encrypt(request: EncryptRequest): EncryptReply;

  /**
   * Decrypts what `encrypt` returned. The ciphertext comes from etcd: check its form before anything else.
   * @param request the ciphertext, 1 to 1,023 bytes, and the associated data that it is bound to
   * @returns the plaintext, 1 to 512 bytes; or a failure, `refuse` if `encrypt` did not make this ciphertext
   */
  abstract decrypt(request: DecryptRequest): DecryptReply;

  /**
   * Creates a key that does not exist, for `kleidi key init`. Override it and re-export `kleidi_provision` as well.
   * @param request the key's name, the scheme and the key material to import, if any
   * @returns the version that Status will name; or a failure, also if the key exists
   */
  provision(request: ProvisionRequest): ProvisionReply {
    const message = `Cannot create the key "${request.key}": this provider creates no keys`;
    return fail<ProvisionReply>(FailureCode.KEY_UNUSABLE, message);
  }

  /**
   * Reports if `encrypt` may return annotations. Unless it does, a Decrypt with annotations is refused before `decrypt` is called.
   * @returns false; override it to return true
   */
  writesAnnotations(): bool {
    return false;
  }
}

let served: Provider | null = null;

/**
 * Sets the provider that the exports call. Call it once, as the last statement of `assembly/index.ts`; a module that does not traps
 * in every RPC.
 *
 * @param provider the only instance
 * @throws Nothing.
 * @example
 * ```ts
 * serve(new Mine());
 * ```
 */
export function serve(provider: Provider): void {
  served = provider;
}

/**
 * The export of Status. Re-export it from `assembly/index.ts`.
 *
 * @returns 0; a failure is in the reply
 * @throws Traps if the input is not a `StatusRequest`, or if `serve` was not called.
 * @example
 * ```ts
 * export { kleidi_status } from "../../../sdk/assemblyscript/assembly";
 * ```
 */
export function kleidi_status(): i32 {
  return sendStatus(owed<Provider>(served).status(receiveStatus()));
}

/**
 * The export of Encrypt. Re-export it from `assembly/index.ts`.
 *
 * @returns 0; a failure is in the reply
 * @throws Traps if the input is not an `EncryptRequest`, or if `serve` was not called.
 * @example
 * ```ts
 * export { kleidi_encrypt } from "../../../sdk/assemblyscript/assembly";
 * ```
 */
export function kleidi_encrypt(): i32 {
  return sendEncrypt(owed<Provider>(served).encrypt(receiveEncrypt()));
}

/**
 * The export of Decrypt. Re-export it from `assembly/index.ts`.
 *
 * @returns 0; a failure is in the reply
 * @throws Traps if the input is not a `DecryptRequest`, or if `serve` was not called.
 * @example
 * ```ts
 * export { kleidi_decrypt } from "../../../sdk/assemblyscript/assembly";
 * ```
 */
export function kleidi_decrypt(): i32 {
  const provider = owed<Provider>(served);
  const request = receiveDecrypt();
  if (request.annotations.length > 0 && !provider.writesAnnotations()) {
    return sendDecrypt(refuse("it has annotations, and this provider writes none"));
  }
  return sendDecrypt(provider.decrypt(request));
}

/**
 * The export of Provision, which is optional. Re-export it only from a provider that overrides `provision`.
 *
 * @returns 0; a failure is in the reply
 * @throws Traps if the input is not a `ProvisionRequest`, or if `serve` was not called.
 * @example
 * ```ts
 * export { kleidi_provision } from "../../../sdk/assemblyscript/assembly";
 * ```
 */
export function kleidi_provision(): i32 {
  return sendProvision(owed<Provider>(served).provision(receiveProvision()));
}
