/** For serve.test.ts: a provider that reverses bytes, writes annotations only after `annotate`, and creates no keys. */
import {
  DecryptReply,
  DecryptRequest,
  EncryptReply,
  EncryptRequest,
  Provider,
  StatusReply,
  StatusRequest,
  serve,
} from "../../assembly";

export { kleidi_decrypt, kleidi_encrypt, kleidi_provision, kleidi_status } from "../../assembly";

let annotated: bool = false;

class Reversing extends Provider {
  status(request: StatusRequest): StatusReply {
    return new StatusReply(request.key);
  }

  encrypt(request: EncryptRequest): EncryptReply {
    return new EncryptReply(request.plaintext.reverse());
  }

  decrypt(request: DecryptRequest): DecryptReply {
    return new DecryptReply(request.ciphertext.reverse());
  }

  writesAnnotations(): bool {
    return annotated;
  }
}

export function annotate(): i32 {
  annotated = true;
  return 0;
}

/** Removes the provider, as in a module that never calls `serve`. */
export function forget(): i32 {
  serve(changetype<Provider>(0));
  return 0;
}

serve(new Reversing());
