/**
 * The attempts of machine code in a provider's process, as JavaScript for a stand-in to which Node's FFI gives system calls: the same
 * executable, without Node's permission model, so that only the wall restricts it.
 */

/** Numbers of x86-64: the filter denies every call that is not in its table by number, under any name. */
const NR = {
  open: 2,
  lseek: 8,
  ioctl: 16,
  pipe: 22,
  socket: 41,
  connect: 42,
  socketpair: 53,
  clone: 56,
  fork: 57,
  vfork: 58,
  execve: 59,
  kill: 62,
  semget: 64,
  msgget: 68,
  fcntl: 72,
  truncate: 76,
  ftruncate: 77,
  rename: 82,
  mkdir: 83,
  rmdir: 84,
  creat: 85,
  link: 86,
  unlink: 87,
  symlink: 88,
  chmod: 90,
  chown: 92,
  umask: 95,
  getppid: 110,
  ptrace: 101,
  setuid: 105,
  setgid: 106,
  setgroups: 116,
  shmget: 29,
  personality: 135,
  setpriority: 141,
  modify_ldt: 154,
  prctl: 157,
  adjtimex: 159,
  setrlimit: 160,
  chroot: 161,
  settimeofday: 164,
  mount: 165,
  umount2: 166,
  swapon: 167,
  reboot: 169,
  sethostname: 170,
  iopl: 172,
  ioperm: 173,
  quotactl: 179,
  acct: 163,
  tkill: 200,
  sched_setaffinity: 203,
  getdents64: 217,
  timer_create: 222,
  clock_settime: 227,
  tgkill: 234,
  mq_open: 240,
  keyctl: 250,
  add_key: 248,
  request_key: 249,
  inotify_init1: 294,
  unlinkat: 263,
  openat: 257,
  mmap: 9,
  eventfd2: 290,
  clock_gettime: 228,
  getsockopt: 55,
  landlock_add_rule: 445,
  unshare: 272,
  splice: 275,
  tee: 276,
  vmsplice: 278,
  signalfd4: 289,
  dup3: 292,
  perf_event_open: 298,
  fanotify_init: 300,
  prlimit64: 302,
  name_to_handle_at: 303,
  open_by_handle_at: 304,
  setns: 308,
  process_vm_readv: 310,
  process_vm_writev: 311,
  kcmp: 312,
  finit_module: 313,
  memfd_create: 319,
  kexec_file_load: 320,
  bpf: 321,
  execveat: 322,
  userfaultfd: 323,
  copy_file_range: 326,
  pidfd_send_signal: 424,
  io_uring_setup: 425,
  io_uring_enter: 426,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  pidfd_open: 434,
  clone3: 435,
  openat2: 437,
  pidfd_getfd: 438,
  process_madvise: 440,
  pivot_root: 155,
  timerfd_create: 283,
  memfd_secret: 447,
  futex_waitv: 449,
  sendmsg: 46,
  recvmsg: 47,
  sendfile: 40,
} as const;

/** Defines `sys(number, …arguments)`, which throws an error with the kernel's code, and `text(string)`, a C string. */
export const PRELUDE = `
const fs = require("node:fs");
const ffi = require("node:ffi");
const { errno: ERRNO } = require("node:os").constants;
const NR = ${JSON.stringify(NR)};
const { functions: c } = ffi.dlopen(null, {
  syscall: { return: "i64", arguments: Array(7).fill("i64") },
  __errno_location: { return: "pointer", arguments: [] },
});
// Asked for once: between a call and the look at its error the engine must do as little as possible, because it sets the error, too.
const errorAt = c.__errno_location();
const kept = [];
const pointer = (buffer) => { kept.push(buffer); return ffi.getRawPointer(buffer); };
const text = (string) => pointer(Buffer.from(string + "\\0"));
const buffer = (size) => pointer(Buffer.alloc(size));
const sys = (number, ...rest) => {
  const result = c.syscall(...[number, ...rest, 0, 0, 0, 0, 0, 0].slice(0, 7).map(BigInt));
  if (result !== -1n) return Number(result);
  const number_ = ffi.getInt32(errorAt);
  throw Object.assign(new Error(), { code: Object.keys(ERRNO).find((name) => ERRNO[name] === number_) });
};
`;

export type Codes = string | { readonly bubblewrap: string; readonly landlock: string };

