/**
 * The system calls of a provider's process, with the reason for each. A call without a row fails with EPERM. The list comes from traces of
 * Node 26: from exec on, loading a provider, serving calls, and running the hostile guests of the tests.
 */

export type Arch = "x64" | "arm64";

/** The condition of a row, on the low 32 bits of an argument unless it says otherwise. */
export type Condition =
  | { readonly arg: number; readonly oneOf: readonly number[] }
  | { readonly arg: number; readonly mask: number; readonly equals: number }
  /** All 64 bits are zero. */
  | { readonly arg: number; readonly zero: true };

/** "missing": ENOSYS, for which Node and the C library have a fallback. "kill": no version of Node makes this call. */
export type Verdict = "allow" | "missing" | "kill" | Condition;

export interface Syscall {
  readonly name: string;
  /** The number on each architecture; absent if the architecture does not have the call. */
  readonly number: Partial<Readonly<Record<Arch, number>>>;
  readonly verdict: Verdict;
  readonly why: string;
}

// linux/sched.h
const CLONE_THREAD_FLAGS = 0x0001_0900; // CLONE_VM | CLONE_SIGHAND | CLONE_THREAD
const CLONE_NAMESPACES = 0x7e02_0080;
// asm-generic/fcntl.h: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND, O_PATH, __O_TMPFILE
const OPEN_TO_WRITE = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000 | 0o10000000 | 0o20000000;
// F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC: none sends signals (F_SETOWN) or takes leases
const FCNTL = [1, 2, 3, 4, 1030];
// asm-generic/mman: MAP_TYPE | MAP_GROWSDOWN, and their value for a private mapping that does not grow
const MAP_KINDS = 0x10f;
const MAP_PRIVATE = 0x2;
// linux/time.h: clocks of the system and of the process itself; those of other processes are negative
const CLOCKS = Array.from({ length: 12 }, (_, clock) => clock);
// SO_TYPE; one of the others returns a descriptor of the host
const SOCKET_OPTIONS = [3];
const LANDLOCK_RULE_PATH_BENEATH = 1;
// TCGETS, FIONBIO, FIOCLEX
const IOCTL = [0x5401, 0x5421, 0x5451];
const PR_SET_KEEPCAPS = 8;
const PR_SET_NAME = 15;
const PR_SET_NO_NEW_PRIVS = 38;

const row = (
  name: string,
  x64: number | undefined,
  arm64: number | undefined,
  verdict: Verdict,
  why: string,
): Syscall => ({
  name,
  number: { ...(x64 !== undefined && { x64 }), ...(arm64 !== undefined && { arm64 }) },
  verdict,
  why,
});

