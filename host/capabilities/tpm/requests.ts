/** The request message of each operation of kleidi:tpm. */
import {
  TpmEnterRequestSchema,
  TpmLeaveRequestSchema,
  TpmTransmitRequestSchema,
} from "../../../proto/provider/v1/provider_pb.ts";

export const REQUESTS = {
  enter: TpmEnterRequestSchema,
  transmit: TpmTransmitRequestSchema,
  leave: TpmLeaveRequestSchema,
};
