/** Registers the metrics of the table with prom-client. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import {
  BUCKETS,
  type CounterName,
  type GaugeName,
  type HistogramName,
  type LabelsOf,
  METRICS,
} from "./metric-table.ts";

export class MetricRegistry {
  readonly #registry = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
    // Gauges whose names end as counters' do; the same numbers are there by type.
    for (const what of ["handles", "requests", "resources"])
      this.#registry.removeSingleMetric(`nodejs_active_${what}_total`);
  }

  /** @returns the text format of Prometheus */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  counter<Name extends CounterName>(name: Name) {
    return new Counter<LabelsOf<Name>>(this.#row<Name>(name));
  }

  gauge<Name extends GaugeName>(name: Name) {
    return new Gauge<LabelsOf<Name>>(this.#row<Name>(name));
  }

  histogram<Name extends HistogramName>(name: Name) {
    return new Histogram<LabelsOf<Name>>({ ...this.#row<Name>(name), buckets: BUCKETS });
  }

  #row<Name extends CounterName | GaugeName | HistogramName>(name: Name) {
    const { help, labels } = METRICS[name];
    return { name, help, labelNames: [...labels] as LabelsOf<Name>[], registers: [this.#registry] };
  }
}