export interface Attempt {
  readonly what: string;
  /** An expression, or a block that returns; SECRET in it is the path of a file of the host, FOLDER its folder. */
  readonly tries: string;
  /** The code of the expected error, by wall where these differ. */
  readonly code: Codes;
}

const attempt = (what: string, tries: string, code: Codes = "EPERM"): Attempt => ({ what, tries, code });
/** One wall hides a file and the other forbids it. */
const HIDDEN = { bubblewrap: "ENOENT", landlock: "EACCES" };

export const ATTEMPTS: readonly Attempt[] = [
  attempt("read a key file", "fs.readFileSync(SECRET)", HIDDEN),
  attempt("read a key file by a system call", "sys(NR.openat, -100, text(SECRET), 0)", HIDDEN),
  attempt("open a key file by the call that the filter does not know", "sys(NR.open, text(SECRET), 0)"),
  attempt(
    "open a key file by openat2, whose flags no filter sees",
    "sys(NR.openat2, -100, text(SECRET), buffer(24), 24)",
  ),
  attempt("list the folder of keys", "sys(NR.openat, -100, text(FOLDER), 0o200000)", HIDDEN),
  attempt("list a folder that it may read", "fs.readdirSync(GUEST)"),
  attempt("read the password file", 'fs.readFileSync("/etc/passwd")', HIDDEN),
  attempt("write to a key file", 'fs.openSync(SECRET, "r+")'),
  attempt("write to its own program", 'fs.openSync(GUEST + "/main.mjs", "r+")'),
  attempt("make a file", 'fs.openSync("/tmp/kleidi-escape", "w")'),
  attempt("make a file by creat", 'sys(NR.creat, text("/tmp/kleidi-escape"), 0o600)'),
  attempt("make a file without a name", 'sys(NR.openat, -100, text("/"), 0o20200002, 0o600)'),
  attempt("truncate a key file", "sys(NR.truncate, text(SECRET), 0)"),
  attempt("remove a key file", "fs.unlinkSync(SECRET)"),
  attempt("rename a key file", 'fs.renameSync(SECRET, SECRET + ".gone")'),
  attempt("change a key file's mode", "fs.chmodSync(SECRET, 0o666)"),
  attempt("make a link", 'fs.symlinkSync("/etc", "/tmp/kleidi-escape")'),
  attempt("make a folder", 'fs.mkdirSync("/tmp/kleidi-escape")'),
  attempt("copy between descriptors in the kernel", "sys(NR.copy_file_range, 0, 0, 1, 0, 1, 0)"),
  attempt("read the host's memory", 'fs.openSync("/proc/HOST/mem", "r")', HIDDEN),
  attempt("read the host's environment", 'fs.readFileSync("/proc/HOST/environ")', HIDDEN),
  // bubblewrap makes no cgroup namespace: it is not needed while these are hidden
  attempt("read its cgroup", 'fs.readFileSync("/proc/self/cgroup")', HIDDEN),
  attempt("read the tree of cgroups", 'fs.readdirSync("/sys/fs/cgroup")', HIDDEN),
  attempt("list the host's descriptors", 'fs.readlinkSync("/proc/HOST/fd/0")', {
    bubblewrap: "ENOENT",
    landlock: "EACCES",
  }),
  attempt("signal the host", "process.kill(HOST, 0)"),
  attempt("kill a thread of the host", "sys(NR.tgkill, HOST, HOST, 9)"),
  attempt("signal the host through a descriptor", "sys(NR.pidfd_open, HOST, 0)"),
  attempt("signal the host by owning a descriptor", "sys(NR.fcntl, 3, 8, HOST)"),
  attempt("type into a terminal", "sys(NR.ioctl, 2, 0x5412, buffer(1))"),
  attempt(
    "connect to a Unix socket",
    'new Promise((done, fail) => require("net").connect(SECRET).on("connect", done).on("error", fail))',
  ),
  attempt("make a Unix socket", "sys(NR.socket, 1, 1, 0)"),
  attempt("make a TCP socket", "sys(NR.socket, 2, 1, 0)"),
  attempt("make a UDP socket", "sys(NR.socket, 10, 2, 0)"),
  attempt("make a netlink socket", "sys(NR.socket, 16, 3, 0)"),
  attempt("make a packet socket", "sys(NR.socket, 17, 3, 0)"),
  attempt("make a VM socket", "sys(NR.socket, 40, 1, 0)"),
  attempt("make a pair of sockets", "sys(NR.socketpair, 1, 1, 0, buffer(8))"),
  attempt("connect descriptor 3 elsewhere", "sys(NR.connect, 3, buffer(16), 16)"),
  attempt("pass descriptors over descriptor 3", "sys(NR.sendmsg, 3, buffer(56), 0)"),
  attempt("use io_uring", "sys(NR.io_uring_setup, 8, buffer(120))", "ENOSYS"),
  attempt("enter an io_uring", "sys(NR.io_uring_enter, 0, 1, 0, 0)"),
  attempt("make a file in memory", 'sys(NR.memfd_create, text("x"), 0)'),
  attempt("make secret memory", "sys(NR.memfd_secret, 0)"),
  attempt("run a file in memory", 'sys(NR.execveat, 0, text(""), 0, 0, 0x1000)'),
  attempt("run a shell", 'sys(NR.execve, text("/bin/sh"), 0, 0)', HIDDEN),
  attempt(
    "start a process",
    '(({ error }) => { if (error) throw error; })(require("child_process").spawnSync(process.execPath))',
  ),
  attempt("fork", "sys(NR.fork)"),
  attempt("fork by clone", "sys(NR.clone, 17, 0, 0, 0, 0)"),
  attempt("make a user namespace by clone", "sys(NR.clone, 0x10000000 | 17, 0, 0, 0, 0)"),
  attempt("make a thread in a new network namespace", "sys(NR.clone, 0x40010900, 0, 0, 0, 0)"),
  attempt("use clone3, whose flags no filter sees", "sys(NR.clone3, buffer(88), 88)", "ENOSYS"),
  attempt("take another user", "sys(NR.setuid, 0)"),
  attempt("take another group", "sys(NR.setgid, 0)"),
  attempt("take other groups", "sys(NR.setgroups, 0, 0)"),
  attempt("change the root folder", 'sys(NR.chroot, text("/"))'),
  attempt("watch files", "sys(NR.inotify_init1, 0)"),
  attempt("watch every file", "sys(NR.fanotify_init, 0, 0)"),
  attempt("have its memory dumped", "sys(NR.prctl, 4, 1)"),
  attempt("live on when the host is gone", "sys(NR.prctl, 1, 0)"),
  attempt("raise its limit on core dumps", "sys(NR.prlimit64, 0, 4, pointer(Buffer.alloc(16, 255)), 0)"),
  attempt("raise its limits by the old call", "sys(NR.setrlimit, 4, pointer(Buffer.alloc(16, 255)))"),
  attempt("set the clock", "sys(NR.clock_settime, 0, buffer(16))"),
  attempt("set the time of day", "sys(NR.settimeofday, buffer(16), 0)"),
  attempt("adjust the clock", "sys(NR.adjtimex, buffer(208))"),
  attempt("slow the host down", "sys(NR.setpriority, 0, HOST, 19)"),
  attempt("move the host to one processor", "sys(NR.sched_setaffinity, HOST, 8, buffer(8))"),
  attempt("compare itself with the host", "sys(NR.kcmp, HOST, HOST, 0, 0, 0)"),
  attempt("give advice on the host's memory", "sys(NR.process_madvise, 0, 0, 0, 0, 0)"),
  attempt("share memory with others (System V)", "sys(NR.shmget, 1, 4096, 0o1666)"),
  attempt("use semaphores of others", "sys(NR.semget, 1, 1, 0o1666)"),
  attempt("use message queues of others", "sys(NR.msgget, 1, 0o1666)"),
  attempt("use POSIX message queues", 'sys(NR.mq_open, text("x"), 0o102, 0o600, 0)'),
  attempt("turn off address randomisation", "sys(NR.personality, 0x40000)"),
  attempt("change segments", "sys(NR.modify_ldt, 1, buffer(16), 16)"),
  attempt("reach the ports of devices", "sys(NR.iopl, 3)"),
  attempt("name the machine", 'sys(NR.sethostname, text("x"), 1)'),
  attempt("turn on swap", 'sys(NR.swapon, text("/x"), 0)'),
  attempt("restart the machine", "sys(NR.reboot, 0, 0, 0, 0)"),
  attempt("turn on accounting", "sys(NR.acct, 0)"),
  attempt("get signals as data", "sys(NR.signalfd4, -1, buffer(8), 8, 0)"),
  attempt("set a timer", "sys(NR.timer_create, 0, 0, buffer(8))"),
  attempt("share memory with other processes that map the same", "sys(NR.mmap, 0, 4096, 3, 0x21, -1, 0)"),
  attempt("map memory that grows past the limit on data", "sys(NR.mmap, 0, 4096, 3, 0x122, -1, 0)"),
  attempt(
    "open more descriptors than its share",
    "(() => { for (let i = 0; i < 100; i++) sys(NR.eventfd2, 0, 0); })()",
    "EMFILE",
  ),
  attempt("read the processor time of the host", "sys(NR.clock_gettime, (~HOST << 3) | 2, buffer(16))"),
  attempt(
    "have a descriptor of the host from its link",
    "sys(NR.getsockopt, 3, 1, 77, buffer(4), pointer(Buffer.from([4, 0, 0, 0])))",
  ),
  attempt("add rules about ports to Landlock's", "sys(NR.landlock_add_rule, 3, 2, buffer(16), 0)"),
];

