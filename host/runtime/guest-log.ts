/** Receives the lines that guests write to kleidi:log: a host logs them, a command reports those that concern its operator. */
import type { LogLevel } from "../capabilities/capability.ts";
import type { Logger } from "../telemetry/log.ts";
import type { HostObserver } from "./observer.ts";

/** Writes them to the host's log. */
export class GuestLog implements Partial<HostObserver> {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  guestWrote(provider: string, level: LogLevel, line: string): void {
    this.#log[level]({ provider, guest: true }, line);
  }
}

/** A line of level warn or error. */
export interface Remark {
  readonly level: "warn" | "error";
  readonly line: string;
}

/** Keeps the lines of level warn and error for a report, each once. Lines are visible text of bounded length and number: see log.ts of the capability. */
export class Remarks implements Partial<HostObserver> {
  #kept = new Map<string, Remark>();

  guestWrote(_provider: string, level: LogLevel, line: string): void {
    if (level === "warn" || level === "error") this.#kept.set(line, { level, line });
  }

  /** @returns the lines since the last call */
  take(): Remark[] {
    const taken = [...this.#kept.values()];
    this.#kept = new Map();
    return taken;
  }
}
