/**
 * A stand-in for Google Cloud on loopback: KMS over REST, the token endpoint, the Security Token Service, IAM's credentials and the metadata
 * service, with one clock. test/gcp/sdk.test.ts holds Google's own SDK against it.
 */
import { Listener } from "../listener.ts";
import { FakeIam, FakeMetadata, FakeOauth, FakeSts } from "./identity.ts";
import { FakeKms } from "./kms.ts";
import { Tokens } from "./tokens.ts";

interface Listeners {
  readonly kms: Listener;
  readonly oauth: Listener;
  readonly sts: Listener;
  readonly iam: Listener;
  readonly metadata: Listener;
}

export class FakeGcp {
  readonly tokens: Tokens;
  readonly kms: FakeKms;
  readonly oauth: FakeOauth;
  readonly sts: FakeSts;
  readonly iam: FakeIam;
  readonly metadata: FakeMetadata;
  /** Its clock against this machine's, in milliseconds. */
  drift = 0;
  #listeners: Listeners | undefined;

  private constructor() {
    const now = () => this.now();
    this.tokens = new Tokens(now);
    this.kms = new FakeKms(this.tokens);
    this.oauth = new FakeOauth(this.tokens, now, () => `${this.at.oauth.origin}/token`);
    this.sts = new FakeSts(this.tokens);
    this.iam = new FakeIam(this.tokens);
    this.metadata = new FakeMetadata(this.tokens);
  }

  static async start(): Promise<FakeGcp> {
    const gcp = new FakeGcp();
    const listen = (service: "kms" | "oauth" | "sts" | "iam" | "metadata") =>
      Listener.start(
        (request) => gcp[service].answer(request),
        () => gcp.now(),
      );
    gcp.#listeners = {
      kms: await listen("kms"),
      oauth: await listen("oauth"),
      sts: await listen("sts"),
      iam: await listen("iam"),
      metadata: await listen("metadata"),
    };
    return gcp;
  }

  get at(): Listeners {
    if (this.#listeners === undefined) throw new Error("the stand-in is not started");
    return this.#listeners;
  }

  now(): number {
    return Date.now() + this.drift;
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.at).map((listener: Listener) => listener.close()));
  }
}
