/** The connection between a host and kleidi hold, if that started it: each notices the end of the other, and the host says that it serves. */
import { Socket } from "node:net";
import { type Environment, isHeld } from "./passed-socket.ts";

/** host/hold/holder.mjs */
const DESCRIPTOR = 4;

export interface HolderLink {
  /** The host accepts connections. */
  tellServing(): void;
}

/**
 * @param environment of this process
 * @param onEnd called when the holder has ended: a host without it would keep the next one from the socket
 * @returns undefined if no holder started this process
 */
export function linkToHolder(environment: Environment, onEnd: () => void): HolderLink | undefined {
  if (!isHeld(environment)) return undefined;
  const link = new Socket({ fd: DESCRIPTOR });
  link.on("error", () => {}).once("close", onEnd);
  // It does not keep a host running that has stopped.
  link.resume().unref();
  return { tellServing: () => void link.write("serving\n") };
}
