/** kleidi:log: a guest's lines in the host's log, bounded in length and in number for each call. */
import { LogWriteRequestSchema } from "../../../proto/provider/v1/provider_pb.ts";
import { answer, HostCode, refusal } from "../../host-call.ts";
import { replaceInvisible } from "../../lib/text.ts";
import type { Opened } from "../capability.ts";

export const REQUESTS = { write: LogWriteRequestSchema };

const MAX_LINE = 1024;
const LEVELS = ["debug", "info", "warn", "error"] as const;
export type GuestLogLevel = (typeof LEVELS)[number];

export interface GuestLogOptions {
  /** The limit of lines in one call, by the provider's name. */
  readonly linesPerCall: ReadonlyMap<string, number>;
  readonly write: (provider: string, level: GuestLogLevel, line: string) => void;
}

export function openLog({ linesPerCall, write }: GuestLogOptions): Opened<typeof REQUESTS, undefined> {
  return {
    requests: REQUESTS,
    decide: {
      write(request, call) {
        const limit = linesPerCall.get(call.provider) ?? 0;
        if (call.ordinalOfCapability > limit)
          return refusal(HostCode.LIMIT, `at most ${limit} log lines are allowed in a call`);
        const level = LEVELS[request.level];
        if (level === undefined) return refusal(HostCode.INVALID, `level ${request.level} is not 0 to 3`);
        return {
          target: level,
          perform() {
            write(call.provider, level, printable(request.message));
            return answer(new Uint8Array());
          },
        };
      },
    },
  };
}

/** At most MAX_LINE bytes of complete, visible characters: others could forge lines, turn their direction or drive a terminal. */
function printable(line: string): string {
  const clean = replaceInvisible(line);
  const { read } = new TextEncoder().encodeInto(clean, new Uint8Array(MAX_LINE));
  return clean.slice(0, read);
}
