/** All reasons for which a module is not admitted, for `kleidi check`: `admit` stops at the first. */
import { KleidiError } from "../error.ts";
import {
  type AdmitOptions,
  assertGranted,
  assertPinned,
  readModuleFile,
  trustOf,
  withLimits,
} from "./admission.ts";
import { contractFaults } from "./contract.ts";
import { assertContract, examineAuthority, manifestOf, parseModule } from "./examine.ts";

/**
 * Takes every step of admission that can be taken. A step is left out if it needs the result of one that failed.
 * @returns the faults in the order of the steps; empty if the module is admitted. Each code is one of `admit`
 */
export function admissionFaults(options: AdmitOptions): KleidiError[] {
  const { name, known } = options;
  const faults: KleidiError[] = [];
  function attempt<T>(step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof KleidiError)) throw error;
      faults.push(error);
      return undefined;
    }
  }
  const file = attempt(() => readModuleFile(options));
  if (file === undefined) return faults;
  attempt(() => assertPinned(options, file.sha256));
  attempt(() => trustOf(options, file.bytes, file.sha256));
  const module = attempt(() => parseModule(name, file.bytes));
  if (module === undefined) return faults;
  const manifest = attempt(() => manifestOf(name, module));
  attempt(() => assertContract(name, module));
  // A missing RPC reaches nothing, which says nothing about the manifest.
  const hasExports = contractFaults(module).every(({ part }) => part !== "exports");
  if (manifest !== undefined && hasExports) attempt(() => examineAuthority(name, module, manifest, known));
  if (manifest !== undefined) attempt(() => assertGranted(options, manifest));
  attempt(() => withLimits(options, file.bytes, module));
  return faults;
}
