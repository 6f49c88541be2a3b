/** The host's messages by gRPC code for errors of a provider's KMS: one message for each code, without text of the KMS. */
import assert from "node:assert/strict";

const RPC = "Cannot (?:status|encrypt|decrypt): ";
const SAYS = `${RPC}provider "vault" reports that `;

const SENTENCES: Readonly<Record<number, RegExp>> = {
  3: new RegExp(`^${SAYS}this ciphertext is not its own or was modified$`),
  4: new RegExp(
    `^(?:${RPC}provider "vault" exceeded its deadline (?:while it waited for the host|and was stopped)|Cannot (?:Status|Encrypt|Decrypt): it took longer than \\d+ ms)$`,
  ),
  5: new RegExp(`^${RPC}none of the \\d+ configured keys has this key_id$`),
  9: new RegExp(`^${SAYS}the key is missing, disabled or not usable$`),
  13: new RegExp(
    `^(?:${SAYS}it failed internally|${RPC}provider "vault" decrypted its new ciphertext to a different plaintext)$`,
  ),
  14: new RegExp(
    `^(?:${SAYS}its KMS does not answer|Cannot call the provider: its KMS is out of reach, and the calls before this one used up the time to try again)$`,
  ),
  16: new RegExp(`^${SAYS}its KMS refused the credential$`),
};

/** Matches an error of a gRPC client with one of these codes and the host's message for it; for assert.rejects. */
export function saying(...codes: readonly number[]): (error: unknown) => true {
  return (error) => {
    const { code, details } = error as { code?: number; details?: string };
    assert.ok(code !== undefined && codes.includes(code), String(error));
    assert.match(details ?? "", SENTENCES[code] ?? /(?!)/);
    return true;
  };
}
