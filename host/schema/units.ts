/** Quantities with a unit, as written in the file: `16MiB`, `2400ms`. */

/** The units of a kind of quantity, smallest first, and other spellings of them. */
interface UnitSystem {
  /** Unit → its size in the base unit. */
  readonly units: Readonly<Record<string, number>>;
  /** Other spelling in lower case → its size in the base unit. Used only for suggestions. */
  readonly aliases: Readonly<Record<string, number>>;
}

const K = 1024;
const bytes: UnitSystem = {
  units: { KiB: K, MiB: K * K },
  aliases: {
    "": 1,
    b: 1,
    k: K,
    kb: K,
    ki: K,
    m: K * K,
    mb: K * K,
    mi: K * K,
    g: K ** 3,
    gb: K ** 3,
    gi: K ** 3,
    gib: K ** 3,
  },
};
const time: UnitSystem = {
  units: { ms: 1, s: 1000 },
  aliases: {
    msec: 1,
    millis: 1,
    sec: 1000,
    second: 1000,
    seconds: 1000,
    m: 60_000,
    min: 60_000,
    h: 3_600_000,
  },
};

/** A kind of quantity with bounds. */
export interface Quantity {
  /** The form of the text, without the bounds. */
  readonly pattern: RegExp;
  /** @returns the value in the base unit (bytes, milliseconds); undefined if the text is malformed or out of bounds */
  parse(text: string): number | undefined;
  /** @returns the quantity that was probably meant, within the bounds; undefined if the text is not a number with a known unit */
  suggest(text: string): string | undefined;
}

/** A quantity of memory, written in KiB or MiB. @param min bytes @param max bytes @param step a value is a multiple of it, in bytes */
export function memory(min: number, max: number, step: number): Quantity {
  return quantity(bytes, min, max, step);
}

/** A duration, written in ms or s. @param min milliseconds @param max milliseconds */
export function duration(min: number, max: number): Quantity {
  return quantity(time, min, max, 1);
}

function quantity(system: UnitSystem, min: number, max: number, step: number): Quantity {
  const factors = new Map(Object.entries(system.units));
  const sizes = new Map(Object.entries(system.aliases));
  for (const [unit, factor] of factors) sizes.set(unit.toLowerCase(), factor);

  const pattern = new RegExp(`^(0|[1-9][0-9]{0,9})(${Object.keys(system.units).join("|")})$`);

  return {
    pattern,
    parse(text) {
      const [, digits, unit = ""] = pattern.exec(text) ?? [];
      const factor = factors.get(unit);
      if (digits === undefined || factor === undefined) return undefined;
      const value = Number(digits) * factor;
      return value >= min && value <= max && value % step === 0 ? value : undefined;
    },
    suggest(text) {
      const [, digits, unit = ""] = /^([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)$/.exec(text) ?? [];
      const factor = sizes.get(unit.toLowerCase());
      if (digits === undefined || factor === undefined) return undefined;
      const stepped = Math.round((Number(digits) * factor) / step) * step;
      const value = Math.min(max, Math.max(min, stepped));
      const [name, size] = [...factors].findLast(([, size]) => value % size === 0) ?? [];
      return name === undefined || size === undefined ? undefined : `${value / size}${name}`;
    },
  };
}
