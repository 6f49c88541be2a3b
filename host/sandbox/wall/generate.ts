/** Writes the seccomp filters beside this file, because setpriv takes a path. filter.test.ts compares them with the table. */
import { writeFileSync } from "node:fs";
import { filterFor } from "./filter.ts";
import { filterPath } from "./filter-file.ts";

for (const arch of ["x64", "arm64"] as const) writeFileSync(filterPath(arch), filterFor(arch));
