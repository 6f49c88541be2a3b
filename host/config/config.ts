/** The configuration as the rest of the host sees it: what the schema makes of the file, frozen. */
import type { z } from "zod";
import type { SCHEMA } from "./schema.ts";

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;

/** The file, parsed: units resolved, defaults filled in, paths absolute. Made by parseConfig or loadConfig only. */
export type Config = Frozen<z.output<typeof SCHEMA>> & {
  /** Absolute path of the file; relative paths in it were resolved against its folder. */
  readonly file: string;
};
export type KeyConfig = Config["keys"][number];
export type AdminConfig = NonNullable<Config["admin"]>;
export type AuditConfig = NonNullable<Config["audit"]>;
export type ProviderConfig = Config["providers"][number];
/** What a provider may ask of the broker. What is absent is denied. */
export type GrantsConfig = ProviderConfig["grants"];

/** Every name of a file in the keystore's folder that is granted, whatever for. */
export function keystoreNames({ keystore }: GrantsConfig): string[] {
  return keystore === undefined ? [] : [...keystore.keys, ...(keystore.passphrases ?? [])];
}
