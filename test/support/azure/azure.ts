/**
 * A stand-in for Azure on loopback: a vault and Microsoft Entra ID over TLS, and the metadata service, with one clock. test/azure/sdk.test.ts
 * holds Azure's own SDK against it.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority } from "../certificates.ts";
import { Listener } from "../listener.ts";
import { FakeEntra } from "./entra.ts";
import { FakeVault } from "./vault.ts";

interface Listeners {
  readonly vault: Listener;
  readonly login: Listener;
  readonly metadata: Listener;
}

export class FakeAzure {
  readonly folder = mkdtempSync(join(tmpdir(), "kleidi-azure-"));
  readonly authority = new Authority(join(this.folder, "ca"));
  readonly entra: FakeEntra;
  readonly vault: FakeVault;
  /** Its clock against this machine's, in milliseconds. */
  drift = 0;
  #listeners: Listeners | undefined;

  private constructor() {
    this.entra = new FakeEntra(
      () => this.now(),
      () => this.at.login.origin,
    );
    this.vault = new FakeVault(
      this.entra,
      () => this.at.vault.origin,
      () => this.at.login.origin,
    );
  }

  static async start(): Promise<FakeAzure> {
    const azure = new FakeAzure();
    const now = () => azure.now();
    const { cert, key } = azure.authority.server("azure");
    const tls = { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
    azure.#listeners = {
      vault: await Listener.start((request) => azure.vault.answer(request), now, tls),
      login: await Listener.start((request) => azure.entra.answer(request), now, tls),
      metadata: await Listener.start((request) => azure.entra.answerMachine(request), now),
    };
    return azure;
  }

  get at(): Listeners {
    if (this.#listeners === undefined) throw new Error("the stand-in is not started");
    return this.#listeners;
  }

  now(): number {
    return Date.now() + this.drift;
  }

  /** A certificate of an application with its key, in one PEM. */
  certificate(name: string): string {
    const { cert, key } = this.authority.server(name, { rsa: 2048 });
    return readFileSync(cert, "utf8") + readFileSync(key, "utf8");
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.at).map((listener: Listener) => listener.close()));
    rmSync(this.folder, { recursive: true });
  }
}
