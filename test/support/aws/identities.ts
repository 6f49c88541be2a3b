/**
 * The identities of the AWS stand-in, and its check of signatures. Written from the specification without the host's signer, so that both
 * agree only where both are right; the SDK of AWS is held against it first (test/aws/sdk.test.ts).
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import type { Received } from "../listener.ts";

export interface Identity {
  readonly arn: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** In milliseconds of the stand-in's clock. */
  expires?: number;
  /** The actions that its policies allow. */
  allowed: ReadonlySet<string>;
}

/** A refused signature or credential: the code of the service and its message. */
export class Refused extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const WINDOW_MS = 5 * 60_000;

export class Identities {
  readonly all = new Map<string, Identity>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Creates long-lived keys, or temporary ones with a life. */
  create(arn: string, allowed: Iterable<string>, lifeMs?: number): Identity {
    const temporary = lifeMs !== undefined;
    const identity: Identity = {
      arn,
      accessKeyId: `${temporary ? "ASIA" : "AKIA"}${randomBytes(8).toString("hex").toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString("base64"),
      ...(temporary
        ? { sessionToken: randomBytes(300).toString("base64"), expires: this.#now() + lifeMs }
        : {}),
      allowed: new Set(allowed),
    };
    this.all.set(identity.accessKeyId, identity);
    return identity;
  }

  /**
   * Checks the signature of a request over its method, path, query, headers and body.
   * @returns the identity that signed it
   * @throws Refused
   */
  verify(request: Received, region: string, service: string): Identity {
    const { authorization = "", "x-amz-date": date = "", "x-amz-security-token": token } = request.headers;
    if (authorization === "")
      throw new Refused("MissingAuthenticationTokenException", "Missing Authentication Token");
    const [, id = "", day = "", inRegion = "", ofService = "", names = "", signature = ""] =
      /^AWS4-HMAC-SHA256 Credential=(\w+)\/(\d{8})\/([\w-]+)\/(\w+)\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/.exec(
        authorization,
      ) ?? [];
    if (signature === "" || !/^\d{8}T\d{6}Z$/.test(date) || !date.startsWith(day))
      throw new Refused(
        "IncompleteSignatureException",
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
      );
    if (inRegion !== region)
      throw new Refused(
        "InvalidSignatureException",
        `Credential should be scoped to a valid region, not '${inRegion}'. `,
      );
    if (ofService !== service)
      throw new Refused(
        "InvalidSignatureException",
        `Credential should be scoped to correct service: '${service}'. `,
      );
    const identity = this.all.get(id);
    if (identity === undefined || identity.sessionToken !== token)
      throw new Refused(
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
      );
    this.#checkTime(date);
    const signed = names.split(";");
    const mustBeSigned = Object.keys(request.headers).filter(
      (name) => name.startsWith("x-amz-") || name === "host" || name === "content-type",
    );
    const missing = mustBeSigned.find((name) => !signed.includes(name));
    if (missing !== undefined || signed.join() !== [...signed].sort().join())
      throw new Refused("InvalidSignatureException", `'${missing ?? names}' must be a 'SignedHeader'`);
    if (
      signature !== signatureOf(request, signed, date, `${day}/${region}/${service}/aws4_request`, identity)
    )
      throw new Refused(
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
      );
    if (identity.expires !== undefined && identity.expires <= this.#now())
      throw new Refused("ExpiredTokenException", "The security token included in the request is expired");
    return identity;
  }

  #checkTime(date: string): void {
    const at = Date.parse(date.replace(/^(....)(..)(..T..)(..)(..Z)$/, "$1-$2-$3:$4:$5"));
    const now = this.#now();
    const [earliest, latest] = [compact(now - WINDOW_MS), compact(now + WINDOW_MS)];
    if (at < now - WINDOW_MS)
      throw new Refused(
        "InvalidSignatureException",
        `Signature expired: ${date} is now earlier than ${earliest} (${compact(now)} - 5 min.)`,
      );
    if (at > now + WINDOW_MS)
      throw new Refused(
        "InvalidSignatureException",
        `Signature not yet current: ${date} is still later than ${latest} (${compact(now)} + 5 min.)`,
      );
  }
}

function compact(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, "");
}

function signatureOf(
  { method, path, query, headers, body }: Received,
  signed: readonly string[],
  date: string,
  scope: string,
  { secretAccessKey }: Identity,
): string {
  const sha = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");
  const lines = signed.map((name) => `${name}:${(headers[name] ?? "").trim().split(/ +/).join(" ")}\n`);
  const pairs = [...query].map(([name, value]) => `${rfc3986(name)}=${rfc3986(value)}`).sort();
  const uri = path.split("/").map(rfc3986).join("/");
  const canonical = [method, uri, pairs.join("&"), lines.join(""), signed.join(";"), sha(body)].join("\n");
  const key = scope
    .split("/")
    .reduce<string | Buffer>(
      (last, part) => createHmac("sha256", last).update(part).digest(),
      `AWS4${secretAccessKey}`,
    );
  return createHmac("sha256", key)
    .update(`AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha(canonical)}`)
    .digest("hex");
}

function rfc3986(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
