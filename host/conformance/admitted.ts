/** Level 0: the steps of admission, one check each; a module that fails one is not run. */
import { KNOWN } from "../capabilities/registry.ts";
import { KleidiError } from "../error.ts";
import { causesOf } from "../finding.ts";
import { withLimits } from "../module/admission.ts";
import { assertContract, examineAuthority, manifestOf, parseModule } from "../module/examine.ts";
import type { Manifest } from "../module/manifest.ts";
import type { Module } from "../module/wasm/module.ts";
import type { Result } from "./check.ts";
import { PROVIDER } from "./subject.ts";

/** The limits of a provider by default. */
export const LIMITS = { memoryBytes: 16 << 20, tableEntries: 16_384 };

type Runnable = ReturnType<typeof withLimits>;

export interface Admitted {
  readonly module: Module;
  readonly manifest: Manifest;
  /** With the limits. */
  readonly runnable: Runnable;
}

/**
 * Takes the steps until one refuses the module.
 * @param onResult receives the result of each step
 * @returns undefined if the module is refused
 */
export function admitModule(file: Uint8Array, onResult: (result: Result) => void): Admitted | undefined {
  let module: Module | undefined;
  let manifest: Manifest | undefined;
  let runnable: Runnable | undefined;
  const steps: [name: string, section: string, take: () => void][] = [
    [
      "module_is_webassembly",
      "1",
      () => {
        module = parseModule(PROVIDER, file);
      },
    ],
    [
      "manifest_is_valid",
      "6",
      () => {
        if (module !== undefined) manifest = manifestOf(PROVIDER, module);
      },
    ],
    ["imports_and_exports_are_of_the_contract", "1", () => module && assertContract(PROVIDER, module)],
    [
      "manifest_lists_the_reach_of_the_code",
      "6",
      () => module && manifest && examineAuthority(PROVIDER, module, manifest, KNOWN),
    ],
    [
      "memory_and_table_fit_the_limits",
      "1",
      () => {
        if (module !== undefined) runnable = withLimits({ name: PROVIDER, limits: LIMITS }, file, module);
      },
    ],
  ];
  for (const [name, section, take] of steps) {
    const begun = performance.now();
    const fault = faultOf(take);
    const ms = Math.round(performance.now() - begun);
    onResult({
      name,
      section,
      level: 0,
      result: fault === undefined ? "pass" : "fail",
      text: fault ? [fault] : [],
      ms,
    });
    if (fault !== undefined) return undefined;
  }
  return module && manifest && runnable && { module, manifest, runnable };
}

function faultOf(take: () => void): string | undefined {
  try {
    take();
    return undefined;
  } catch (error) {
    return failureText(error);
  }
}

/** @returns the message of a failure with its causes, without the words about the provider's name */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const causes = error instanceof KleidiError ? causesOf(error) : [];
  return [error.message.replace(`Cannot load provider "${PROVIDER}": `, ""), ...causes].join("; ");
}
