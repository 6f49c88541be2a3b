/** One call of a guest with its host calls, as lines and as JSON. Contains no plaintext and no body. */
import { messageOf } from "../conformance/leak.ts";
import { nameOf, resultOf } from "../conformance/made-calls.ts";
import { outcomeText, type ReplyOf } from "../conformance/outcome.ts";
import { HOST_CALLS } from "../conformance/scripted-host.ts";
import type { Tried } from "../conformance/trial.ts";
import { escapeForTerminal } from "../lib/text.ts";

/** Of a call (docs/ABI.md, section 3). */
const MAX_BLOCKS = 1024;

type Traced = Tried & { readonly differences?: readonly string[] };

/** @param trace adds a line for each host call and each line that the guest logged */
export function linesOf({ rpc, outcome, ms, differences = [] }: Traced, trace: boolean): string[] {
  const head = `${rpc.padEnd(8)} ${escapeForTerminal(resultText({ rpc, outcome }))}, ${ms.toFixed(1)} ms`;
  const calls = outcome.made.map(
    (made, index) =>
      `  ${`${index + 1}/${HOST_CALLS}`.padStart(5)} ${nameOf(made)}: ${resultOf(made)}, ${made.request.length} bytes out, ${made.answer.body.length} in, ${made.ms.toFixed(1)} ms`,
  );
  const logged = outcome.lines.map(
    (line) => `    log ${escapeForTerminal(Buffer.from(messageOf(line)).toString())}`,
  );
  const { usage } = outcome;
  const used =
    usage === undefined
      ? []
      : [
          `    memory ${usage.memoryBytes >> 10} KiB, ${usage.blocks} of ${MAX_BLOCKS} blocks with ${usage.blockBytes} bytes`,
        ];
  return [
    head,
    ...(trace ? [...calls, ...used, ...logged] : []),
    ...differences.map((each) => `  differs: ${each}`),
  ];
}

/** @returns the same for --json */
export function jsonOf({ rpc, outcome, ms, differences }: Traced): object {
  return {
    rpc,
    result: outcome.kind,
    text: resultText({ rpc, outcome }),
    ...(outcome.kind === "failure" && { code: outcome.code }),
    ms: Math.round(ms * 10) / 10,
    hostCalls: outcome.made.map((made) => ({
      call: nameOf(made),
      result: resultOf(made),
      bytesOut: made.request.length,
      bytesIn: made.answer.body.length,
      ms: Math.round(made.ms * 10) / 10,
    })),
    budget: HOST_CALLS,
    ...(outcome.usage && { usage: outcome.usage }),
    log: outcome.lines.map((line) => Buffer.from(messageOf(line)).toString()),
    ...(differences && { differences }),
  };
}

function resultText({ rpc, outcome }: Pick<Tried, "rpc" | "outcome">): string {
  if (outcome.kind !== "reply") return outcomeText(outcome);
  if (rpc === "status") {
    const { version, olderVersions, unusable } = outcome.reply as ReplyOf<"status">;
    return `version ${version}, ${olderVersions.length} older, ${unusable.length} groups of unusable ones`;
  }
  if (rpc === "decrypt")
    return `a plaintext of ${(outcome.reply as ReplyOf<"decrypt">).plaintext.length} bytes`;
  const { ciphertext, annotations } = outcome.reply as ReplyOf<"encrypt">;
  return `a ciphertext of ${ciphertext.length} bytes, ${annotations.length} annotations`;
}
