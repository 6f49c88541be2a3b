/** Renders a systemd service, which starts before the kubelet and does not depend on the cluster. */

import { unwritable } from "./escape.ts";
import { socketFolders } from "./footprint.ts";
import { renderLayout } from "./layout.ts";
import { refuseIf, sharedFolders } from "./refusal.ts";
import { joined, type Rendered, type RenderInput, rootFile } from "./rendered.ts";
import { socketUnitText } from "./socket-unit.ts";
import { unitText } from "./unit.ts";
import { networkOf } from "./unit-network.ts";

export interface SystemdOptions {
  /** The path of the command `kleidi` on the node. */
  readonly program: string;
  /** Whether systemd holds the socket, so that no connection is refused while the service restarts. */
  readonly socketUnit?: boolean;
}

/** Folders that the unit hides from the service: ProtectHome=, PrivateTmp=. */
const HIDDEN = /^\/(home|root|run\/user|tmp|var\/tmp)(\/|$)/;

/**
 * Renders the service, its users and its folders; with a socket unit if that is asked for.
 * @throws KleidiError render-refused
 */
export function renderSystemd(input: RenderInput, { program, socketUnit = false }: SystemdOptions): Rendered {
  const { config, footprint } = input;
  const folders = [...footprint.writes, ...socketFolders(config).map(({ folder }) => folder)];
  const paths = [program, config.file, ...footprint.reads, ...folders];
  refuseIf("systemd", [...unwritable(paths), ...sharedFolders(folders), ...hidden(paths)]);
  const { notes } = networkOf(input);
  return joined(renderLayout(input, "kleidi"), {
    files: [
      rootFile("/etc/systemd/system/kleidi.service", unitText(input, { program, folders, socketUnit })),
      ...(socketUnit ? [rootFile("/etc/systemd/system/kleidi.socket", socketUnitText(input))] : []),
    ],
    commands: [
      "systemctl daemon-reload",
      `systemctl enable --now ${socketUnit ? "kleidi.socket " : ""}kleidi.service`,
    ],
    notes,
  });
}

function hidden(paths: readonly string[]): string[] {
  return paths
    .filter((path) => HIDDEN.test(path))
    .map(
      (path) =>
        `the unit hides ${path} from the service (ProtectHome=, PrivateTmp=): move it to /etc/kleidi or /var/lib/kleidi`,
    );
}
