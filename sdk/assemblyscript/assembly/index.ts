/** The public API for providers. test/rules/sdk.test.ts checks that each export is documented and that its example compiles. */
import * as base64 from "./base64";
import * as crypto from "./crypto";
import * as json from "./json";
import * as keystore from "./keystore";
import * as log from "./log";
import * as net from "./net";
import * as protobuf from "./protobuf";
import * as state from "./state";
import * as tpm from "./tpm";

export { concat, decimal, parseDecimal, same, utf8 } from "./bytes";
export { Failure, FailureCode, fail, failFrom, failSettings, refuse } from "./failure";
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
  UnusableVersions,
} from "./messages";
export { NetHeader, NetResponse } from "./net";
export {
  kleidi_decrypt,
  kleidi_encrypt,
  kleidi_provision,
  kleidi_status,
  Provider,
  serve,
} from "./serve";
export { failed, hostTrouble, trouble } from "./trouble";
export { base64, crypto, json, keystore, log, net, protobuf, state, tpm };
