/** Decrypt: the reverse of encrypt.ts, unless the key's name selects a fault. */
import {
  Annotation,
  DecryptReply,
  DecryptRequest,
  FailureCode,
  fail,
  failFrom,
} from "../../../../sdk/assemblyscript/assembly";
import { sendDecrypt } from "../../../../sdk/assemblyscript/assembly/exchange";
import { writeOutput } from "../../../../sdk/assemblyscript/assembly/extism";
import { Writer } from "../../../../sdk/assemblyscript/assembly/protobuf";
import * as harm from "./harm";
import * as toy from "./toy";

export function decrypt(request: DecryptRequest): i32 {
  const key = request.key;
  if (key === "decrypt-trap") harm.trap();
  if (key === "decrypt-loop") harm.loop();
  if (key === "decrypt-big") return sendDecrypt(new DecryptReply(new Uint8Array(513)));
  if (key === "decrypt-empty") {
    // Field 2, encoded with no bytes: the reply is present, its plaintext is empty.
    writeOutput(new Writer().element(2, new Uint8Array(0)).finish());
    return 0;
  }
  if (key === "failing-readback") return refuse();
  if (!annotationsAsWritten(key, request.annotations)) return refuse();
  let sealed = request.ciphertext;
  if (key === "max-ciphertext" || key === "big-ciphertext") sealed = toy.unpadded(sealed);
  if (key === "leak") sealed = sealed.slice(3);
  const opened = toy.open(sealed, request.associated_data);
  if (!opened.ok) return sendDecrypt(failFrom<DecryptReply>(opened, "open with the toy key"));
  if (key === "wrong-readback") opened.body[0] ^= 1;
  return sendDecrypt(new DecryptReply(opened.body));
}

function annotationsAsWritten(key: string, annotations: Annotation[]): bool {
  if (key !== "annotated") return annotations.length === 0;
  return (
    annotations.length === 1 &&
    annotations[0].name === "note.example.com" &&
    annotations[0].value.length === 4
  );
}

function refuse(): i32 {
  return sendDecrypt(fail<DecryptReply>(FailureCode.NOT_OURS, "CANARY-backend-text"));
}
