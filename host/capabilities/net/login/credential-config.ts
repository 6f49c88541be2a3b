/** What this folder needs of the configuration. The room for it (host/config/config.ts) is not imported; the shapes are the same. */

export type CredentialConfig =
  | FileConfig
  | ({ readonly kind: "login" } & LoginConfig)
  | ({ readonly kind: "vault" } & VaultLoginConfig);

export interface FileConfig {
  readonly kind: "file";
  readonly file: string;
  readonly header: string;
  readonly scheme?: string | undefined;
}

type FromFile = { readonly file: string };

export interface LoginConfig {
  readonly method: "POST" | "PUT";
  readonly path: string;
  readonly body: Readonly<Record<string, string | FromFile>>;
  readonly token: string;
  readonly ttl?: string | undefined;
  readonly header: string;
  readonly scheme?: string | undefined;
}

export type VaultLoginConfig = {
  readonly namespace?: string | undefined;
  readonly mount?: string | undefined;
} & (
  | { readonly auth: "token"; readonly file: string }
  | {
      readonly auth: "approle";
      readonly roleId: string | FromFile;
      readonly secretId?: FromFile | undefined;
    }
  | { readonly auth: "kubernetes" | "jwt"; readonly role: string; readonly file: string }
  | { readonly auth: "userpass"; readonly username: string; readonly file: string }
  | { readonly auth: "cert"; readonly role?: string | undefined }
);
