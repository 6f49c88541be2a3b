/** No wall: Node's permission model, which code that got out of WebAssembly can undo, is all there is. */
import { withoutPrivileges } from "./privileges.ts";
import type { WallKind } from "./wall.ts";

export const none: WallKind = {
  name: "none",
  needs: [],
  keeps: "nothing is kept from a provider's process: machine code in it has every right of the host's user",
  nodeArguments: [],
  command: ({ setpriv }, { mayDropBounds }) =>
    setpriv === undefined ? [] : [setpriv, ...withoutPrivileges(mayDropBounds), "--"],
};
