/**
 * A host: all its parts, from the wall to the admin listener. parts.ts constructs them.
 */
import type { Config } from "../config/config.ts";
import { LARGEST } from "../config/load.ts";
import type { AheadWall } from "../sandbox/wall/ahead.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AuditTrail } from "./audit-trail.ts";
import { loadCapabilities } from "./capabilities.ts";
import type { HostIdentity } from "./host-identity.ts";
import type { Parts } from "./parts.ts";
import type { ReloadVerdict } from "./reload.ts";
import { wallAheadOf } from "./wall.ts";
import { watchFile } from "./watch-file.ts";

/** RPCs in flight end within 2.4 s. */
const GRACE_MS = 4_000;

export class Host {
  readonly #parts: Parts;
  readonly #wall: AheadWall;
  #endWatch = () => {};

  private constructor(parts: Parts, wall: AheadWall) {
    this.#parts = parts;
    this.#wall = wall;
  }

  /**
   * Constructs a host. Its wall is tried, its audit log open, its modules admitted and its capabilities open; the first provider's process
   * has started, without its module, and nothing listens.
   * @param version of kleidi
   * @throws KleidiError wall-missing, audit-invalid, audit-failed, and those of Providers.open; the audit log has the reason
   * @example
   * const host = await Host.open(config, createLog(config.log), "1.0.0");
   * await host.serve();
   * await host.start();
   * await host.close("it was asked to stop");
   */
  static async open(config: Config, log: Logger, version: string): Promise<Host> {
    // A process of its own tries the wall: most of the host is loaded meanwhile.
    const [wall, { construct }] = await Promise.all([
      wallAheadOf(config),
      import("./parts.ts"),
      loadCapabilities(config),
    ]);
    log.info({ wall: wall.name }, `the wall around providers' processes is ${wall.detail}`);
    const identity = { version, wall: wall.name };
    let audit: AuditTrail | undefined;
    try {
      audit = await openAudit(config, identity, log);
      return new Host(await construct(config, log, { wall, identity, audit }), wall);
    } catch (error) {
      wall.dismiss();
      await audit?.close("it could not be started");
      throw error;
    }
  }

  /**
   * Binds the socket and the admin address. To be called before `start`: an API server that calls early gets "not ready yet" and not a
   * missing socket.
   * @throws KleidiError socket-refused
   */
  async serve(): Promise<void> {
    const { config, server, admin } = this.#parts;
    await server.listen(config.listen);
    await admin?.listen();
  }

  /**
   * Starts the providers and probes every key once; the probes continue in the background.
   * @throws KleidiError of the first provider, if none can be started
   */
  async start(): Promise<void> {
    const { config, serving } = this.#parts;
    await serving.current.start().finally(() => this.#wall.dismiss());
    if (config.reload.onChange)
      this.#endWatch = watchFile(config.file, () => void this.reload(), { largest: LARGEST });
  }

  /**
   * Reads the configuration file again and, if all of it works, serves with it; otherwise serves on as before. The verdict is logged. Waits
   * for a start that is running.
   */
  async reload(): Promise<ReloadVerdict> {
    return await this.#parts.reloader.reload();
  }

  /** Starts a new file of the audit log, if there is an audit log. */
  rotateAuditLog(): void {
    this.#parts.audit?.rotate();
  }

  /**
   * Finishes RPCs in flight and closes everything, whether or not `serve` and `start` were called or have finished.
   * @param reason for the audit log, at most 64 characters
   */
  async close(reason: string): Promise<void> {
    const { log, audit, serving, reloader, server, admin } = this.#parts;
    this.#endWatch();
    this.#wall.dismiss();
    await reloader.close();
    serving.current.endProbes();
    await server.stop(GRACE_MS);
    admin?.close();
    await serving.current.close();
    await audit?.close(reason);
    const lines = audit?.sample().lagLines ?? 0;
    if (lines > 0) log.error({ lines }, "the last records of the audit log could not be written");
    log.info("stopped");
  }
}

/**
 * @returns undefined if the configuration has no audit log
 * @throws KleidiError audit-invalid, audit-failed
 */
async function openAudit(
  config: Config,
  identity: HostIdentity,
  log: Logger,
): Promise<AuditTrail | undefined> {
  if (config.audit === undefined) return undefined;
  // Loaded only if it is used.
  const { AuditTrail } = await import("./audit-trail.ts");
  return await AuditTrail.open(config, config.audit, identity, log);
}
