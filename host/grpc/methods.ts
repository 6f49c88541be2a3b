/** The methods of v2.KeyManagementService for grpc-js, made from the generated descriptors. */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { MethodDefinition } from "@grpc/grpc-js";
import {
  DecryptRequestSchema,
  DecryptResponseSchema,
  EncryptRequestSchema,
  EncryptResponseSchema,
  StatusRequestSchema,
  StatusResponseSchema,
} from "../../proto/kms/v2/kms_pb.ts";

const SERVICE = "/v2.KeyManagementService";

function method<In extends DescMessage, Out extends DescMessage>(
  name: string,
  input: In,
  output: Out,
): MethodDefinition<MessageShape<In>, MessageShape<Out>> {
  return {
    path: `${SERVICE}/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message) => bufferOf(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => bufferOf(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

/** The same bytes as a Buffer, without a copy. */
function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

export const kmsMethods = {
  Status: method("Status", StatusRequestSchema, StatusResponseSchema),
  Encrypt: method("Encrypt", EncryptRequestSchema, EncryptResponseSchema),
  Decrypt: method("Decrypt", DecryptRequestSchema, DecryptResponseSchema),
};

/** A request that is not decoded yet. */
export interface Unread<In> {
  /** The size of the message, in bytes. */
  readonly bytes: number;
  /** Decodes the message. @throws Error if it is not a valid message */
  read(): In;
}

/**
 * Returns the method with deferred decoding of requests and pre-encoded responses: grpc-js would answer a decoding error itself, with its own
 * message; and the server needs the size of a response before it is sent.
 */
export function unread<In, Out>(method: MethodDefinition<In, Out>): MethodDefinition<Unread<In>, Buffer> {
  return {
    ...method,
    responseSerialize: (bytes) => bytes,
    responseDeserialize: (bytes) => bytes,
    requestSerialize: ({ read }) => method.requestSerialize(read()),
    requestDeserialize: (bytes) => ({ bytes: bytes.length, read: () => method.requestDeserialize(bytes) }),
  };
}
