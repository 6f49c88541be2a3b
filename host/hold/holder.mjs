/**
 * Holds the socket of a host, which is the standard input of this process, and runs `kleidi serve` on it. A serving process that ends is
 * started again; callers wait in the queue of the socket meanwhile. Plain JavaScript without packages: it stays in memory beside the host.
 *
 * Arguments: the path of the socket, the path of the configuration, and the command without its arguments (Node, its options, main).
 */
import { spawn } from "node:child_process";
import { lstatSync, readFileSync, unlinkSync, writeSync } from "node:fs";

/** @type {string[]} */
const [socket = "", config = "", program = "", ...main] = process.argv.slice(2);
/** A restart cannot help after a usage error. */
const USAGE = 2;
/** The pause before a restart: none, then longer ones. The longest one and a start take less than 2 s. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 500;
/** A process that served for so long ended for another reason than the one before it. */
const STEADY_MS = 10_000;
/** After this time without a host that serves, connections are accepted in its place. */
const UNSERVED_MS = 5_000;
/**
 * As the first process of a container this one inherits what a killed host started. Node cannot wait for those processes, so the kernel keeps
 * an entry of each. The container, restarted, begins without them.
 */
const MAX_ORPHANS = 500;
const WAITING_ROOM = new URL("./waiting-room.mjs", import.meta.url).pathname;

const placed = statusOf(socket);
/** @type {import("node:child_process").ChildProcess | undefined} */
let child;
/** @type {NodeJS.Timeout | undefined} */
let timer;
/** @type {import("node:child_process").ChildProcess | undefined} */
let waitingRoom;
/** @type {NodeJS.Timeout | undefined} */
let unserved;
let startedAt = 0;
let restarts = 0;
let isStopping = false;

/** @param {string} path */
function statusOf(path) {
  return lstatSync(path, { throwIfNoEntry: false });
}

function isInPlace() {
  const found = statusOf(socket);
  return found !== undefined && found.ino === placed?.ino && found.dev === placed.dev;
}

function start() {
  // Removed or replaced: this process begins anew, and binds it.
  if (!isInPlace()) process.execve?.(program, [program, ...main, "hold", "--config", config], process.env);
  startedAt = performance.now();
  unserved ??= setTimeout(openWaitingRoom, UNSERVED_MS);
  const held = { LISTEN_FDS: "1", KLEIDI_HOLDER: String(process.pid), KLEIDI_SOCKET: socket };
  child = spawn(program, [...main, "serve", "--config", config], {
    // The host stops when descriptor 4 ends, which is when this process does, and writes to it when it serves (host/grpc/holder-link.ts).
    stdio: ["ignore", "inherit", "inherit", 0, "pipe"],
    env: { ...process.env, ...held },
  });
  child.stdio[4]?.on("error", () => {}).once("data", onServing);
  child.once("exit", (code, signal) => onEnd(code ?? signal));
  child.once("error", (error) => onEnd(error.message));
}

function onServing() {
  clearTimeout(unserved);
  unserved = undefined;
  waitingRoom?.kill("SIGKILL");
}

function openWaitingRoom() {
  log("no host serves: connections wait");
  const room = spawn(process.execPath, [...process.execArgv, WAITING_ROOM], {
    stdio: ["pipe", "ignore", "ignore", 0],
  });
  room.on("error", () => {});
  waitingRoom = room;
}

/** @param {number | string | null} how the exit code, the signal, or the reason why it could not be started */
function onEnd(how) {
  if (child === undefined) return;
  child = undefined;
  if (isStopping || how === USAGE) return end(typeof how === "number" ? how : 1);
  if (childCount() > MAX_ORPHANS) {
    log(
      `kleidi hold ends: over ${MAX_ORPHANS} processes of former hosts remain; the container has to be restarted`,
    );
    return end(1);
  }
  if (performance.now() - startedAt > STEADY_MS) restarts = 0;
  const pause = restarts === 0 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (restarts - 1));
  restarts += 1;
  log(`kleidi serve ended (${how}); it is started again in ${pause} ms`);
  timer = setTimeout(start, pause);
}

function childCount() {
  try {
    return readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").split(" ").length - 1;
  } catch {
    // A kernel without the file (CONFIG_PROC_CHILDREN).
    return 0;
  }
}

/** @param {number} code */
function end(code) {
  if (isInPlace()) unlinkSync(socket);
  process.exit(code);
}

/** @param {NodeJS.Signals} signal */
function stop(signal) {
  isStopping = true;
  clearTimeout(timer);
  if (child === undefined) end(0);
  else child.kill(signal);
}

/** @param {string} msg a line as the host's log has them */
function log(msg) {
  const line = { level: 50, time: new Date().toISOString(), service: "kleidi", msg };
  try {
    writeSync(2, `${JSON.stringify(line)}\n`);
  } catch {
    // Nobody reads the log: the host is started all the same.
  }
}

for (const signal of /** @type {const} */ (["SIGTERM", "SIGINT"])) process.on(signal, () => stop(signal));
for (const signal of /** @type {const} */ (["SIGHUP", "SIGUSR2"]))
  process.on(signal, () => void child?.kill(signal));
start();
