/** No wall. Only Node's permission model remains, which code that escaped from WebAssembly can disable. */
import { withoutPrivileges } from "./privileges.ts";
import type { WallKind } from "./wall.ts";

export const none: WallKind = {
  name: "none",
  needs: [],
  keeps: "no protection: machine code in a provider's process has every right of the host's user",
  nodeArguments: [],
  command: ({ setpriv }, { mayDropBounds }) => unprivileged(setpriv, mayDropBounds),
  nativeCommand: ({ setpriv }, { mayDropBounds }) => unprivileged(setpriv, mayDropBounds),
};

function unprivileged(setpriv: string | undefined, mayDropBounds: boolean): string[] {
  return setpriv === undefined ? [] : [setpriv, ...withoutPrivileges(mayDropBounds), "--"];
}
