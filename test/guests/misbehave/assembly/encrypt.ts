/** Encrypt: makes a good reply first; the key's name then selects a fault. */
import {
  Annotation,
  concat,
  crypto,
  decimal,
  EncryptReply,
  EncryptRequest,
  FailureCode,
  fail,
  keystore,
  log,
} from "../../../../sdk/assemblyscript/assembly";
import { sendEncrypt } from "../../../../sdk/assemblyscript/assembly/exchange";
import * as harm from "./harm";
import { leftovers } from "./leak";
import * as toy from "./toy";

export function encrypt(request: EncryptRequest): i32 {
  const key = request.key;
  if (key === "trap") harm.trap();
  if (key === "loop") harm.loop();
  if (key === "grow") harm.grow();
  if (key === "blocks") harm.blocks();
  if (key === "slow") harm.slow();
  if (key.startsWith("fail-") && key.length === 6) {
    const code = (key.charCodeAt(5) - 48) as FailureCode;
    return sendEncrypt(fail<EncryptReply>(code, "CANARY-backend-text"));
  }
  const nonce = key === "same-ciphertext" ? new Uint8Array(12) : toy.freshNonce();
  const sealed = toy.seal(nonce, request.plaintext, request.associated_data);
  return output(key, shaped(request, sealed));
}

/** The faults of the message: its ciphertext, its annotations, and forbidden host calls. */
function shaped(request: EncryptRequest, sealed: Uint8Array): EncryptReply {
  const key = request.key;
  const reply = new EncryptReply(sealed);
  if (key === "big-ciphertext") reply.ciphertext = toy.padded(sealed, 1024);
  if (key === "max-ciphertext") reply.ciphertext = toy.padded(sealed, 1023);
  if (key === "leak") reply.ciphertext = concat(leftovers(request.plaintext), sealed);
  if (key === "bad-annotation") annotate(reply, "nodots");
  if (key === "own-annotation") annotate(reply, "x.kleidi.dev");
  if (key === "annotated") annotate(reply, "note.example.com");
  if (key === "twice-annotation") {
    annotate(reply, "note.example.com");
    annotate(reply, "note.example.com");
  }
  if (key === "many-annotations") {
    // 40 of 1,000 bytes: more than 32,768 together, less than the 65,536 of an output.
    for (let i: u32 = 0; i < 40; i++) {
      reply.annotations.push(new Annotation(`n${decimal(i)}.example.com`, new Uint8Array(1000)));
    }
  }
  if (key === "undeclared") keystore.seal(key, request.version, request.plaintext, request.associated_data);
  if (key === "calls") for (let i = 0; i < 200; i++) crypto.random(1);
  if (key === "logs") for (let i = 0; i < 500; i++) log.info("CANARY-log-line");
  if (key === "echo-log") log.info(`plaintext length ${decimal(request.plaintext.length)}`);
  return reply;
}

/** The faults of the bytes: the output to the host, and the return value of the export. */
function output(key: string, reply: EncryptReply): i32 {
  if (key === "nothing") return 0;
  if (key === "garbage") harm.garbage();
  else if (key === "empty-reply") harm.emptyOutput();
  else if (key === "huge-output") harm.hugeOutput();
  else if (key === "trailing") harm.trailing(reply.encode());
  else if (key === "empty-ciphertext") {
    // An empty reply would have no bytes, so a field is set.
    reply.ciphertext = new Uint8Array(0);
    annotate(reply, "note.example.com");
    return sendEncrypt(reply);
  } else if (key === "bad-pointer" && !harm.badPointer()) {
    return sendEncrypt(fail<EncryptReply>(FailureCode.FAULT, "the host took a bad address"));
  } else {
    sendEncrypt(reply);
    if (key === "error-set") harm.errorSet();
    return key === "nonzero" ? 1 : 0;
  }
  return 0;
}

function annotate(reply: EncryptReply, name: string): void {
  reply.annotations.push(new Annotation(name, new Uint8Array(4).fill(1)));
}
