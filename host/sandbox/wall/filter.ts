/**
 * The seccomp filter of a provider's process as the kernel loads it: classic BPF over `struct seccomp_data`, assembled from the table
 * in syscalls.ts. Pure. Source: linux/seccomp.h, linux/filter.h, Documentation/userspace-api/seccomp_filter.rst.
 */
import { type Arch, type Condition, SYSCALLS, type Syscall, type Verdict } from "./syscalls.ts";

/** `struct sock_filter`: u16 code, u8 jt, u8 jf, u32 k, in the byte order of the machine; both architectures are little-endian. */
interface Instruction {
  readonly code: number;
  /** Instructions to skip if the comparison is true (jt) or false (jf). */
  readonly jt?: number;
  readonly jf?: number;
  readonly k: number;
}

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const AT_LEAST = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

const NUMBER = 0;
const ARCHITECTURE = 4;
const argument = (index: number) => 16 + 8 * index;

// linux/audit.h
const AUDIT_ARCH: Readonly<Record<Arch, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };
/** The first number of the x32 calls, which are the same calls under other numbers. */
const X32 = 0x4000_0000;

const EPERM = 1;
const ENOSYS = 38;
const KILL = 0x8000_0000;
const ALLOW = 0x7fff_0000;
const errno = (number: number) => 0x0005_0000 | number;

/** The longest conditional jump, in instructions. */
const MAX_JUMP = 255;

/**
 * Assembles the filter for an architecture.
 * @returns the program, 8 bytes for each instruction
 * @throws RangeError if a jump is too long
 * @example writeFileSync("seccomp-x64.bpf", filterFor("x64"))
 */
export function filterFor(arch: Arch, syscalls: readonly Syscall[] = SYSCALLS): Uint8Array {
  return encode([
    { code: LOAD, k: ARCHITECTURE },
    { code: EQUAL, k: AUDIT_ARCH[arch], jt: 1 },
    ret(KILL),
    { code: LOAD, k: NUMBER },
    ...(arch === "x64" ? [{ code: AT_LEAST, k: X32, jf: 1 }, ret(KILL)] : []),
    ...syscalls.flatMap(({ number, verdict }) => {
      const own = number[arch];
      if (own === undefined) return [];
      const block = blockOf(verdict);
      return [{ code: EQUAL, k: own, jf: block.length }, ...block];
    }),
    ret(errno(EPERM)),
  ]);
}

/** The instructions for one system call. Every path through them returns. */
function blockOf(verdict: Verdict): Instruction[] {
  if (verdict === "allow") return [ret(ALLOW)];
  if (verdict === "missing") return [ret(errno(ENOSYS))];
  if (verdict === "kill") return [ret(KILL)];
  return conditional(verdict);
}

function conditional(condition: Condition): Instruction[] {
  const load = { code: LOAD, k: argument(condition.arg) };
  const ends = [ret(errno(EPERM)), ret(ALLOW)];
  if ("zero" in condition) {
    const high = { code: LOAD, k: argument(condition.arg) + 4 };
    return [load, { code: EQUAL, k: 0, jf: 2 }, high, { code: EQUAL, k: 0, jt: 1 }, ...ends];
  }
  if ("mask" in condition) {
    const { mask, equals } = condition;
    return [load, { code: AND, k: mask }, { code: EQUAL, k: equals, jt: 1 }, ...ends];
  }
  const { oneOf } = condition;
  return [load, ...oneOf.map((k, i) => ({ code: EQUAL, k, jt: oneOf.length - i })), ...ends];
}

function ret(k: number): Instruction {
  return { code: RETURN, k };
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(8 * program.length));
  for (const [i, { code, jt = 0, jf = 0, k }] of program.entries()) {
    if (Math.max(jt, jf) > MAX_JUMP)
      throw new RangeError(
        `Cannot assemble the filter: a jump of ${Math.max(jt, jf)}, at most ${MAX_JUMP} is allowed`,
      );
    bytes.setUint16(8 * i, code, true);
    bytes.setUint8(8 * i + 2, jt);
    bytes.setUint8(8 * i + 3, jf);
    bytes.setUint32(8 * i + 4, k >>> 0, true);
  }
  return new Uint8Array(bytes.buffer);
}
