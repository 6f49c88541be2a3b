/** A validating webhook on loopback that refuses any change of one Secret. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Authority } from "../support/certificates.ts";
import type { Cluster } from "./cluster.ts";

const CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const NAME = "refuse-one";

interface Review {
  readonly request: { readonly uid: string; readonly name: string };
}

export class RefusingWebhook {
  readonly #cluster: Cluster;
  readonly #secret: string;
  #server: Server | undefined;
  /** The number of refused reviews. */
  refused = 0;

  constructor(cluster: Cluster, secret: string) {
    this.#cluster = cluster;
    this.#secret = secret;
  }

  /** Starts to listen, and registers the webhook with the API server. */
  async start(): Promise<void> {
    const authority = new Authority(join(this.#cluster.folder, "webhook"));
    const { cert, key } = authority.server("webhook");
    const files = { cert: readFileSync(cert), key: readFileSync(key) };
    const server = createServer(files, async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(this.#answer(JSON.parse(Buffer.concat(chunks).toString()))));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const rule = { apiGroups: [""], apiVersions: ["v1"], operations: ["UPDATE"], resources: ["secrets"] };
    const webhook = {
      name: "refuse-one.kleidi.dev",
      clientConfig: {
        url: `https://127.0.0.1:${port}/`,
        caBundle: Buffer.from(authority.pem).toString("base64"),
      },
      rules: [rule],
      // The API server sends no other reviews: with 5,000 of them the test would measure this webhook.
      matchConditions: [
        { name: "one", expression: `object.metadata.name.endsWith("${this.#secret.slice(-2)}")` },
      ],
      failurePolicy: "Fail",
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
    };
    await this.#cluster.create(CONFIGURATIONS, { metadata: { name: NAME }, webhooks: [webhook] });
  }

  async stop(): Promise<void> {
    await this.#cluster.api.ask("DELETE", `${CONFIGURATIONS}/${NAME}`);
    this.close();
  }

  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  #answer({ request: { uid, name } }: Review): object {
    const allowed = name !== this.#secret;
    if (!allowed) this.refused += 1;
    const response = { uid, allowed, ...(!allowed && { status: { code: 403, message: "not today" } }) };
    return { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response };
  }
}
