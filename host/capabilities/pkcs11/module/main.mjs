/** The program of the process that runs a vendor's PKCS #11 module. It has one link to the host, descriptor 3, and serves one request at a time. */
import { Socket } from "node:net";
import { FrameReader, FrameWriter } from "../../../sandbox/wire.mjs";
import { CryptokiError } from "./cryptoki.mjs";
import { joinFields, MAX_PAYLOAD, MECHANISMS, Message, splitFields } from "./protocol.mjs";
import { Token, TokenFault } from "./token.mjs";

const link = new Socket({ fd: 3 });
const writer = new FrameWriter(link);
/** @type {Token | undefined} */
let token;

const NONE = Buffer.alloc(0);

/**
 * @param {number} type
 * @param {Buffer[]} fields
 * @returns {Uint8Array}
 */
function serve(type, [first = NONE, second = NONE, version = NONE, iv = NONE, aad = NONE, data = NONE]) {
  if (type === Message.OPEN) return open(first);
  if (token === undefined) throw new Error("the token is not open");
  if (type === Message.LOGIN) {
    token.login(first, second.toString() === "1");
    return json(token.facts());
  }
  const key = { mechanism: mechanismOf(first), label: second };
  if (type === Message.FIND) return json(token.find(key));
  const act = type === Message.ENCRYPT ? "encrypt" : "decrypt";
  return token[act](key, version.toString(), iv, aad, data);
}

/** @param {Buffer} name */
function mechanismOf(name) {
  const found = MECHANISMS.find((each) => each === name.toString());
  if (found === undefined) throw new Error("an unknown mechanism");
  return found;
}

/** @param {Buffer} options */
function open(options) {
  const { module, token: label, environment } = JSON.parse(options.toString());
  // Node sets them for native code too. The programs that build the wall must not have them: LD_PRELOAD would be obeyed in front of it.
  Object.assign(process.env, environment);
  token = new Token(module, label);
  return NONE;
}

/** @param {unknown} error */
function failureOf(error) {
  if (error instanceof TokenFault) return { kind: error.kind, detail: error.detail };
  // A CK_RV has 64 bits; over 53 they are the vendor's, and not told apart.
  if (error instanceof CryptokiError)
    return { kind: "call", call: error.call, rv: Math.min(error.rv, Number.MAX_SAFE_INTEGER) };
  throw error;
}

/** @param {unknown} value */
function json(value) {
  return Buffer.from(JSON.stringify(value));
}

const reader = new FrameReader(MAX_PAYLOAD, (type, call, payload) => {
  try {
    writer.send(Message.DONE, call, joinFields([serve(type, splitFields(payload))]));
  } catch (error) {
    writer.send(Message.FAILED, call, json(failureOf(error)));
  } finally {
    // the PIN, or a plaintext
    payload.fill(0);
  }
});
link.on("data", (/** @type {Buffer} */ chunk) => reader.push(chunk));
link.on("close", () => process.exit());
link.on("error", () => process.exit());
writer.send(Message.STARTED, 0);
