/** The agent of one node: reads the state of kleidi and the metrics of the API server, and writes the KleidiNode. It changes nothing on the node. */

import { ApiError } from "../../host/migration/api.ts";
import type { KleidiNodeStatus } from "../api/kleidi-node.ts";
import { APPLY_PATCH, type Client } from "../cluster/client.ts";
import { API_VERSION, applyStatus, pathOf } from "../cluster/resources.ts";
import { apiServerPart } from "./api-server-metrics.ts";
import { type AdminAddress, hostPart } from "./host-state.ts";
import { reportOf } from "./report.ts";

const MANAGER = "kleidi-agent";

export interface AgentOptions {
  readonly node: string;
  readonly admin: AdminAddress;
  readonly intervalSeconds: number;
  /** Client of the cluster that receives the report. */
  readonly cluster: Client;
  /** The API server of this node. */
  readonly apiServer: Client;
}

export class NodeAgent {
  readonly #options: AgentOptions;
  #last: KleidiNodeStatus | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  /** Sends one report. @throws ApiError the API server did not accept it */
  async report(): Promise<KleidiNodeStatus> {
    const { node, admin, intervalSeconds, cluster, apiServer } = this.#options;
    this.#last ??= await this.#read();
    const [host, seen] = await Promise.all([hostPart(admin), apiServerPart(apiServer)]);
    const status = reportOf({ ...host, apiServer: seen }, this.#last, intervalSeconds, Date.now());
    await applyStatus(cluster, "kleidinodes", node, status, MANAGER).catch(async (error) => {
      if (!(error instanceof ApiError) || error.code !== 404) throw error;
      await this.#create();
      await applyStatus(cluster, "kleidinodes", node, status, MANAGER);
    });
    this.#last = status;
    return status;
  }

  async #read(): Promise<KleidiNodeStatus> {
    const { node, cluster } = this.#options;
    try {
      return (
        (await cluster.json<{ status?: KleidiNodeStatus }>("GET", pathOf("kleidinodes", node))).status ?? {}
      );
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return {};
      throw error;
    }
  }

  async #create(): Promise<void> {
    const { node, cluster } = this.#options;
    const body = { apiVersion: API_VERSION, kind: "KleidiNode", metadata: { name: node } };
    await cluster.json("PATCH", `${pathOf("kleidinodes", node)}?fieldManager=${MANAGER}`, {
      body,
      type: APPLY_PATCH,
    });
  }
}