/** Attempts that end the process: nothing in Node is known to make these calls. */
export const FATAL: readonly Pick<Attempt, "what" | "tries">[] = [
  { what: "trace the host", tries: "sys(NR.ptrace, 16, HOST, 0, 0)" },
  {
    what: "read the host's memory by process_vm_readv",
    tries: "sys(NR.process_vm_readv, HOST, buffer(16), 1, buffer(16), 1, 0)",
  },
  {
    what: "write the host's memory by process_vm_writev",
    tries: "sys(NR.process_vm_writev, HOST, buffer(16), 1, buffer(16), 1, 0)",
  },
  { what: "take a descriptor of the host", tries: "sys(NR.pidfd_getfd, 3, 0, 0)" },
  { what: "load a BPF program", tries: "sys(NR.bpf, 5, buffer(120), 120)" },
  { what: "measure the machine", tries: "sys(NR.perf_event_open, buffer(128), 0, -1, -1, 0)" },
  { what: "handle page faults itself", tries: "sys(NR.userfaultfd, 1)" },
  { what: "mount", tries: 'sys(NR.mount, text("x"), text("/"), text("tmpfs"), 0, 0)' },
  { what: "unmount", tries: 'sys(NR.umount2, text("/"), 2)' },
  { what: "open a tree of mounts", tries: 'sys(NR.open_tree, -100, text("/"), 1)' },
  { what: "pivot the root", tries: 'sys(NR.pivot_root, text("/"), text("/"))' },
  { what: "open a file by its handle", tries: "sys(NR.open_by_handle_at, 3, buffer(32), 0)" },
  { what: "enter the host's namespaces", tries: "sys(NR.setns, 3, 0)" },
  { what: "make new namespaces", tries: "sys(NR.unshare, 0x10000000)" },
  { what: "load a module into the kernel", tries: 'sys(NR.finit_module, 3, text(""), 0)' },
  { what: "load another kernel", tries: "sys(NR.kexec_file_load, 3, 3, 0, 0, 0)" },
  { what: "read keys that the kernel holds", tries: "sys(NR.keyctl, 11, -3, buffer(8), 8)" },
  { what: "add a key to the kernel", tries: 'sys(NR.add_key, text("user"), text("x"), text("y"), 1, -3)' },
  { what: "make a system call by its x32 number", tries: "sys(0x40000000 | NR.getppid)" },
];

/** A program that makes all attempts and writes the resulting codes to descriptor 3, as JSON. */
export function programOf(
  attempts: readonly Pick<Attempt, "what" | "tries">[],
  names: Readonly<Record<string, string>>,
): string {
  const constants = Object.entries(names).map(([name, value]) => `const ${name} = ${JSON.stringify(value)};`);
  const cases = attempts.map(({ what, tries }) => `[${JSON.stringify(what)}, () => (${tries})],`);
  return `${PRELUDE}${constants.join("\n")}
(async () => {
  const outcomes = {};
  for (const [what, tries] of [${cases.join("\n")}]) {
    try { await tries(); outcomes[what] = "reached"; } catch (error) { outcomes[what] = error.code ?? error.message; }
  }
  fs.writeSync(3, JSON.stringify(outcomes));
  process.exit(0);
})();`;
}
