/** Every capability. To add one, write its folder and add it here (CONTRIBUTING.md). */
import type { KnownCapabilities } from "../host-call.ts";
import type { Capability } from "./capability.ts";
import { crypto } from "./crypto/capability.ts";
import { keystore } from "./keystore/capability.ts";
import { log } from "./log/capability.ts";
import { net } from "./net/capability.ts";
import { pkcs11 } from "./pkcs11/capability.ts";
import { state } from "./state/capability.ts";
import { tpm } from "./tpm/capability.ts";

const ALL = [crypto, keystore, log, tpm, pkcs11, state, net] as const;

export const CAPABILITIES: readonly Capability[] = ALL;

type Known = (typeof ALL)[number];

/** The schema of each grant, by the name of the capability. */
export const GRANTS = Object.fromEntries(
  CAPABILITIES.flatMap(({ name, grant }) => (grant === undefined ? [] : [[name, grant.schema]])),
) as {
  readonly [Each in Known as Each extends { name: infer Name extends string; grant: object }
    ? Name
    : never]: Each extends {
    grant: { schema: infer Schema };
  }
    ? Schema
    : never;
};

/** The schema of each capability's own section of the configuration, by its name. */
export const SECTIONS = Object.fromEntries(
  CAPABILITIES.flatMap(({ name, section }) => (section === undefined ? [] : [[name, section]])),
) as {
  readonly [Each in Known as Each extends { name: infer Name extends string; section: object }
    ? Name
    : never]: Each extends {
    section: infer Schema;
  }
    ? Schema
    : never;
};

/** The capabilities and operations that a module can request. */
export const KNOWN: KnownCapabilities = new Map(
  CAPABILITIES.map(({ name, requests, grant }) => [
    name,
    { operations: Object.keys(requests), alwaysGranted: grant === undefined },
  ]),
);

/** Names of the capabilities without authority: every provider has them. */
export const ALWAYS_GRANTED: ReadonlySet<string> = new Set(
  CAPABILITIES.filter(({ grant }) => grant === undefined).map(({ name }) => name),
);

/** The capability of this name; undefined if there is none. */
export function capabilityOf(name: string): Capability | undefined {
  return CAPABILITIES.find((each) => each.name === name);
}
