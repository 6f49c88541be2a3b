/** One request to OpenBao's API, and its answer. */
import { readFileSync } from "node:fs";
import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Certificate } from "./certificates.ts";

/** The fields of an answer; which of them are set depends on the path. */
export interface Body {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly auth?: { readonly client_token: string; readonly policies: readonly string[] } | null;
  readonly errors?: readonly string[];
  readonly [field: string]: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The raw body; `body` is {} if it is not a JSON object. */
  readonly text: string;
  readonly body: Body;
}

export interface Ask {
  readonly token?: string | undefined;
  /** for the auth method "cert" */
  readonly client?: Certificate | undefined;
  readonly headers?: OutgoingHttpHeaders;
}

/** The credentials for one of the auth methods. */
export interface Login extends Pick<Ask, "client"> {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Uses its own connection and follows no redirect; rejects only where there is no answer. */
export function ask(
  method: string,
  url: URL,
  body: unknown,
  { token, client, headers }: Ask,
): Promise<Answer> {
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const options = {
    method,
    agent: false as const,
    headers: {
      ...(token === undefined ? {} : { "x-vault-token": token }),
      ...(sent === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    // The test set this server up itself, so an expired certificate does not matter here.
    rejectUnauthorized: false,
    ...(client === undefined ? {} : { cert: readFileSync(client.cert), key: readFileSync(client.key) }),
  };
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk) => chunks.push(chunk));
      incoming.once("error", reject);
      incoming.once("end", () => {
        const text = Buffer.concat(chunks).toString();
        const { statusCode: status = 0, headers } = incoming;
        resolve({ status, headers, text, body: parse(text) });
      });
    });
    outgoing.once("error", reject);
    outgoing.end(sent);
  });
}

function parse(text: string): Body {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Body) : {};
  } catch {
    return {};
  }
}
