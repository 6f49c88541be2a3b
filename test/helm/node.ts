/** A node that runs Deployments and DaemonSets, whose Secrets kleidí encrypts, and whose containerd has the image of docs/helm.md. */
import { readFileSync } from "node:fs";
import { freePort, until } from "../e2e/servers.ts";
import { builtImages, IMAGE } from "../image/images.ts";
import { builtOperatorImage, OPERATOR_IMAGE } from "../image/operator-image.ts";
import { CONTROLLERS, kubeconfigOf, markControlPlane, writeControllers } from "../node/controllers.ts";
import { builtImage } from "../node/images.ts";
import { install, render } from "../node/kleidi.ts";
import { NODE } from "../node/kubelet.ts";
import { TestNode } from "../node/node.ts";

const CONFIG = "/etc/kleidi/kleidi.yaml";

export interface HelmNode {
  readonly node: TestNode;
  /** The path of a kubeconfig of the administrator. */
  readonly kubeconfig: string;
  /** Values for this node: it has other ports than usual, and pods have only the network of the node. */
  readonly values: object;
}

/** @param image the name of the operator's image in the values of the chart */
export async function startHelmNode(image: string): Promise<HelmNode> {
  const images = [(await builtImages()).kleidi, await builtOperatorImage(), ...CONTROLLERS.map(builtImage)];
  const node = await TestNode.prepare({ images });
  try {
    const admin = `127.0.0.1:${await freePort()}`;
    install(node, IMAGE);
    listenAt(node, { listen: admin });
    node.containerd.ctr("images", "tag", OPERATOR_IMAGE, image);
    await writeControllers(node);
    node.boot();
    await node.untilReady();
    const path = `/api/v1/nodes/${NODE}`;
    await until("the node exists", async () => (await node.api.get(path)).status === 200);
    await markControlPlane(node);
    const kubeconfig = "/root/kubeconfig";
    node.machine.write(kubeconfig, JSON.stringify(kubeconfigOf(node.api.url, node.api.token)), 0o600);
    return { node, kubeconfig: node.machine.path(kubeconfig), values: await valuesOf(node, admin) };
  } catch (error) {
    await node.stop();
    throw error;
  }
}

/** Gives kleidí another admin listener: writes the files and runs the commands of `kleidi render`. */
export function listenAt({ machine }: TestNode, admin: object): void {
  const config = JSON.parse(readFileSync(machine.path(CONFIG), "utf8"));
  machine.write(CONFIG, JSON.stringify({ ...config, admin }));
  render(machine, "static-pod", "--image", IMAGE);
  machine.run("systemd-tmpfiles", "--create", "kleidi.conf");
}

async function valuesOf({ api }: TestNode, address: string): Promise<object> {
  const listen = { hostNetwork: true, listenAddress: "127.0.0.1", port: await freePort() };
  return {
    apiServer: { url: api.url },
    operator: listen,
    agent: { admin: { address }, apiServer: { url: api.url }, port: await freePort(), intervalSeconds: 2 },
  };
}
