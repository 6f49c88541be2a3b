/** For tests that no output of a credential contains a secret: whatever its services answer, and however its values are printed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { serialize } from "node:v8";
import type { Request, Response } from "../../host/capabilities/net/exchange.ts";
import type { CredentialConfig } from "../../host/capabilities/net/login/grant.ts";
import { type Answer, down, patient, type Rig } from "./credential.ts";

export interface Canaries {
  readonly rig: () => Rig;
  /** Configurations by name; their secrets contain CANARY. */
  readonly configs: Readonly<Record<string, () => CredentialConfig>>;
  /** As the services answer. */
  readonly good: (request: Request) => Response;
  /** A refusal of the origin that repeats the request. */
  readonly refusal: (text: string) => object;
  /** Further answers by name. */
  readonly answers?: Readonly<Record<string, Answer>>;
}

/** Everything that a program could print of a value. */
export function printed(value: unknown): string {
  const everything = { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true, showProxy: true };
  const error = value instanceof Error ? `${value.message} ${value.stack} ${printed(value.cause)}` : "";
  return [inspect(value, everything), JSON.stringify(value) ?? "", String(value), error].join("\n");
}

/** Declares a test for each configuration and each kind of answer. */
export function testCanaries({ rig, configs, good, refusal, answers = {} }: Canaries): void {
  /** A server that echoes the request in every place where an answer has one. */
  const echo = (status: number) => (request: Request) => {
    const text = `${JSON.stringify(request.headers)} ${Buffer.from(request.body)}`;
    const body = Buffer.from(JSON.stringify(refusal(text)));
    return { status, headers: { date: text, "x-echo": text }, body };
  };
  const all: Readonly<Record<string, Answer>> = {
    good,
    down,
    "echo 200": echo(200),
    "echo 400": echo(400),
    "echo 401": echo(401),
    "echo 403": echo(403),
    "echo 500": echo(500),
    throws: (request) => {
      const text = `${JSON.stringify(request.headers)} ${Buffer.from(request.body)} CANARY`;
      throw Object.assign(new Error(text, { cause: new Error(text) }), { text });
    },
    ...answers,
  };
  for (const [kind, config] of Object.entries(configs))
    for (const [name, answer] of Object.entries(all))
      test(`${kind}, ${name}`, () => tryOne(rig(), config(), { good, answer, refused: echo(401) }));
}

async function tryOne(
  rig: Rig,
  config: CredentialConfig,
  { good, answer, refused }: { good: Answer; answer: Answer; refused: Answer },
): Promise<void> {
  const credential = rig.create(config);
  const given: unknown[] = [];
  const attempt = async (work: () => Promise<unknown>) => {
    given.push(await work().catch((error: unknown) => error));
  };
  rig.other = async (_, request) => good(request);
  await attempt(() => credential.lease(patient));
  rig.other = async (_, request) => answer(request);
  await rig.clock.pass(11_000);
  const response = await refused({ method: "POST", path: "/", headers: {}, body: new Uint8Array() });
  for (const status of [400, 401])
    await attempt(async () =>
      credential.refused(await credential.lease(patient), patient, { ...response, status }),
    );
  await rig.clock.pass(120_000);
  await attempt(() => credential.lease(patient));
  given.push(credential, rig.events);
  await credential.close();
  await attempt(() => credential.lease(patient));
  for (const value of given) assert.doesNotMatch(printed(value), /CANARY/);
  assert.doesNotMatch(serialize(rig.events).toString("latin1"), /CANARY/);
  assert.ok(rig.events.length > 0);
}
