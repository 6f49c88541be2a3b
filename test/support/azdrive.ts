/** Azure's own SDK for Go (test/azure/cmd/azdrive). */
import type { FakeAzure } from "./azure/azure.ts";
import { TENANT } from "./azure/entra.ts";
import { Drive } from "./drive.ts";

export interface AzureAnswer {
  readonly kid?: string;
  readonly kty?: string;
  readonly enabled?: boolean;
  /** base64 */
  readonly value?: string;
  readonly status?: number;
  readonly error?: string;
  readonly message?: string;
}

export class AzDrive extends Drive<AzureAnswer> {
  /** @param environment the source and what it needs: see credentialOf in main.go */
  constructor(azure: FakeAzure, environment: Readonly<Record<string, string>>) {
    super("test/azure/build.sh", {
      VAULT: azure.at.vault.origin,
      AZURE_AUTHORITY_HOST: azure.at.login.origin,
      CA_FILE: azure.authority.file,
      TENANT,
      ...environment,
    });
  }
}
