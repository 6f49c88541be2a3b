/**
 * For development only: what a runtime writes to stderr becomes the error of the call (docs/ABI.md, section 3, error_set), so that the
 * host's log has the text of a panic. An export that returns takes the error back.
 */
import {
  again,
  type Code,
  call,
  get,
  globalGet,
  globalSet,
  i32,
  i32Add,
  i32Eq,
  i32LtU,
  i64,
  i64Add,
  i64Eq,
  i64LtU,
  i64Ne,
  load8,
  load32,
  loop,
  set,
  when,
} from "./assembler.ts";
import { EXTISM, type StubContext } from "./random.ts";

export const STDERR_IMPORTS = ["alloc", "store_u8", "error_set"].map((name) => `${EXTISM} ${name}`);

/** Bytes of the text that are kept. */
const ROOM = 400;
const STDERR = 2;

/** The start of `fd_write` that keeps what goes to stderr. Its parameters are fd, vectors, count; its locals, from `first` on, five of i32. */
export function keepStderr({ function: indexOf, global }: StubContext, first: number): Code {
  const [fd, vectors, count] = [0, 1, 2];
  const [i, j, length, address, vector] = [0, 1, 2, 3, 4].map((n) => first + n) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const [text, filled] = [global("text"), global("filled")];
  const store = (byte: Code): Code => [
    when(i64LtU(globalGet(filled), i64(ROOM)), [
      [i64Add(globalGet(text), globalGet(filled)), byte, call(indexOf(`${EXTISM} store_u8`))],
      globalSet(filled, i64Add(globalGet(filled), i64(1))),
    ]),
  ];
  return when(i32Eq(get(fd), i32(STDERR)), [
    when(i64Eq(globalGet(text), i64(0)), [globalSet(text, [i64(ROOM), call(indexOf(`${EXTISM} alloc`))])]),
    loop(
      when(i32LtU(get(i), get(count)), [
        set(vector, i32Add(get(vectors), [get(i), i32(3), 0x74])),
        set(address, load32(get(vector))),
        set(length, load32(i32Add(get(vector), i32(4)))),
        set(j, i32(0)),
        loop(
          when(i32LtU(get(j), get(length)), [
            store(load8(i32Add(get(address), get(j)))),
            set(j, i32Add(get(j), i32(1))),
            again(1),
          ]),
        ),
        set(i, i32Add(get(i), i32(1))),
        again(1),
      ]),
    ),
    [globalGet(text), call(indexOf(`${EXTISM} error_set`))],
  ]);
}

/** What an export does before it returns. */
export function takeBack({ function: indexOf, global }: StubContext): Code {
  const isSet = i64Ne(globalGet(global("text")), i64(0));
  return when(isSet, [i64(0), call(indexOf(`${EXTISM} error_set`))]);
}
