/** What stands behind a command's handles and sessions, where the host has a say in it. */
import type { Rpc } from "../../host-call.ts";
import { CC, type Command } from "./commands.ts";
import type { Ground } from "./ground.ts";
import type { Reader } from "./reader.ts";
import { answered, denied } from "./refused.ts";
import { rcOf } from "./response.ts";
import { isCreatable, isLoadable } from "./template.ts";

export const MAX_RANDOM = 64;

/** TPM_CAP that say nothing of other users: never HANDLES, which lists everybody's. */
const CAPABILITIES: ReadonlyMap<number, string> = new Map([
  [0, "ALGS"],
  [2, "COMMANDS"],
  [5, "PCRS"],
  [6, "TPM_PROPERTIES"],
  [8, "ECC_CURVES"],
]);

const SE = { HMAC: 0, POLICY: 1, TRIAL: 3 } as const;

/** @returns the provider's handle that the command flushes */
export function checkParameters(
  reader: Reader,
  view: DataView,
  { code, name }: Command,
  ground: Ground,
): number | undefined {
  switch (code) {
    case CC.CreatePrimary: {
      reader.sized(); // inSensitive, possibly encrypted; the template, which is no first parameter, never is
      if (ground.grant.templates.includes(ground.sha256(reader.sized()))) return undefined;
      throw denied(`${name}: the SHA-256 of the public template is not one of those granted`);
    }
    case CC.Create:
      reader.sized(); // inSensitive
      if (isCreatable(reader.sized())) return undefined;
      throw denied(
        `${name}: the template is neither of a key for HMAC-SHA256 nor of sealed data that stay in this TPM`,
      );
    case CC.Load:
      reader.sized(); // inPrivate, possibly encrypted; the public area is not the first parameter, so it never is
      if (isLoadable(reader.sized())) return undefined;
      throw denied(
        `${name}: the object is neither a key for HMAC-SHA256 nor sealed data as TPM2_Create may make them here`,
      );
    case CC.StartAuthSession:
      checkSessionType(reader, ground.rpc);
      return undefined;
    case CC.GetCapability: {
      const capability = reader.u32();
      if (CAPABILITIES.has(capability)) return undefined;
      throw denied(
        `${name}: the capability ${capability} is none of ${[...CAPABILITIES.values()].join(", ")}`,
      );
    }
    case CC.GetRandom:
      if (reader.u16() > MAX_RANDOM) throw answered(rcOf.parameterValue(0));
      return undefined;
    case CC.FlushContext: {
      const at = reader.at;
      const handle = reader.u32();
      const real = ground.owned.real(handle);
      if (real === undefined) throw answered(rcOf.parameterValue(0));
      view.setUint32(at, real);
      return handle;
    }
    default:
      return undefined;
  }
}

function checkSessionType(reader: Reader, rpc: Rpc): void {
  reader.sized(); // nonceCaller
  reader.sized(); // encryptedSalt
  const type = reader.u8();
  if (type === SE.TRIAL && rpc !== "provision") {
    throw denied('a trial session is for making keys, with "kleidi key init", only');
  }
  if (type !== SE.HMAC && type !== SE.POLICY && type !== SE.TRIAL) throw answered(rcOf.parameterValue(2));
}
