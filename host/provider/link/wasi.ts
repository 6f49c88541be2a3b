/**
 * The functions of WASI (preview 1, wasi_snapshot_preview1.witx) that runtimes of languages import, and what the linked module has in
 * their place. A guest has no files, no arguments and no clock (docs/ABI.md, section 1): most answers are errors that a program must
 * expect. Nothing answers with a constant in place of a random number or a time of day: those trap.
 */
import type { FuncType, ValType } from "../../module/wasm/types.ts";
import {
  again,
  body,
  type Code,
  get,
  globalGet,
  globalSet,
  i32,
  i32Add,
  i32Eq,
  i32Eqz,
  i32LtU,
  i32Mul,
  i32Ne,
  i64,
  i64Add,
  load8,
  load32,
  load64,
  loop,
  RETURN,
  set,
  store32,
  store64,
  UNREACHABLE,
  when,
} from "./assembler.ts";
import { RANDOM_IMPORTS, randomGet, type StubContext } from "./random.ts";
import { keepStderr, STDERR_IMPORTS } from "./stderr.ts";

export const WASI = "wasi_snapshot_preview1";

/** A function in place of an import. */
export interface Stub {
  readonly type: FuncType;
  /** The effect, for the author who reads the list. */
  readonly effect: string;
  /** Imports that it calls, "MODULE NAME". */
  readonly needs: readonly string[];
  /** The body with its size. */
  readonly body: (context: StubContext) => Uint8Array;
}

/** WASI's numbers of errors: a closed file, and a function that is not there. */
const BADF = 8;
const NOSYS = 52;
const STEP_NS = 1000;
/** The number of the clock that has no time of day. */
const MONOTONIC = 1;

type Effect = Omit<Stub, "type">;
const answers = (code: number, effect: string): Effect => ({
  effect,
  needs: [],
  body: () => body([], i32(code)),
});
const traps = (effect: string): Effect => ({ effect, needs: [], body: () => body([], UNREACHABLE) });

const NO_FILE = answers(BADF, "fails with badf: a guest has no files");
const MISSING = answers(NOSYS, "fails with nosys: a guest cannot do this");
const EMPTY: Effect = {
  effect: "none: a guest has no arguments and no environment",
  needs: [],
  body: () => body([], store32(get(0), i32(0)), store32(get(1), i32(0)), i32(0)),
};
const RANDOM: Effect = {
  effect: "asks kleidi:crypto random; traps if the host does not give the bytes",
  needs: RANDOM_IMPORTS,
  body: randomGet,
};
const CLOCK: Effect = {
  effect: "the monotonic clock advances by 1,000 ns at each question; the time of day traps",
  needs: [],
  body: ({ global }) =>
    body(
      [],
      when(i32Ne(get(0), i32(MONOTONIC)), UNREACHABLE),
      globalSet(global("ticks"), i64Add(globalGet(global("ticks")), i64(STEP_NS))),
      store64(get(2), globalGet(global("ticks"))),
      i32(0),
    ),
};
/**
 * `poll_oneoff(subscriptions, events, count, happened)`: a subscription has the user's data at 0, its tag at 8 (0 is a clock), the clock at
 * 16 and the time at 24; an event has the user's data at 0, the errno at 8 and the tag at 10.
 */
const SLEEP: Effect = {
  effect: "one wait for the monotonic clock advances it and returns at once; others fail with nosys",
  needs: [],
  body: ({ global }) => {
    const [subscriptions, events, count, happened] = [0, 1, 2, 3];
    const isOneClock = [i32Eq(get(count), i32(1)), i32Eqz(load8(i32Add(get(subscriptions), i32(8)))), 0x71];
    const time = load64(i32Add(get(subscriptions), i32(24)));
    return body(
      [],
      when(i32Eqz(isOneClock), i32(NOSYS), RETURN),
      when(i32Ne(load32(i32Add(get(subscriptions), i32(16))), i32(MONOTONIC)), UNREACHABLE),
      globalSet(global("ticks"), i64Add(globalGet(global("ticks")), time)),
      store64(get(events), load64(get(subscriptions))),
      store32(i32Add(get(events), i32(8)), i32(0)),
      store32(get(happened), i32(1)),
      i32(0),
    );
  },
};
const DISCARD: Effect = {
  effect: "discards what is written to stdout and stderr; other files fail with badf",
  needs: [],
  body: () => body(["i32", "i32"], discard()),
};

