/**
 * The devices that are open in this process. Each is opened once: all providers share its connection, also a provider of the configuration
 * that serves and its successor while the host reloads. A virtual TPM takes one connection only.
 */
import { parseTpmDevice } from "./parse-device.ts";
import type { ProviderContext } from "./provider-context.ts";
import { SharedDevice, type SharedDeviceOptions } from "./shared-device.ts";

/** A place at a device, for one provider. */
export interface DevicePlace {
  readonly device: SharedDevice;
  readonly context: ProviderContext;
  /** Flushes the provider's objects and sessions; the last one closes the device. */
  leave(): Promise<void>;
}

interface OpenDevice {
  readonly device: SharedDevice;
  places: number;
}

const open = new Map<string, OpenDevice>();

/**
 * @param name of the device, see parse-device.ts
 * @param options are those of the first user
 * @throws RangeError a device name that is not valid
 */
export function takePlace(
  name: string,
  options: Pick<SharedDeviceOptions, "timeoutMs" | "warn">,
): DevicePlace {
  const id = `${name} ${options.timeoutMs}`;
  const entry = open.get(id) ?? {
    device: new SharedDevice({ endpoint: parseTpmDevice(name), ...options }),
    places: 0,
  };
  open.set(id, entry);
  entry.places += 1;
  const { device } = entry;
  const context = device.join();
  return {
    device,
    context,
    async leave() {
      entry.places -= 1;
      if (entry.places === 0) open.delete(id);
      await device.leave(context);
    },
  };
}
