/** The KMS of a fixture: answers requests of kleidi:net by rules, and remembers what it encrypted under random tokens. */
import { randomBytes } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type NetRequest, NetResponseSchema } from "../../proto/provider/v1/provider_pb.ts";
import type { FixtureAnswer, FixtureNet, FixtureRule } from "./fixture.ts";
import { agree, type Captures, fill, type Json, matchJson, matchText } from "./pattern.ts";

/** Bytes of a token: as many as a nonce, a seed of 32 bytes and a tag. */
const TOKEN = 60;

export class ScriptedKms {
  readonly #net: FixtureNet;
  readonly #remembered = new Map<string, Captures>();

  constructor(net: FixtureNet) {
    this.#net = net;
  }

  /** @returns the message `NetResponse` that the first matching rule gives */
  answer(request: NetRequest): Uint8Array {
    for (const rule of this.#net.rules) {
      const captures: Captures = new Map();
      if (matches(rule, request, captures)) return this.#apply(rule, captures);
    }
    return responseOf(this.#net.otherwise, new Map());
  }

  #apply(rule: FixtureRule, captures: Captures): Uint8Array {
    const { when = {}, finds, stores, answer, otherwise = this.#net.otherwise } = rule;
    const allowed = Object.entries(when).every(([name, values]) =>
      values.includes(String(captures.get(name))),
    );
    if (!allowed) return responseOf(otherwise, captures);
    if (finds !== undefined) {
      const found = this.#remembered.get(String(captures.get(finds)));
      if (found === undefined || !agree(captures, found)) return responseOf(otherwise, captures);
      return responseOf(answer, new Map([...found, ...captures]));
    }
    if (stores !== undefined) {
      const token = randomBytes(TOKEN).toString("base64");
      this.#remembered.set(token, new Map(captures));
      captures.set(stores, token);
    }
    return responseOf(answer, captures);
  }
}

function matches(
  rule: FixtureRule,
  { method, path, headers, body }: NetRequest,
  captures: Captures,
): boolean {
  if (method !== rule.method || !matchText(rule.path, path, "[^/]+", captures)) return false;
  const wanted = Object.entries(rule.headers ?? {});
  const hasHeaders = wanted.every(([name, pattern]) => {
    const value = headers.find((header) => header.name === name)?.value;
    return value !== undefined && matchText(pattern, value, ".*", captures);
  });
  if (!hasHeaders) return false;
  if (rule.text !== undefined && !matchText(rule.text, Buffer.from(body).toString(), ".*", captures))
    return false;
  return rule.json === undefined || matchJson(rule.json, parsed(body), captures);
}

function parsed(body: Uint8Array): Json | undefined {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8")) as Json;
  } catch {
    return undefined;
  }
}

function responseOf({ status, headers, json, text = "" }: FixtureAnswer, captures: Captures): Uint8Array {
  const filled = json === undefined ? String(fill(text, captures)) : JSON.stringify(fill(json, captures));
  return netResponse({ status, headers: list(headers), body: Buffer.from(filled) });
}

function list(headers: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(headers).map(([name, value]) => ({ name, value }));
}

/** Encodes a `NetResponse`. */
export function netResponse(response: MessageInitShape<typeof NetResponseSchema>): Uint8Array {
  return toBinary(NetResponseSchema, create(NetResponseSchema, response));
}
