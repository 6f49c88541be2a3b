/** Everything that a provider imports: `import { EncryptReply, fail, FailureCode, keystore } from "…/assembly"`. */
import * as crypto from "./crypto";
import * as keystore from "./keystore";
import * as log from "./log";
import * as state from "./state";
import * as tpm from "./tpm";

export { concat, decimal, same, utf8 } from "./bytes";
export { Failure, FailureCode, fail, failFrom } from "./failure";
export { HostCode, HostReply } from "./host";
export {
  Annotation,
  DecryptReply,
  DecryptRequest,
  EncryptReply,
  EncryptRequest,
  ProvisionReply,
  ProvisionRequest,
  Setting,
  StatusReply,
  StatusRequest,
} from "./messages";
export {
  receiveDecrypt,
  receiveEncrypt,
  receiveProvision,
  receiveStatus,
  sendDecrypt,
  sendEncrypt,
  sendProvision,
  sendStatus,
} from "./serve";
export { crypto, keystore, log, state, tpm };
