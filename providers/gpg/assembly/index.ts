/**
 * The teaching provider: the ciphertext is a binary OpenPGP message under a passphrase, as gpg --symmetric makes one and
 * gpg --decrypt opens one. The passphrase stays in the host; the module gets only the key of one message. README.md lists the limits.
 */
import {
  crypto,
  DecryptReply,
  DecryptRequest,
  decimal,
  EncryptReply,
  EncryptRequest,
  failFrom,
  failSettings,
  keystore,
  Provider,
  refuse,
  StatusReply,
  StatusRequest,
  same,
  serve,
} from "../../../sdk/assemblyscript/assembly";
import { COUNT, KEY, readEnvelope, SALT, writeEnvelope } from "./envelope";
import { isOurs, nameFor, readLiteral, writeLiteral } from "./literal";
import { contentOf, isIntact, protect, RANDOM } from "./protection";

export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "../../../sdk/assemblyscript/assembly";

/** Limits of the contract (docs/ABI.md, section 4). */
const MAX_PLAINTEXT = 512;
/** Length of OpenPGP's IV, which is zeros: the random prefix takes its place (RFC 4880, 5.13). */
const IV = 16;

class Gpg extends Provider {
  status(request: StatusRequest): StatusReply {
    if (request.settings.length > 0) return failSettings<StatusReply>(request.key, request.settings);
    const found = keystore.info(request.key);
    if (!found.ok) return failFrom<StatusReply>(found, "read the passphrase's version");
    return new StatusReply(keystore.versionOf(found));
  }

  encrypt(request: EncryptRequest): EncryptReply {
    const random = crypto.random(SALT + RANDOM);
    if (!random.ok) return failFrom<EncryptReply>(random, "make a salt");
    const digest = crypto.digest("sha256", request.associated_data);
    if (!digest.ok) return failFrom<EncryptReply>(digest, "hash the associated data");
    const salt = random.body.slice(0, SALT);
    const key = keystore.s2k(request.key, request.version, salt, COUNT, KEY);
    if (!key.ok) return failFrom<EncryptReply>(key, "derive the message's key");
    const content = writeLiteral(nameFor(digest.body), request.plaintext);
    const encrypted = crypto.aesCfbEncrypt(
      key.body,
      new Uint8Array(IV),
      protect(random.body.slice(SALT), content),
    );
    if (!encrypted.ok) return failFrom<EncryptReply>(encrypted, "encrypt the message");
    return new EncryptReply(writeEnvelope(salt, encrypted.body));
  }

  decrypt(request: DecryptRequest): DecryptReply {
    const envelope = readEnvelope(request.ciphertext);
    if (envelope.fault.length > 0) return refuse(envelope.fault);
    const key = keystore.s2k(request.key, request.version, envelope.salt, envelope.count, KEY);
    if (!key.ok) return failFrom<DecryptReply>(key, "derive the message's key");
    const decrypted = crypto.aesCfbDecrypt(key.body, new Uint8Array(IV), envelope.encrypted);
    if (!decrypted.ok) return failFrom<DecryptReply>(decrypted, "decrypt the message");
    if (!isIntact(decrypted.body)) return refuse("it was modified, or encrypted with another passphrase");
    // From here on the content is from a holder of the passphrase.
    const literal = readLiteral(contentOf(decrypted.body));
    if (literal.fault.length > 0) return refuse(literal.fault);
    const size = literal.data.length;
    if (size < 1 || size > MAX_PLAINTEXT) {
      return refuse(`its content is ${decimal(size)} bytes, 1 to ${decimal(MAX_PLAINTEXT)} are allowed`);
    }
    const digest = crypto.digest("sha256", request.associated_data);
    if (!digest.ok) return failFrom<DecryptReply>(digest, "hash the associated data");
    // gpg writes the name of the file that it read: such a message is bound to the passphrase only.
    if (isOurs(literal.name) && !same(literal.name, nameFor(digest.body))) {
      return refuse("it is bound to other associated data");
    }
    return new DecryptReply(literal.data);
  }
}

serve(new Gpg());
