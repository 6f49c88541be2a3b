/** kleidi provider run: one Status, Encrypt and Decrypt of a module, in its sandbox, without a configuration. */
import { randomBytes } from "node:crypto";
import type { RunGrants } from "../conformance/configured-host.ts";
import { FixtureError, type FixtureKey } from "../conformance/fixture.ts";
import { headLine, parseRecording, type Recording, replayGate } from "../conformance/recording.ts";
import { lastRpc, recordedLines, replay, runTrial, type Tried } from "../conformance/trial.ts";
import { type AnswerSource, withSubject } from "../conformance/trial-host.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { pathErrorText } from "../lib/path-fault.ts";
import { stringifyAscii } from "../lib/text.ts";
import { replaceFile } from "../lib/write-files.ts";
import { fixtureOf } from "./fixture-file.ts";
import { readModuleFile } from "./module-file.ts";
import { EXIT, print } from "./output.ts";
import { jsonOf, linesOf } from "./provider-trace.ts";
import { UsageError } from "./usage-error.ts";

export interface ProviderRunOptions {
  readonly fixture?: string;
  readonly key?: string;
  readonly set: readonly string[];
  readonly origin?: string;
  readonly allow: readonly string[];
  readonly network: readonly string[];
  readonly ca?: string;
  readonly tokenFile?: string;
  readonly tokenHeader: string;
  readonly trace: boolean;
  readonly record?: string;
  readonly replay?: string;
  readonly json: boolean;
}

const SEED = 32;
const LARGEST_RECORDING = 64 << 20;

/** @throws UsageError; KleidiError of admission, and of an option that the host refuses */
export async function providerRunCommand(
  path: string,
  word: string,
  options: ProviderRunOptions,
): Promise<number> {
  const until = lastRpc(word);
  if (until === undefined)
    throw new UsageError(
      `Cannot run "${word}": write status, encrypt, decrypt, or all, which is the same as decrypt`,
    );
  const file = readModuleFile(path);
  const recording = options.replay === undefined ? undefined : readRecording(options.replay, file.sha256);
  const { source, key } =
    recording === undefined ? hostOf(file, options) : { source: "recording" as const, key: keyOf(options) };
  const lines: string[] = [headLine(file.sha256)];
  const printed: object[] = [];
  let ok = true;
  const onTried = (tried: Tried & { readonly differences?: readonly string[] }) => {
    const { differences = [] } = tried;
    lines.push(...recordedLines(tried));
    ok &&= recording === undefined ? tried.outcome.kind === "reply" : differences.length === 0;
    if (options.json) printed.push(jsonOf(tried));
    else for (const line of linesOf(tried, options.trace)) print(line);
  };
  const plaintext = randomBytes(SEED);
  await usage(() =>
    withSubject(file, key, source, (subject) =>
      recording === undefined
        ? runTrial(subject, { until, plaintext }, onTried)
        : replay(subject, recording, replayGate, onTried),
    ),
  );
  if (options.json) print(stringifyAscii({ ok, sha256: file.sha256, calls: printed }));
  if (options.record !== undefined) write(options.record, `${lines.join("\n")}\n`);
  return ok ? EXIT.SUCCESS : EXIT.PROBLEMS;
}

async function usage(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw error instanceof FixtureError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** With an origin, the options grant; without one, the fixture answers. */
function hostOf(
  file: Parameters<typeof fixtureOf>[0],
  options: ProviderRunOptions,
): { source: AnswerSource; key: FixtureKey } {
  if (options.origin !== undefined)
    return { source: { grants: grantsOf(options.origin, options) }, key: keyOf(options) };
  const useless = (["allow", "network"] as const).find((name) => options[name].length > 0);
  if (useless !== undefined) throw new UsageError(`Cannot use --${useless} without --origin`);
  const fixture = fixtureOf(file, options.fixture);
  const { key, settings } = fixture;
  return { source: { fixture }, key: keyOf(options, { key, settings }) };
}

function grantsOf(
  origin: string,
  { allow, network, ca, tokenFile, tokenHeader }: ProviderRunOptions,
): RunGrants {
  if (allow.length === 0)
    throw new UsageError(
      `Cannot use --origin without --allow: name each request, such as --allow "GET /v1/keys/kek"`,
    );
  const [header = "", scheme] = tokenHeader.split(" ");
  const token = tokenFile === undefined ? undefined : { file: tokenFile, header, ...(scheme && { scheme }) };
  return { origin, allow, networks: network, ca, token };
}

function keyOf(
  { key, set }: ProviderRunOptions,
  given: FixtureKey = { key: "kek", settings: {} },
): FixtureKey {
  const settings = set.map((text) => {
    const at = text.indexOf("=");
    if (at < 1) throw new UsageError(`Cannot use the setting "${text}": write --set name=value`);
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  return { key: key ?? given.key, settings: { ...given.settings, ...Object.fromEntries(settings) } };
}

function readRecording(path: string, sha256: string): Recording {
  const bytes = readRegular(path, LARGEST_RECORDING);
  if (bytes instanceof FileFault) throw new UsageError(`Cannot read the recording ${path}: it ${bytes.text}`);
  let recording: Recording;
  try {
    recording = parseRecording(bytes.toString("utf8"));
  } catch (error) {
    throw new UsageError(`Cannot read the recording ${path}: ${(error as Error).message}`, { cause: error });
  }
  // another build is what a replay is for
  if (recording.sha256 !== sha256)
    process.stderr.write(`note: the recording is of the module with the sha256 ${recording.sha256}\n`);
  return recording;
}

function write(path: string, text: string): void {
  try {
    replaceFile(path, text, 0o600);
  } catch (error) {
    throw new UsageError(`Cannot write the recording ${path}: ${pathErrorText(path, error, "create")}`, {
      cause: error,
    });
  }
}
