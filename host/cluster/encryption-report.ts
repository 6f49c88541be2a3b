/** Collects findings about places of an EncryptionConfiguration, in the order of its lines. */
import type { Document } from "../config/document.ts";
import type { Finding } from "../finding.ts";
import type { Fault, FaultText } from "../schema/fault.ts";
import type { Path } from "../schema/text.ts";

export class EncryptionReport {
  readonly #document: Document;
  readonly #file: string;
  readonly #rows: { readonly fault: Fault; readonly finding: Finding }[] = [];

  constructor(document: Document, file: string) {
    this.#document = document;
    this.#file = file;
    for (const fault of document.faults) this.#add(fault);
  }

  /** Adds a problem at a place. Without `actual`, it shows the value found: always give `actual` for a place that may contain a secret. */
  problem(path: Path, text: Omit<FaultText, "actual"> & { actual?: string }, at?: "key" | "value"): void {
    this.#add(this.#document.fault(path, text, at));
  }

  /** Adds a note about a place: information that is not a problem. */
  note(path: Path, detail: string): void {
    const fault = this.#document.fault(path, { expected: "", actual: "", remedy: "" });
    this.#rows.push({
      fault,
      finding: { subject: this.#placeOf(fault), ok: true, detail: `${fault.path}: ${detail}` },
    });
  }

  /** The findings in the order of the lines; a single positive one if there is no problem. */
  findings(): Finding[] {
    const sorted = this.#rows
      .toSorted((a, b) => a.fault.line - b.fault.line || a.fault.column - b.fault.column)
      .map(({ finding }) => finding);
    if (sorted.some(({ ok }) => !ok)) return sorted;
    return [
      { subject: "encryption config", ok: true, detail: `${this.#file} writes Secrets through this host` },
      ...sorted,
    ];
  }

  #add(fault: Fault): void {
    const path = fault.path === "" ? "" : `${fault.path}: `;
    const detail = `${path}expected ${fault.expected}, found ${fault.actual}`;
    this.#rows.push({
      fault,
      finding: { subject: this.#placeOf(fault), ok: false, detail, hint: fault.remedy },
    });
  }

  #placeOf({ line, column }: Fault): string {
    return `${this.#file}:${line}:${column}`;
  }
}
