/**
 * One registry for every metric (D10). Series are bound once and counted into typed arrays: no strings, no allocation on
 * the hot path; the text is made when somebody scrapes. Bounded: past `seriesMax` new label sets share one overflow series.
 */

export const METRIC_SERIES_MAX = 20_000;
/** Dapr's default latency buckets, in milliseconds. */
export const LATENCY_BUCKETS_MS: readonly number[] = [
  1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400, 500, 650, 800, 1_000,
  2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
];

export interface CounterSeries {
  add(value: number): void;
}
export interface GaugeSeries {
  set(value: number): void;
  add(value: number): void;
}
export interface HistogramSeries {
  observe(value: number): void;
}

/** A metric with labels: `with('a', 'b')` finds or makes the series; bind it once, outside the hot path. */
export interface Family<S> {
  readonly name: string;
  with(...labelValues: string[]): S;
}

type MetricKind = 'counter' | 'gauge' | 'histogram';

interface Series {
  readonly labels: string;
  /** Where the series' numbers begin in `values`. */
  readonly at: number;
}

class FamilyStore {
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
  readonly labelNames: readonly string[];
  readonly buckets: readonly number[];
  readonly series: Map<string, Series> = new Map();
  /** counter, gauge: one number a series; histogram: buckets + Inf, then sum, then count. */
  values: Float64Array;
  used = 0;

  constructor(name: string, help: string, kind: MetricKind, labelNames: readonly string[], buckets: readonly number[]) {
    this.name = name;
    this.help = help;
    this.kind = kind;
    this.labelNames = labelNames;
    this.buckets = buckets;
    this.values = new Float64Array(this.width * 4);
  }

  get width(): number {
    return this.kind === 'histogram' ? this.buckets.length + 3 : 1;
  }

  seriesOf(labelValues: readonly string[], room: () => boolean): Series {
    if (labelValues.length !== this.labelNames.length) {
      throw new TypeError(
        `metric ${this.name} has labels (${this.labelNames.join(', ')}), got ${labelValues.length} values`,
      );
    }
    const key = labelValues.join('\0');
    const known = this.series.get(key);
    if (known !== undefined) return known;
    if (!room() && key !== '')
      return this.seriesOf(
        this.labelNames.map(() => 'overflow'),
        () => true,
      );
    const labels = this.labelNames.map((label, i) => `${label}="${escapeLabel(labelValues[i] as string)}"`).join(',');
    const series: Series = { labels, at: this.used };
    this.used += this.width;
    if (this.used > this.values.length) {
      const grown = new Float64Array(this.used * 2);
      grown.set(this.values);
      this.values = grown;
    }
    this.series.set(key, series);
    return series;
  }
}

const escapeLabel = (value: string): string => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');

const escapeHelp = (help: string): string => help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');

const join = (labels: string, more: string): string => (labels === '' ? more : `${labels},${more}`);

const numberText = (value: number): string => (value === Number.POSITIVE_INFINITY ? '+Inf' : String(value));

export class MetricsRegistry {
  readonly #families: Map<string, FamilyStore> = new Map();
  readonly #scrapeHooks: (() => void)[] = [];
  readonly #seriesMax: number;
  #seriesCount = 0;

  constructor(seriesMax: number = METRIC_SERIES_MAX) {
    this.#seriesMax = seriesMax;
  }

  counter(name: string, help: string, labelNames: readonly string[] = []): Family<CounterSeries> {
    const family = this.#family(name, help, 'counter', labelNames, []);
    return {
      name,
      with: (...labelValues) => {
        const { at } = this.#bind(family, labelValues);
        return {
          add: (value) => {
            family.values[at] = (family.values[at] as number) + value;
          },
        };
      },
    };
  }

  gauge(name: string, help: string, labelNames: readonly string[] = []): Family<GaugeSeries> {
    const family = this.#family(name, help, 'gauge', labelNames, []);
    return {
      name,
      with: (...labelValues) => {
        const { at } = this.#bind(family, labelValues);
        return {
          set: (value) => {
            family.values[at] = value;
          },
          add: (value) => {
            family.values[at] = (family.values[at] as number) + value;
          },
        };
      },
    };
  }

  histogram(
    name: string,
    help: string,
    labelNames: readonly string[] = [],
    buckets: readonly number[] = LATENCY_BUCKETS_MS,
  ): Family<HistogramSeries> {
    const family = this.#family(name, help, 'histogram', labelNames, buckets);
    const width = buckets.length;
    return {
      name,
      with: (...labelValues) => {
        const { at } = this.#bind(family, labelValues);
        return {
          observe: (value) => {
            let bucket = 0;
            while (bucket < width && value > (buckets[bucket] as number)) bucket++;
            const { values } = family;
            values[at + bucket] = (values[at + bucket] as number) + 1;
            values[at + width + 1] = (values[at + width + 1] as number) + value;
            values[at + width + 2] = (values[at + width + 2] as number) + 1;
          },
        };
      },
    };
  }

  /** Runs before each scrape: the place to set gauges of the process. */
  beforeScrape(hook: () => void): void {
    this.#scrapeHooks.push(hook);
  }

  /** Prometheus text format 0.0.4. */
  text(): string {
    for (const hook of this.#scrapeHooks) hook();
    const lines: string[] = [];
    for (const family of this.#families.values()) {
      if (family.series.size === 0) continue;
      lines.push(`# HELP ${family.name} ${escapeHelp(family.help)}`, `# TYPE ${family.name} ${family.kind}`);
      for (const { labels, at } of family.series.values()) this.#write(lines, family, labels, at);
    }
    return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
  }

  #write(lines: string[], family: FamilyStore, labels: string, at: number): void {
    const { name, values, buckets } = family;
    const own = labels === '' ? '' : `{${labels}}`;
    if (family.kind !== 'histogram') {
      lines.push(`${name}${own} ${numberText(values[at] as number)}`);
      return;
    }
    let total = 0;
    for (let i = 0; i <= buckets.length; i++) {
      total += values[at + i] as number;
      const le = i === buckets.length ? '+Inf' : String(buckets[i]);
      lines.push(`${name}_bucket{${join(labels, `le="${le}"`)}} ${total}`);
    }
    lines.push(
      `${name}_sum${own} ${numberText(values[at + buckets.length + 1] as number)}`,
      `${name}_count${own} ${total}`,
    );
  }

  #family(
    name: string,
    help: string,
    kind: MetricKind,
    labelNames: readonly string[],
    buckets: readonly number[],
  ): FamilyStore {
    const known = this.#families.get(name);
    if (known !== undefined) {
      if (known.kind !== kind || known.labelNames.join() !== labelNames.join()) {
        throw new TypeError(`metric ${name} is registered twice with another kind or other labels`);
      }
      return known;
    }
    const family = new FamilyStore(name, help, kind, labelNames, buckets);
    this.#families.set(name, family);
    return family;
  }

  #bind(family: FamilyStore, labelValues: readonly string[]): Series {
    const before = family.series.size;
    const series = family.seriesOf(labelValues, () => this.#seriesCount < this.#seriesMax);
    this.#seriesCount += family.series.size - before;
    return series;
  }
}
