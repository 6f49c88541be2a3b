/** The request message of each operation of kleidi:pkcs11. */
import {
  Pkcs11DecryptRequestSchema,
  Pkcs11EncryptRequestSchema,
  Pkcs11FindRequestSchema,
} from "../../../proto/provider/v1/provider_pb.ts";

export const REQUESTS = {
  find: Pkcs11FindRequestSchema,
  encrypt: Pkcs11EncryptRequestSchema,
  decrypt: Pkcs11DecryptRequestSchema,
};
