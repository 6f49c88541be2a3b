/** Writes the seccomp filters beside this file: setpriv takes a filter by its path. filter.test.ts holds them against the table. */
import { writeFileSync } from "node:fs";
import { filterFor } from "./filter.ts";
import { filterPath } from "./filter-file.ts";

for (const arch of ["x64", "arm64"] as const) writeFileSync(filterPath(arch), filterFor(arch));
