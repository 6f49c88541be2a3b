/** The metrics of the controller. */
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { isUnknown } from "../host/rotation/observed.ts";
import type { Client } from "./cluster/client.ts";
import type { Seen } from "./controller/observe.ts";
import { nodeOf } from "./controller/observe.ts";

/** @param clients the clients whose requests are counted */
function baseRegistry(clients: readonly Client[]): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: "kleidi_operator_api_requests_total",
    help: "Requests to API servers since the start.",
    registers: [registry],
    collect() {
      this.set(clients.reduce((sum, { requests }) => sum + requests, 0));
    },
  });
  return registry;
}

export interface ControllerMetrics {
  readonly registry: Registry;
  seen(seen: Seen): void;
  phase(rotation: string, phase: string): void;
  leader(holds: boolean): void;
}

export function controllerMetrics(clients: readonly Client[]): ControllerMetrics {
  const registry = baseRegistry(clients);
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `kleidi_operator_${name}`, help, labelNames, registers });
  const leader = gauge("leader", "1 if this replica holds the Lease.");
  const nodes = gauge("nodes", "Nodes that have a KleidiNode, by state: reporting or unknown.", ["state"]);
  const phases = gauge("rotation_phase", "1 for the phase that a KeyRotation is in.", ["rotation", "phase"]);
  return {
    registry,
    leader: (holds) => leader.set(holds ? 1 : 0),
    phase: (rotation, phase) => phases.set({ rotation, phase }, 1),
    seen: (seen) => {
      phases.reset();
      const unknown = seen.nodes.filter((node) => isUnknown(nodeOf(node), Date.now())).length;
      nodes.set({ state: "unknown" }, unknown);
      nodes.set({ state: "reporting" }, seen.nodes.length - unknown);
    },
  };
}
