/** Checks the parameters of a command, after its handles and sessions. */
import type { Rpc } from "../../host-call.ts";
import type { CommandContext } from "./command-context.ts";
import { answered, denied } from "./command-refusal.ts";
import { CC, type Command } from "./commands.ts";
import type { Reader } from "./reader.ts";
import { rcOf } from "./response.ts";
import { isCreatable, isLoadable } from "./template.ts";

export const MAX_RANDOM = 64;

/** The TPM_CAP values that reveal nothing about other users: never HANDLES, which lists the handles of all. */
const CAPABILITIES: ReadonlyMap<number, string> = new Map([
  [0, "ALGS"],
  [2, "COMMANDS"],
  [5, "PCRS"],
  [6, "TPM_PROPERTIES"],
  [8, "ECC_CURVES"],
]);

const SE = { HMAC: 0, POLICY: 1, TRIAL: 3 } as const;

/**
 * @param reader at the first parameter
 * @param view the copy of the command that is forwarded; TPM2_FlushContext gets the TPM's handle there
 * @returns the provider's handle that the command flushes
 * @throws CommandRefusal, TooShort
 */
export function checkParameters(
  reader: Reader,
  view: DataView,
  { code, name }: Command,
  context: CommandContext,
): number | undefined {
  switch (code) {
    case CC.CreatePrimary: {
      reader.sized(); // inSensitive, possibly encrypted; the template is not the first parameter, so it never is
      if (context.grant.templates.includes(context.sha256(reader.sized()))) return undefined;
      throw denied(`${name}: the SHA-256 of the public template is not one of those granted`);
    }
    case CC.Create:
      reader.sized(); // inSensitive
      if (isCreatable(reader.sized())) return undefined;
      throw denied(
        `${name}: the template is neither for an HMAC-SHA256 key nor for sealed data that stay in this TPM`,
      );
    case CC.Load:
      reader.sized(); // inPrivate, possibly encrypted; the public area is not the first parameter, so it never is
      if (isLoadable(reader.sized())) return undefined;
      throw denied(
        `${name}: the object is neither an HMAC-SHA256 key nor sealed data of the form that TPM2_Create may create here`,
      );
    case CC.StartAuthSession:
      checkSessionType(reader, context.rpc);
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
      const real = context.owned.real(handle);
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
    throw denied('trial sessions are allowed only during "kleidi key init"');
  }
  if (type !== SE.HMAC && type !== SE.POLICY && type !== SE.TRIAL) throw answered(rcOf.parameterValue(2));
}