/** `fd_write(fd, vectors, count, written)`: adds up the lengths of the vectors, each an address and a length. */
function discard(): Code {
  const [fd, vectors, count, written, i, total] = [0, 1, 2, 3, 4, 5];
  const length = load32(i32Add(i32Add(get(vectors), i32Mul(get(i), i32(8))), i32(4)));
  return [
    when(i32LtU(i32(1), [get(fd), i32(1), 0x6b]), i32(BADF), 0x0f),
    loop(
      when(i32LtU(get(i), get(count)), [
        set(total, i32Add(get(total), length)),
        set(i, i32Add(get(i), i32(1))),
        again(1),
      ]),
    ),
    store32(get(written), get(total)),
    i32(0),
  ];
}

/** Name, parameters (i: i32, I: i64), effect. Each returns an errno, unless it traps. */
const ROWS: readonly (readonly [name: string, params: string, effect: Effect])[] = [
  ["random_get", "ii", RANDOM],
  ["clock_time_get", "iIi", CLOCK],
  ["clock_res_get", "ii", MISSING],
  ["fd_write", "iiii", DISCARD],
  ["args_sizes_get", "ii", EMPTY],
  ["args_get", "ii", answers(0, EMPTY.effect)],
  ["environ_sizes_get", "ii", EMPTY],
  ["environ_get", "ii", answers(0, EMPTY.effect)],
  ["sched_yield", "", answers(0, "does nothing: a guest has one thread")],
  ["poll_oneoff", "iiii", SLEEP],
  ["fd_advise", "iIIi", NO_FILE],
  ["fd_allocate", "iII", NO_FILE],
  ["fd_close", "i", NO_FILE],
  ["fd_datasync", "i", NO_FILE],
  ["fd_fdstat_get", "ii", NO_FILE],
  ["fd_fdstat_set_flags", "ii", NO_FILE],
  ["fd_fdstat_set_rights", "iII", NO_FILE],
  ["fd_filestat_get", "ii", NO_FILE],
  ["fd_filestat_set_size", "iI", NO_FILE],
  ["fd_filestat_set_times", "iIIi", NO_FILE],
  ["fd_pread", "iiiIi", NO_FILE],
  ["fd_prestat_dir_name", "iii", NO_FILE],
  ["fd_prestat_get", "ii", NO_FILE],
  ["fd_pwrite", "iiiIi", NO_FILE],
  ["fd_read", "iiii", NO_FILE],
  ["fd_readdir", "iiiIi", NO_FILE],
  ["fd_renumber", "ii", NO_FILE],
  ["fd_seek", "iIii", NO_FILE],
  ["fd_sync", "i", NO_FILE],
  ["fd_tell", "ii", NO_FILE],
  ["path_create_directory", "iii", NO_FILE],
  ["path_filestat_get", "iiiii", NO_FILE],
  ["path_filestat_set_times", "iiiiIIi", NO_FILE],
  ["path_link", "iiiiiii", NO_FILE],
  ["path_open", "iiiiiIIii", NO_FILE],
  ["path_readlink", "iiiiii", NO_FILE],
  ["path_remove_directory", "iii", NO_FILE],
  ["path_rename", "iiiiii", NO_FILE],
  ["path_symlink", "iiiii", NO_FILE],
  ["path_unlink_file", "iii", NO_FILE],
  ["sock_accept", "iii", NO_FILE],
  ["sock_recv", "iiiiii", NO_FILE],
  ["sock_send", "iiiii", NO_FILE],
  ["sock_shutdown", "ii", NO_FILE],
];

const typeOf = (params: string, results: readonly ValType[]): FuncType => ({
  params: [...params].map((letter) => (letter === "I" ? "i64" : "i32")),
  results,
});

/** By the name of the import. */
export const STUBS: ReadonlyMap<string, Stub> = new Map([
  ...ROWS.map(([name, params, effect]) => [name, { type: typeOf(params, ["i32"]), ...effect }] as const),
  ["proc_exit", { type: typeOf("i", []), ...traps("traps: the call fails") }],
  ["proc_raise", { type: typeOf("i", ["i32"]), ...traps("traps: the call fails") }],
]);

/** AssemblyScript calls it where a check fails, and ends there. */
const ABORT: Stub = { type: typeOf("iiii", []), ...traps("traps: the call fails") };

/** `fd_write` in a module for development. */
const KEEP: Effect = {
  effect: "the first 400 bytes of stderr are in the host's log if the call traps; stdout is discarded",
  needs: STDERR_IMPORTS,
  body: (context) =>
    body(["i32", "i32", "i32", "i32", "i32", "i32", "i32"], keepStderr(context, 6), discard()),
};

/**
 * Returns the function in place of an import; undefined if the import stays.
 * @param debug true for the functions of a module for development
 */
export function stubOf(module: string, name: string, debug: boolean): Stub | undefined {
  if (module !== WASI) return module === "env" && name === "abort" ? ABORT : undefined;
  const stub = STUBS.get(name);
  return stub && debug && name === "fd_write" ? { ...stub, ...KEEP } : stub;
}
