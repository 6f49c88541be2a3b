/** Everything that a provider imports: `import { EncryptReply, fail, FailureCode, keystore } from "…/assembly"`. */
import * as base64 from "./base64";
import * as crypto from "./crypto";
import * as json from "./json";
import * as keystore from "./keystore";
import * as log from "./log";
import * as net from "./net";
import * as state from "./state";
import * as tpm from "./tpm";

export { concat, decimal, same, utf8 } from "./bytes";
export { Failure, FailureCode, fail, failFrom } from "./failure";
export { HostCode, HostReply } from "./host";
export { JsonItems, JsonObject, JsonValue } from "./json";
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
export { NetHeader, NetResponse } from "./net";
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
export { base64, crypto, json, keystore, log, net, state, tpm };
