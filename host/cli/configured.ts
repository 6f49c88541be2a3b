/** Compares an inspected module with a configuration: the pin, the signatures that `trust` requires, and the grants. */
import { resolve } from "node:path";
import { KNOWN } from "../capabilities/registry.ts";
import type { Config, ProviderConfig } from "../config/config.ts";
import { grantLine } from "../config/grant-lines.ts";
import { KleidiError } from "../error.ts";
import type { Verdict } from "../inspect/check.ts";
import type { Configured, ModuleFile } from "../inspect/report.ts";
import { ungranted } from "../module/authority.ts";
import type { Manifest } from "../module/manifest.ts";
import { readSignatures } from "../module/trust/files.ts";
import { checkTrust, trustLine } from "../module/trust/trust.ts";
import { reach, surplus } from "../runtime/reach.ts";
import { signaturesBeside } from "./module-file.ts";

/**
 * Finds the providers that a module belongs to.
 * @param manifest undefined if the module has no valid one
 * @returns the providers that pin its digest; if there are none, those with its path or with the name in its manifest
 */
export function providersOf(
  config: Config,
  file: ModuleFile,
  manifest: Manifest | undefined,
): ProviderConfig[] {
  const { providers } = config;
  const pinned = providers.filter(({ sha256 }) => sha256 === file.sha256);
  if (pinned.length > 0) return pinned;
  return providers.filter(
    ({ name, module }) => name === manifest?.name || resolve(module) === resolve(file.path),
  );
}

/**
 * Compares a module with the configuration of its providers.
 * @param providers from `providersOf`; may be empty
 * @returns the verdicts for the report of `kleidi inspect`
 */
export function configuredOf(
  config: Config,
  providers: readonly ProviderConfig[],
  file: ModuleFile,
  manifest: Manifest | undefined,
): Configured {
  const now = new Date();
  return {
    file: config.file,
    day: now.toISOString().slice(0, 10),
    providers: providers.map(({ name }) => name),
    verdicts: [
      ...(providers.length === 0 ? [unused(config)] : []),
      ...providers.map((provider) => pin(provider, file)),
      ...(providers.length === 0 ? [undefined] : providers).map((each) => trust(config, each, file, now)),
      ...(manifest === undefined ? [] : providers.flatMap((provider) => grants(config, provider, manifest))),
    ],
  };
}

function unused({ file }: Config): Verdict {
  return {
    check: "configured",
    expectation: `a provider of ${file} has this digest, this path or this name`,
    actual: "no provider has",
    severity: "note",
  };
}

function pin({ name, sha256 }: ProviderConfig, file: ModuleFile): Verdict {
  const same = sha256 === file.sha256;
  return {
    check: "pin",
    expectation: `the sha256 that provider ${name} pins`,
    actual: same ? "as pinned" : `another digest is pinned: ${sha256}`,
    severity: same ? "ok" : "refuse",
  };
}

/** Checks the signatures. If the provider runs another file, those beside this file count: it may be the next version. */
function trust(
  { trust }: Config,
  provider: ProviderConfig | undefined,
  file: ModuleFile,
  now: Date,
): Verdict {
  const check = "signature";
  if (trust === undefined) {
    const expectation = "a configuration with trust";
    const actual = "no trust in the configuration: signatures are not checked";
    return { check, expectation, actual, severity: "note" };
  }
  const keys = trust.threshold === 1 ? "1 key" : `${trust.threshold} keys`;
  const by = provider === undefined ? "" : `, for provider ${provider.name}`;
  const expectation = `signed by ${keys} of trust.keys${by}`;
  const own = provider !== undefined && resolve(provider.module) === resolve(file.path);
  const paths = (own ? provider.signatures : undefined) ?? signaturesBeside(file.path);
  const name = provider?.name ?? "none";
  try {
    const trusted = checkTrust(trust, name, file.bytes, file.sha256, readSignatures(paths), now);
    return { check, expectation, actual: trustLine(trusted), severity: "ok" };
  } catch (error) {
    if (!(error instanceof KleidiError)) throw error;
    return { check, expectation, actual: withoutAction(name, error.message), severity: "refuse" };
  }
}

function withoutAction(provider: string, message: string): string {
  const action = `Cannot load provider "${provider}": `;
  return message.startsWith(action) ? message.slice(action.length) : message;
}

/** Compares the requested with the granted authority: missing grants, reach and surplus. */
function grants(config: Config, provider: ProviderConfig, manifest: Manifest): Verdict[] {
  const check = "grants";
  const expectation = `provider ${provider.name} is granted what the module requests, and nothing else`;
  const missing = ungranted(manifest, { ...provider.grants }, KNOWN);
  const granted: Manifest = {
    ...manifest,
    capabilities: manifest.capabilities.filter(({ capability }) => !missing.includes(capability)),
  };
  return [
    ...missing.map((capability): Verdict => {
      const rows = manifest.capabilities.filter((row) => row.capability === capability);
      const operations = [...new Set(rows.flatMap((row) => row.operations))];
      const line = grantLine(config, provider.name, capability, operations);
      const actual = `${capability} ${operations.join(", ")} is requested and not granted; to allow it, write under grants: ${line}`;
      return { check, expectation, actual, severity: "refuse" };
    }),
    ...reach(provider, granted).map(
      ({ ok, detail }): Verdict => ({ check, expectation, actual: detail, severity: ok ? "ok" : "warn" }),
    ),
    ...surplus(provider, manifest).map(
      ({ detail, hint }): Verdict => ({
        check,
        expectation,
        actual: `${detail}. ${hint ?? ""}`.trim(),
        severity: "warn",
      }),
    ),
  ];
}
