/**
 * A stand-in for AWS on loopback: KMS, STS, the metadata service of EC2 and a container's credential endpoint, with one clock. It checks
 * every byte of a signature; test/aws/sdk.test.ts holds AWS's own SDK against it.
 */

import { Listener } from "../listener.ts";
import { Identities, type Identity } from "./identities.ts";
import { FakeKms } from "./kms.ts";
import { FakeContainer, FakeMetadata } from "./metadata.ts";
import { FakeSts } from "./sts.ts";

export const REGION = "eu-central-1";
export const ACCOUNT = "111122223333";
/** The three actions of the provider. */
export const KEY_USE = ["kms:DescribeKey", "kms:Encrypt", "kms:Decrypt"];

interface Listeners {
  readonly kms: Listener;
  readonly sts: Listener;
  readonly metadata: Listener;
  readonly container: Listener;
}

export class FakeAws {
  readonly identities: Identities;
  readonly kms: FakeKms;
  readonly sts: FakeSts;
  readonly metadata: FakeMetadata;
  readonly container: FakeContainer;
  /** Its clock against this machine's, in milliseconds. */
  drift = 0;
  #listeners: Listeners | undefined;

  private constructor(region: string) {
    const now = () => this.now();
    this.identities = new Identities(now);
    this.kms = new FakeKms(this.identities, region, ACCOUNT);
    this.sts = new FakeSts(this.identities, region);
    this.metadata = new FakeMetadata(now);
    this.container = new FakeContainer(now);
  }

  static async start(region = REGION): Promise<FakeAws> {
    const aws = new FakeAws(region);
    const now = () => aws.now();
    aws.#listeners = {
      kms: await Listener.start((request) => aws.kms.answer(request), now),
      sts: await Listener.start((request) => aws.sts.answer(request), now),
      metadata: await Listener.start((request) => aws.metadata.answer(request), now),
      container: await Listener.start((request) => aws.container.answer(request), now),
    };
    return aws;
  }

  get at(): Listeners {
    if (this.#listeners === undefined) throw new Error("the stand-in is not started");
    return this.#listeners;
  }

  now(): number {
    return Date.now() + this.drift;
  }

  /** A user with long-lived keys. */
  user(name: string, allowed: Iterable<string> = KEY_USE): Identity {
    return this.identities.create(`arn:aws:iam::${ACCOUNT}:user/${name}`, allowed);
  }

  /** The temporary keys of a role, as the metadata service and the containers' endpoint give them. */
  session(role: string, lifeMs = 6 * 3_600_000, allowed: Iterable<string> = KEY_USE): Identity {
    return this.identities.create(`arn:aws:sts::${ACCOUNT}:assumed-role/${role}/i-0123`, allowed, lifeMs);
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.at).map((listener: Listener) => listener.close()));
  }
}
