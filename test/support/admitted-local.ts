import { KNOWN } from "../../host/capabilities/registry.ts";
import { type AdmittedModule, admit } from "../../host/module/admission.ts";
import { localModule, sha256Of } from "./fixture.ts";

/** The local provider's module, as a host admits it that grants it a key. */
export function admittedLocal(memoryBytes: number): AdmittedModule {
  return admit({
    name: "local",
    module: localModule,
    sha256: sha256Of(localModule),
    limits: { memoryBytes, tableEntries: 16_384 },
    grants: { keystore: { keys: ["kek"] } },
    known: KNOWN,
    grantLine: (capability) => capability,
  });
}
