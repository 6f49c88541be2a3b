/** For calls.test.ts: makes every host call that the SDK has a wrapper for, with values that the test knows. */
import { crypto, decimal, keystore, log, NetHeader, net, pkcs11, state, tpm, utf8 } from "../../assembly";
import { readInput, writeOutput } from "../../assembly/extism";

export function all(): i32 {
  const a = bytes(1);
  const b = bytes(2);
  const c = bytes(3);
  const d = bytes(4);
  log.debug("κλειδί 0");
  log.info("κλειδί 1");
  log.warn("κλειδί 2");
  log.error("κλειδί 3");
  keystore.info("kek");
  keystore.seal("kek", "v1", a, b);
  keystore.open("kek", "v1", a, b);
  keystore.s2k("kek", "v1", c, 65_536, 32);
  crypto.random(256);
  crypto.digest("sha256", a);
  crypto.hmac("sha384", a, b);
  crypto.hkdf("sha512", a, b, c, 64);
  crypto.aeadSeal(a, b, c, d);
  crypto.aeadOpen(a, b, c, d);
  crypto.aesCfbEncrypt(a, b, c);
  crypto.aesCfbDecrypt(a, b, c);
  crypto.ecdh("P-256", a, b);
  pkcs11.find("kek");
  pkcs11.encrypt("kek", "v1", a, b);
  pkcs11.decrypt("kek", "v1", a, b);
  tpm.enter();
  tpm.transmit(a);
  tpm.leave(b);
  tpm.leave(new Uint8Array(0));
  state.get("kek");
  state.put("kek", a);
  net.request("GET", "/v1/a", [], new Uint8Array(0));
  net.request("POST", "/v1/b", [new NetHeader("accept", "b"), new NetHeader("content-type", "c")], d);
  return 0;
}

/** The input is a u32; the output its decimal digits. */
export function decimal_(): i32 {
  writeOutput(utf8(decimal(load<u32>(readInput().dataStart))));
  return 0;
}

/** As many bytes as the number itself. */
function bytes(number: i32): Uint8Array {
  return new Uint8Array(number).fill(number as u8);
}
