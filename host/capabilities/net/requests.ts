/** The request message of each operation of kleidi:net. */
import { NetRequestSchema } from "../../../proto/provider/v1/provider_pb.ts";

export const REQUESTS = { request: NetRequestSchema };
