/** A real headless Chromium of Debian, controlled over its pipe (the Chrome DevTools Protocol). */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { requireDebian } from "./debian.ts";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** The events of a tab: requests by URL, console messages, failures, violations of a policy. */
export interface TabEvents {
  readonly requests: string[];
  readonly complaints: string[];
}

export class Chromium {
  readonly #folder = mkdtempSync(join(tmpdir(), "kleidi-chromium-"));
  readonly #process: ChildProcess;
  readonly #commands: Writable;
  readonly #waiting = new Map<
    number,
    { resolve: (result: Record<string, unknown>) => void; reject: (error: Error) => void }
  >();
  readonly #listeners = new Set<(method: string, params: Record<string, unknown>) => void>();
  #next = 1;

  constructor() {
    requireDebian(["chromium"]);
    const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    const quiet = [
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ];
    this.#process = spawn(
      "chromium",
      [
        ...["--headless=new", "--disable-gpu", "--remote-debugging-pipe"],
        ...quiet,
        ...sandbox,
        `--user-data-dir=${this.#folder}`,
        "about:blank",
      ],
      { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
    );
    this.#commands = this.#process.stdio[3] as Writable;
    this.#commands.on("error", () => {});
    this.#process.once("exit", (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`Chromium ended with ${code}`));
    });
    let rest = "";
    (this.#process.stdio[4] as Readable).setEncoding("utf8").on("data", (text: string) => {
      const parts = `${rest}${text}`.split("\0");
      rest = parts.pop() ?? "";
      for (const part of parts) this.#take(JSON.parse(part));
    });
  }

  async open(): Promise<Tab> {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const tab = new Tab(this, String(sessionId));
    // A scroll bar would take part of the width, or overlay the page.
    await tab.send("Emulation.setScrollbarsHidden", { hidden: true });
    for (const domain of ["Page", "Network", "Runtime", "Log", "Audits"]) await tab.send(`${domain}.enable`);
    return tab;
  }

  send(method: string, params: object = {}, sessionId?: string): Promise<Record<string, unknown>> {
    const id = this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(id, { resolve, reject });
    this.#commands.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
    return promise;
  }

  listen(listener: (method: string, params: Record<string, unknown>) => void): void {
    this.#listeners.add(listener);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    if (this.#process.exitCode === null) {
      void this.send("Browser.close").catch(() => {});
      const timer = setTimeout(() => this.#process.kill("SIGKILL"), 5000);
      await ended;
      clearTimeout(timer);
    }
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10 });
  }

  #take({ id, method, params = {}, result = {}, error }: Message): void {
    if (id === undefined) {
      for (const listener of this.#listeners) listener(method ?? "", params);
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error.message));
  }
}

export class Tab {
  readonly events: TabEvents = { requests: [], complaints: [] };
  readonly #browser: Chromium;
  readonly #session: string;
  #loaded: (() => void) | undefined;

  constructor(browser: Chromium, session: string) {
    this.#browser = browser;
    this.#session = session;
    browser.listen((method, params) => this.#heard(method, params));
  }

  async send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    return await this.#browser.send(method, params, this.#session);
  }

  async go(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => {
      this.#loaded = resolve;
    });
    await this.send("Page.navigate", { url });
    await loaded;
  }

  async resize(width: number, height = 900): Promise<void> {
    await this.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: false,
    });
  }

  async scheme(value: "light" | "dark"): Promise<void> {
    await this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
  }

  /** The value of an expression in the page. */
  async value<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value: T }).value;
  }

  async screenshot(file: string): Promise<void> {
    const { data } = await this.send("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: true,
    });
    writeFileSync(file, Buffer.from(String(data), "base64"));
  }

  #heard(method: string, params: Record<string, unknown>): void {
    const { requests, complaints } = this.events;
    if (method === "Page.loadEventFired") this.#loaded?.();
    if (method === "Network.requestWillBeSent") requests.push((params.request as { url: string }).url);
    const complained = [
      "Runtime.consoleAPICalled",
      "Runtime.exceptionThrown",
      "Log.entryAdded",
      "Audits.issueAdded",
    ];
    if (complained.includes(method)) complaints.push(`${method} ${JSON.stringify(params)}`);
  }
}
