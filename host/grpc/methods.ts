/** The methods of v2.KeyManagementService for grpc-js, from the generated descriptors. */
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
    requestSerialize: (message) => Buffer.from(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

export const kmsMethods = {
  Status: method("Status", StatusRequestSchema, StatusResponseSchema),
  Encrypt: method("Encrypt", EncryptRequestSchema, EncryptResponseSchema),
  Decrypt: method("Decrypt", DecryptRequestSchema, DecryptResponseSchema),
};

/** A request as it came, and what reads it. */
export interface Unread<In> {
  /** How many there are of it. */
  readonly bytes: number;
  /** @throws Error that it is no such message */
  read(): In;
}

/**
 * The method as the server takes it: what its deserializer threw, grpc-js would answer itself, in its own words; and a response that is
 * written already, so that its size is known before it leaves.
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
