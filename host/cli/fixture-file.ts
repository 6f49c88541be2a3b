/** Finds and reads the fixture of a module. */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FIXTURE, type Fixture, FixtureError, loadFixture, NO_FIXTURE } from "../conformance/fixture.ts";
import type { ModuleFile } from "../inspect/report.ts";
import { UsageError } from "./usage-error.ts";

/**
 * @param given the path of --fixture
 * @returns the fixture; without a file an empty one: a module that is refused needs none, and the kit names the part that another one lacks
 * @throws UsageError with every fault
 */
export function fixtureOf({ path }: ModuleFile, given: string | undefined): Fixture {
  const beside = join(dirname(path), FIXTURE);
  const inFolder = join(dirname(path), basename(path, ".wasm"), FIXTURE);
  const found = given ?? [inFolder, beside].find((each) => existsSync(each));
  try {
    return found === undefined ? NO_FIXTURE : loadFixture(found);
  } catch (error) {
    throw error instanceof FixtureError ? new UsageError(error.message, { cause: error }) : error;
  }
}
