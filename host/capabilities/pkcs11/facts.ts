/** The facts that a module's process reports as JSON. They are not trusted. */

/** @returns no facts if it is not a JSON object */
export function parseFacts(bytes: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
