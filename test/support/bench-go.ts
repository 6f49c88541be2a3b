import { homedir } from "node:os";
import { join } from "node:path";

const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "kleidi", "bench-bin");

/** A plugin in Go with a key in a file, built by bench/go/build.sh. */
export const localpeer = join(folder, "localpeer");
/** The client in Go of the benchmarks. */
export const kmsload = join(folder, "kmsload");
