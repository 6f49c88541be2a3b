/** Assembles the parts of a log: lines go from the chain to the sinks, and the events of the sinks become records of the chain. */
import { randomBytes } from "node:crypto";
import type { BackOff } from "../lib/back-off.ts";
import { ZERO_HASH } from "./chain.ts";
import { ChainWriter } from "./chain-writer.ts";
import type { Signer } from "./checkpoint.ts";
import { CurrentFile, type RotateReason } from "./current-file.ts";
import { declareLate, declareMissing, declareRemoved } from "./declare.ts";
import type { OpenFile } from "./open-file.ts";
import type { AuditOptions, AuditSettings } from "./options.ts";
import { DEFAULT_RHYTHM } from "./rhythm.ts";
import { FileOutput } from "./sink/file.ts";
import { StdoutOutput } from "./sink/stdout.ts";
import { Sinks } from "./sinks.ts";

const QUEUE_BYTES = 4_194_304;
const BACK_OFF: BackOff = { firstMs: 250, longestMs: 10_000 };

interface LogParts {
  readonly sinks: Sinks;
  readonly chain: ChainWriter;
  /** Undefined without the sink file. */
  readonly file: CurrentFile | undefined;
}

/** The log, which may be closed or have failed. */
interface LogControl {
  /** Adds lines for a timer or a sink; catches the errors, and does nothing once the log accepts no more lines. */
  inBackground(work: () => void): void;
  /** @returns true if the next file begins */
  rotate(reason: RotateReason): boolean;
}

/**
 * Creates the parts and the first records: of a new chain, or of the lines that a killed host left behind.
 * @param opened the file of the settings, opened; undefined without one
 */
export function assembleLog(
  settings: AuditSettings,
  options: AuditOptions,
  signer: Signer | undefined,
  opened: OpenFile | undefined,
  log: LogControl,
): LogParts {
  const now = options.now ?? Date.now;
  let file: CurrentFile | undefined;
  const sinks: Sinks = new Sinks({
    queueBytes: options.queueBytes ?? QUEUE_BYTES,
    backOff: options.backOff ?? BACK_OFF,
    lastSeq: () => chain.at.seq,
    onFailed: ({ output, failure }) => options.onSink?.(output.name, failure),
    onRecovered: (feed, failure) => {
      options.onSink?.(feed.output.name, undefined);
      log.inBackground(() => declareLate(chain, feed, failure));
    },
    onMissed: (feed, failure) => log.inBackground(() => declareMissing(chain, feed, failure)),
  });
  const chain = new ChainWriter({
    at: opened?.at ?? { chain: randomBytes(8).toString("hex"), seq: 0, hash: ZERO_HASH },
    signer,
    rhythm: settings.checkpoints ?? DEFAULT_RHYTHM,
    now,
    target: {
      push: (line) => {
        sinks.push(line);
        file?.grow(line);
      },
      sync: () => sinks.sync(),
      isUsable: () => sinks.isUsable,
    },
    inBackground: (work) => log.inBackground(work),
  });
  if (opened !== undefined) {
    const output = new FileOutput({
      ...opened,
      keep: settings.rotate?.keep,
      onMoved: () => log.rotate("moved"),
      onRemoved: (first, last) => declareRemoved(chain, now(), first, last),
    });
    file = new CurrentFile(chain, sinks.add(output, chain.at), opened.end.size, settings.rotate?.sizeBytes);
  }
  if (settings.stdout) sinks.add(new StdoutOutput(), chain.at);
  sinks.accepted = chain.at.seq;
  begin(chain, opened);
  return { sinks, chain, file };
}

function begin(chain: ChainWriter, opened: OpenFile | undefined): void {
  if (chain.at.seq === 0) chain.put({ kind: "genesis", ...opened?.aside });
  // lines that a killed host left unsigned; it may have had another rhythm
  if (opened !== undefined && opened.unsigned > 0) chain.checkpoint();
  if (opened?.end.torn !== undefined) chain.put({ kind: "torn", ...opened.end.torn });
}
