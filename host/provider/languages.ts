/** The languages that a provider's folder can be in: how each is recognised, and the compiler's command line. One row for each. */
import { join } from "node:path";

/** A command; its arguments are passed on as they are, without a shell. */
export interface CompilerCall {
  readonly program: string;
  readonly args: readonly string[];
  /** Variables in addition to those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Language {
  readonly name: string;
  /** The file, or the ending of files, that shows the language. */
  readonly sign: string;
  /** The remedy if the compiler is not installed. */
  readonly install: string;
  readonly compile: (input: CompileInput) => CompilerCall;
}

export interface CompileInput {
  /** The folder of the provider, in which the compiler runs. */
  readonly folder: string;
  /** The files that the sign matches, relative to the folder, sorted. */
  readonly sources: readonly string[];
  /** The raw module to write. */
  readonly out: string;
  /** A folder for intermediate files. */
  readonly scratch: string;
  readonly dev: boolean;
  /** True if the folder has this file. */
  readonly has: (path: string) => boolean;
  /** The path of a file in an npm package of the folder, or of kleidi itself. */
  readonly packaged: (path: string) => string | undefined;
}

export const ASC = "assemblyscript/bin/asc.js";

/** In the SDK that "kleidi provider new" puts beside the code. */
const TRAP = "assembly/kleidi/abort";
const REPORT = "assembly/kleidi/report";

const ASSEMBLYSCRIPT: Language = {
  name: "assemblyscript",
  sign: "assembly/index.ts",
  install: "run npm install in the folder: its package.json has assemblyscript among the devDependencies",
  compile: ({ out, dev, has, packaged }) => {
    const file = dev ? REPORT : TRAP;
    const target = dev ? `${REPORT}/report` : `${TRAP}/trap`;
    // asc knows the functions of its entries and their imports only
    const abort = has(`${file}.ts`) ? ["--use", `abort=${target}`, ...(dev ? [`${file}.ts`] : [])] : [];
    const memory = ["--runtime", "stub", "--initialMemory", "1", "--maximumMemory", "64"];
    const form = dev ? ["--debug", "--sourceMap"] : [];
    return {
      program: process.execPath,
      args: [
        packaged(ASC) ?? "",
        "assembly/index.ts",
        ...["-O3", ...memory, ...abort, ...form, "--outFile", out],
      ],
    };
  },
};

/** The folder of kleidi.h. */
const SDK = join(import.meta.dirname, "..", "..", "sdk", "c");

const C: Language = {
  name: "c",
  sign: ".c",
  install: "install Debian's clang and lld",
  compile: ({ sources, out, dev }) => ({
    program: "clang",
    args: [
      ...[
        "--target=wasm32",
        "-std=c17",
        "-Wall",
        "-Wextra",
        "-nostdlib",
        "-ffreestanding",
        "-fvisibility=hidden",
      ],
      ...(dev ? ["-O1", "-g", "-DKLEIDI_DEV"] : ["-O2"]),
      ...["-Wl,--no-entry", "-Wl,--max-memory=4194304", ...(dev ? [] : ["-Wl,--strip-all"])],
      // a kleidi.h in the folder comes first
      ...["-idirafter", SDK, "-o", out, "--", ...sources],
    ],
  }),
};

const GO: Language = {
  name: "go",
  sign: "go.mod",
  install: "install Go 1.24 or later (golang-go of Debian 13's backports, or go.dev/dl)",
  compile: ({ out, dev }) => ({
    program: "go",
    args: [
      ...["build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared"],
      ...(dev ? [] : ["-ldflags=-s -w"]),
      ...["-o", out, "."],
    ],
    // local: a go.mod must not choose another compiler to download
    env: { GOOS: "wasip1", GOARCH: "wasm", CGO_ENABLED: "0", GOTOOLCHAIN: "local" },
  }),
};

const ZIG: Language = {
  name: "zig",
  sign: "src/main.zig",
  install: "install Zig 0.13 or later: Debian has no package of it (ziglang.org/download)",
  // build.zig is a program that would run here, so it is not used
  compile: ({ out, scratch, dev, sources }) => ({
    program: "zig",
    args: [
      ...["build-exe", "-target", "wasm32-freestanding", "-fno-entry", "-rdynamic"],
      ...["-O", dev ? "Debug" : "ReleaseSmall", `-femit-bin=${out}`],
      ...["--cache-dir", join(scratch, "zig"), "--global-cache-dir", join(scratch, "zig-global"), ...sources],
    ],
  }),
};

export const LANGUAGES: readonly Language[] = [ASSEMBLYSCRIPT, C, GO, ZIG];
