/**
 * Holds back the events that tell the state of keys and credentials, until their set serves: a configuration that is tried in the shadow
 * must not look as if the keys that serve had failed.
 */
import type { HostObserver } from "./observer.ts";

/** @returns the observer for the set, and `release`, which passes on what was held; afterwards every event passes at once */
export function holdEvents(observer: HostObserver): { readonly observer: HostObserver; release(): void } {
  let held: (() => void)[] | undefined = [];
  const later = (event: () => void) => {
    if (held === undefined) event();
    else held.push(event);
  };
  return {
    observer: {
      ...observer,
      credentialChanged: (event) => later(() => observer.credentialChanged(event)),
      credentialUsesKnown: (uses) => later(() => observer.credentialUsesKnown(uses)),
      expiryKnown: (expiry) => later(() => observer.expiryKnown(expiry)),
      keyChanged: (change) => later(() => observer.keyChanged(change)),
      keyProbed: (key, result) => later(() => observer.keyProbed(key, result)),
    },
    release() {
      const events = held ?? [];
      held = undefined;
      for (const event of events) event();
    },
  };
}
