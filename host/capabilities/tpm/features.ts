/** The features of a TPM that a manifest can list under `needs`, and their comparison with the features that a TPM has. */
import type { Finding } from "../../finding.ts";
import type { Need } from "../capability.ts";
import { CC } from "./commands.ts";
import type { TpmFacts } from "./examine.ts";

/** TPM_ALG_ID and TPM_ECC_CURVE (Part 2, 6.3 and 6.4). */
export const ALG = { HMAC: 0x05, AES: 0x06, SHA256: 0x0b, ECC: 0x23, CFB: 0x43 } as const;
export const P256 = 0x03;

/**
 * Lists the features of a TPM.
 *
 * @returns true or false for each feature that can be determined: `TPM2_<command>` of the commands that the filter forwards, `ECC P-256`,
 *   `AES-128-CFB`, `SHA-256`, `HMAC`
 */
export function featuresOf({
  commands,
  algorithms,
  curves,
  aes128Cfb,
}: TpmFacts): ReadonlyMap<string, boolean> {
  return new Map([
    ...Object.entries(CC).map(([name, code]): [string, boolean] => [`TPM2_${name}`, commands.has(code)]),
    ["ECC P-256", algorithms.has(ALG.ECC) && curves.has(P256)],
    ["AES-128-CFB", algorithms.has(ALG.AES) && algorithms.has(ALG.CFB) && aes128Cfb !== false],
    ["SHA-256", algorithms.has(ALG.SHA256)],
    ["HMAC", algorithms.has(ALG.HMAC)],
  ]);
}

/**
 * Compares the needs of a provider with the features of a TPM.
 *
 * @param tpm the TPM's name in the report
 * @returns one finding for each need that is not met, or one that all of them are; none if the provider lists no needs
 */
export function needFindings(
  tpm: string,
  provider: string,
  needs: readonly Need[],
  features: ReadonlyMap<string, boolean>,
): Finding[] {
  const subject = `${tpm} for provider ${provider}`;
  const unmet = needs.flatMap(({ features: needed, optional = false, why }): Finding[] => {
    const missing = needed.filter(
      (feature) => !feature.split(" or ").some((each) => features.get(each) === true),
    );
    if (missing.length === 0) return [];
    const detail = `it does not have ${missing.join(", ")}, needed for ${why}`;
    if (optional) return [{ subject, ok: true, detail }];
    return [{ subject, ok: false, detail, hint: "Look for a firmware update, or use another provider." }];
  });
  if (unmet.length > 0 || needs.length === 0) return unmet;
  return [{ subject, ok: true, detail: "it has every feature that the provider needs" }];
}
