/** Tests a wall before anything depends on it: a process behind it attempts what the wall must prevent. */
import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import type { Readable } from "node:stream";
import type { Wall } from "./build.ts";
import { PROBE_PROGRAM } from "./readable.ts";

/** Starting Node takes 50 ms, and several hundred on a busy machine. */
const TIMEOUT_MS = 10_000;
const MAX_BYTES = 4096;
const ATTEMPTS = 7;

/**
 * @param memoryBytes the memory limit of the process, in bytes; with too little, Node does not start
 * @returns the reason why the wall does not hold, as the second half of a sentence; undefined if it holds
 */
export async function probe(wall: Wall, memoryBytes: number): Promise<string | undefined> {
  const socket = `\0kleidi-wall-${randomUUID()}`;
  const listener = await listening(socket);
  try {
    const canary = { file: import.meta.filename, folder: tmpdir(), pid: process.pid, socket };
    return await attempt(wall, memoryBytes, canary);
  } finally {
    listener.close();
  }
}

async function attempt(wall: Wall, memoryBytes: number, canary: object): Promise<string | undefined> {
  const probing = wall.start(["--no-warnings", PROBE_PROGRAM, JSON.stringify(canary)], memoryBytes);
  const timer = setTimeout(() => probing.kill("SIGKILL"), TIMEOUT_MS);
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  probing.on("error", (error) => resolve(error.message));
  probing.on("close", (code, signal) => resolve(wall.endOf(code, signal)));
  const [outcome, stderr, how] = await Promise.all([textOf(probing.stdio[3]), textOf(probing.stderr), ended]);
  clearTimeout(timer);
  if (outcome === "") return `${firstLine(stderr) ?? "it cannot be started"} (${how})`;
  return faultOf(outcome);
}

function faultOf(text: string): string | undefined {
  const outcomes = Object.entries(JSON.parse(text) as Record<string, string>);
  const reached = outcomes.filter(([, outcome]) => outcome === "reached").map(([what]) => what);
  if (reached.length > 0) return `a process behind it could ${reached.join(", ")}`;
  if (outcomes.length < ATTEMPTS) return "the probe did not finish all attempts";
  return undefined;
}

/** Listens on an abstract socket: every process in the host's network namespace can reach it. */
async function listening(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen({ path }, resolve));
  return server;
}

async function textOf(stream: unknown): Promise<string> {
  if (stream === null || stream === undefined) return "";
  let text = "";
  // A reset means that the process exited.
  (stream as Readable).on("error", () => {});
  try {
    for await (const chunk of stream as Readable) text = (text + String(chunk)).slice(0, MAX_BYTES);
  } catch {}
  return text;
}

function firstLine(text: string): string | undefined {
  return text
    .split("\n")
    .map((line) => line.replace(/[\p{C}]/gu, "").trim())
    .find((line) => line !== "")
    ?.slice(0, 200);
}
