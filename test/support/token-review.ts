/**
 * Stands in for the one API server call of the auth method "kubernetes": authentication.k8s.io/v1 TokenReview, over TLS on loopback. It
 * checks the token's signature, time and audience, and whether its service account has been deleted.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { Authority } from "./certificates.ts";
import { JwtIssuer } from "./jwt.ts";

const PATH = "/apis/authentication.k8s.io/v1/tokenreviews";
const AUDIENCE = "https://kubernetes.default.svc";

export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
}

interface Review {
  readonly spec: { readonly token: string; readonly audiences?: readonly string[] };
}

export class TokenReviewServer {
  readonly #issuer = new JwtIssuer();
  readonly #uids = new Map<string, string>();
  readonly #server: Server;
  /** The number of reviews. */
  reviews = 0;

  private constructor(authority: Authority) {
    const { cert, key } = authority.server("apiserver");
    this.#server = createServer(
      { cert: readFileSync(cert), key: readFileSync(key) },
      (incoming, outgoing) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk) => chunks.push(chunk));
        incoming.once("end", () => {
          const found = incoming.method === "POST" && incoming.url === PATH;
          outgoing.writeHead(found ? 201 : 404, { "content-type": "application/json" });
          const asked = found ? (JSON.parse(Buffer.concat(chunks).toString()) as Review) : undefined;
          outgoing.end(JSON.stringify(asked === undefined ? {} : this.#review(asked)));
        });
      },
    );
  }

  static async start(authority: Authority): Promise<TokenReviewServer> {
    const server = new TokenReviewServer(authority);
    await once(server.#server.listen(0, "127.0.0.1"), "listening");
    return server;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** A projected token, as the kubelet puts it into a pod; creates the account if it is missing. */
  token({ namespace, name }: ServiceAccount, audience = AUDIENCE): string {
    const user = `system:serviceaccount:${namespace}:${name}`;
    const uid = this.#uids.get(user) ?? randomUUID();
    this.#uids.set(user, uid);
    return this.#issuer.sign({
      iss: AUDIENCE,
      sub: user,
      aud: [audience],
      "kubernetes.io": { namespace, serviceaccount: { name, uid } },
    });
  }

  /** Invalidates its tokens, like the deletion of the account in a cluster. */
  delete({ namespace, name }: ServiceAccount): void {
    this.#uids.delete(`system:serviceaccount:${namespace}:${name}`);
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  #review({ spec }: Review): unknown {
    this.reviews++;
    const claims = this.#issuer.verify(spec.token);
    const uid = this.#uids.get(String(claims?.sub));
    const mine = claims?.aud as readonly string[] | undefined;
    const audiences = (spec.audiences ?? [AUDIENCE]).filter((audience) => mine?.includes(audience));
    const authenticated = uid !== undefined && audiences.length > 0;
    return {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      spec,
      status: authenticated ? { authenticated, user: { username: claims?.sub, uid }, audiences } : {},
    };
  }
}
