/** The configuration as the rest of the host uses it: the frozen output of the schema. */
import type * as z from "zod";
import type { SCHEMA } from "./schema.ts";

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;

/** The parsed file, with units converted, defaults filled in and paths absolute. Only parseConfig and loadConfig make one. */
export type Config = Frozen<z.output<typeof SCHEMA>> & {
  /** Absolute path of the file; relative paths in it were resolved against its folder. */
  readonly file: string;
  /** SHA-256 of the text of the file, 64 hex digits: the state report names it, so that nodes can be compared. */
  readonly sha256: string;
};
export type KeyConfig = Config["keys"][number];
/** A key of a provider. */
export type SimpleKeyConfig = Extract<KeyConfig, { readonly provider: string }>;
/** A key of other keys. */
export type ComposedKeyConfig = Extract<KeyConfig, { readonly mode: string }>;
/** @returns the name of a key's provider; of a composed key its mode and members, such as "anyOf(vault-kek,tpm-kek)" */
export function providerOf(key: KeyConfig): string {
  return key.members === undefined ? key.provider : `${key.mode}(${key.members.join(",")})`;
}

export type AdminConfig = NonNullable<Config["admin"]>;
export type AuditConfig = NonNullable<Config["audit"]>;
export type ProviderConfig = Config["providers"][number];