export const SYSCALLS: readonly Syscall[] = [
  // Memory: V8's heap, compiled code and the memories of guests.
  row(
    "mmap",
    9,
    222,
    { arg: 3, mask: MAP_KINDS, equals: MAP_PRIVATE },
    "memory of the heap, of code and of guests; the shared libraries. Shared and growing mappings would bypass the limit on data",
  ),
  row("munmap", 11, 215, "allow", "memory that is released"),
  row("mprotect", 10, 226, "allow", "guests' memories that grow; compiled code"),
  row("madvise", 28, 233, "allow", "pages that V8 releases"),
  row("mremap", 25, 216, "allow", "realloc of large blocks"),
  row("brk", 12, 214, "allow", "malloc"),
  // Threads of V8 and libuv.
  row(
    "clone",
    56,
    220,
    { arg: 0, mask: CLONE_THREAD_FLAGS | CLONE_NAMESPACES, equals: CLONE_THREAD_FLAGS },
    "threads; no processes and no namespaces",
  ),
  row(
    "clone3",
    435,
    435,
    "missing",
    "its flags are in memory, where a filter cannot read them; the C library then uses clone",
  ),
  row("futex", 202, 98, "allow", "locks"),
  row("set_robust_list", 273, 99, "allow", "each new thread"),
  row("set_tid_address", 218, 96, "allow", "the first thread"),
  row("rseq", 334, 293, "allow", "each new thread"),
  row("membarrier", 324, 283, "allow", "V8, when it patches compiled code"),
  row(
    "wait4",
    61,
    260,
    "allow",
    "bubblewrap's process 1, which waits for Node and ends with it; a process here has no other children",
  ),
  row("gettid", 186, 178, "allow", "each new thread"),
  row("sched_yield", 24, 124, "allow", "locks of V8"),
  row("sched_getaffinity", 204, 123, "allow", "the number of processors"),
  row("sched_getparam", 143, 121, "allow", "V8's worker threads, when one starts"),
  row("sched_getscheduler", 145, 120, "allow", "V8's worker threads, when one starts"),
  row("arch_prctl", 158, undefined, "allow", "thread-local storage"),
  row(
    "prctl",
    157,
    167,
    { arg: 0, oneOf: [PR_SET_NAME, PR_SET_NO_NEW_PRIVS, PR_SET_KEEPCAPS] },
    "names of threads; the last steps of setpriv. Not the parent-death signal",
  ),
  row("exit", 60, 93, "allow", "a thread that ends"),
  row("exit_group", 231, 94, "allow", "the process ends"),
  // Signal handlers; sending a signal is denied.
  row("rt_sigaction", 13, 134, "allow", "handlers of Node"),
  row("rt_sigprocmask", 14, 135, "allow", "each new thread"),
  row("rt_sigreturn", 15, 139, "allow", "the end of a handler"),
  row("sigaltstack", 131, 132, "allow", "handlers that need their own stack"),
  row("restart_syscall", 219, 128, "allow", "the kernel, after the process was stopped"),
  // Existing descriptors: the link to the host, pipes and event queues of the process itself. None can connect to another process.
  row("read", 0, 63, "allow", "the link to the host"),
  row("write", 1, 64, "allow", "the link to the host, stderr, wake-ups between threads"),
  row("readv", 19, 65, "allow", "the link to the host"),
  row("writev", 20, 66, "allow", "the link to the host"),
  row("pread64", 17, 67, "allow", "headers of shared libraries"),
  row("lseek", 8, 62, "allow", "files that are read"),
  row("close", 3, 57, "allow", "files that were read"),
  row("fcntl", 72, 25, { arg: 1, oneOf: FCNTL }, "close-on-exec and non-blocking; no signals, no leases"),
  row(
    "ioctl",
    16,
    29,
    { arg: 1, oneOf: IOCTL },
    "non-blocking; whether stderr is a terminal. No input can be injected into terminals",
  ),
  row("shutdown", 48, 210, "allow", "the link to the host, when it ends"),
  row("getsockname", 51, 204, "allow", "libuv, for the kind of descriptor 3"),
  row("getsockopt", 55, 209, { arg: 2, oneOf: SOCKET_OPTIONS }, "libuv, for the kind of descriptor 3"),
  row("pipe2", 293, 59, "allow", "libuv: wake-ups"),
  row("eventfd2", 290, 19, "allow", "libuv: wake-ups"),
  row("epoll_create1", 291, 20, "allow", "libuv: the event loop"),
  row("epoll_ctl", 233, 21, "allow", "libuv: the event loop"),
  row("epoll_pwait", 281, 22, "allow", "libuv: the event loop"),
  row("epoll_wait", 232, undefined, "allow", "libuv: the event loop"),
  row("io_uring_setup", 425, 425, "missing", "libuv then uses its own threads"),
  // Files: reading only, and only those that the rest of the wall shows.
  row(
    "openat",
    257,
    56,
    { arg: 2, mask: OPEN_TO_WRITE, equals: 0 },
    "the program, its packages and libraries; never to write",
  ),
  row("fstat", 5, 80, "allow", "files that are read"),
  row("newfstatat", 262, 79, "allow", "the C library's stat"),
  row("statx", 332, 291, "allow", "libuv's stat"),
  row("access", 21, undefined, "allow", "the loader of shared libraries"),
  row("faccessat", 269, 48, "allow", "the loader of shared libraries"),
  row("faccessat2", 439, 439, "allow", "the C library's access"),
  row("readlink", 89, undefined, "allow", "the path of Node itself"),
  row("readlinkat", 267, 78, "allow", "the path of Node itself"),
  row("getcwd", 79, 17, "allow", "paths of modules"),
  row(
    "execve",
    59,
    221,
    "allow",
    "setpriv or bubblewrap starts Node; a filter cannot count calls. It can only start Node, behind the same wall",
  ),
  // Information that the process may read.
  row("clock_gettime", 228, 113, { arg: 0, oneOf: CLOCKS }, "the time, not that of another process"),
  row("clock_getres", 229, 114, { arg: 0, oneOf: CLOCKS }, "the time, not that of another process"),
  row("clock_nanosleep", 230, 115, { arg: 0, oneOf: CLOCKS }, "V8's worker threads"),
  row("nanosleep", 35, 101, "allow", "V8's worker threads"),
  row("gettimeofday", 96, 169, "allow", "the time"),
  row("getrandom", 318, 278, "allow", "random numbers"),
  row("getpid", 39, 172, "allow", "libuv, in its event loop"),
  row("getuid", 102, 174, "allow", "Node: whether it runs with more rights than its user"),
  row("geteuid", 107, 175, "allow", "Node: whether it runs with more rights than its user"),
  row("getgid", 104, 176, "allow", "Node: whether it runs with more rights than its user"),
  row("getegid", 108, 177, "allow", "Node: whether it runs with more rights than its user"),
  row("capget", 125, 90, "allow", "Node: whether it runs with more rights than its user"),
  row("prlimit64", 302, 261, { arg: 2, zero: true }, "reading limits, not setting them"),
  row("sysinfo", 99, 179, "allow", "the size of memory"),
  row("uname", 63, 160, "allow", "the C library: the kernel's version"),
  // setpriv loads this filter before its last steps, which only remove privileges.
  row("capset", 126, 91, "allow", "setpriv drops capabilities; no process can add capabilities to its own"),
  row("landlock_create_ruleset", 444, 444, "allow", "setpriv; further rules can only restrict"),
  row(
    "landlock_add_rule",
    445,
    445,
    { arg: 1, oneOf: [LANDLOCK_RULE_PATH_BENEATH] },
    "setpriv; further rules can only restrict",
  ),
  row("landlock_restrict_self", 446, 446, "allow", "setpriv; further rules can only restrict"),
  // Calls that Node never makes: a process that makes one runs an attacker's code.
  row("ptrace", 101, 117, "kill", "another process's memory and registers"),
  row("process_vm_readv", 310, 270, "kill", "another process's memory"),
  row("process_vm_writev", 311, 271, "kill", "another process's memory"),
  row("pidfd_getfd", 438, 438, "kill", "another process's descriptors"),
  row("bpf", 321, 280, "kill", "programs in the kernel"),
  row(
    "perf_event_open",
    298,
    241,
    "kill",
    "activity of other processes; a large attack surface of the kernel",
  ),
  row("userfaultfd", 323, 282, "kill", "used in many attacks on the kernel"),
  row("mount", 165, 40, "kill", "another view of the files"),
  row("umount2", 166, 39, "kill", "another view of the files"),
  row("move_mount", 429, 429, "kill", "another view of the files"),
  row("open_tree", 428, 428, "kill", "another view of the files"),
  row("fsopen", 430, 430, "kill", "another view of the files"),
  row("fsconfig", 431, 431, "kill", "another view of the files"),
  row("fsmount", 432, 432, "kill", "another view of the files"),
  row("pivot_root", 155, 41, "kill", "another view of the files"),
  row("open_by_handle_at", 304, 265, "kill", "files opened without a path"),
  row("setns", 308, 268, "kill", "another process's namespaces"),
  row("unshare", 272, 97, "kill", "new namespaces"),
  row("kexec_load", 246, 104, "kill", "another kernel"),
  row("kexec_file_load", 320, 294, "kill", "another kernel"),
  row("init_module", 175, 105, "kill", "code in the kernel"),
  row("finit_module", 313, 273, "kill", "code in the kernel"),
  row("delete_module", 176, 106, "kill", "code in the kernel"),
  row("keyctl", 250, 219, "kill", "keys that the kernel holds"),
  row("add_key", 248, 217, "kill", "keys that the kernel holds"),
  row("request_key", 249, 218, "kill", "keys that the kernel holds"),
];
