/** Reads the fields of a JSON object, and gathers what is wrong with each instead of stopping at the first. */
export class Reader {
  private readonly fields: Readonly<Record<string, unknown>>;
  private readonly known = new Set<string>();
  private readonly usable: boolean;

  constructor(value: unknown, private readonly path: string, private readonly faults: string[]) {
    this.usable = typeof value === 'object' && value !== null && !Array.isArray(value);
    this.fields = this.usable ? (value as Record<string, unknown>) : {};
    if (!this.usable) faults.push(`${path || 'the file'} is ${show(value)}, expected an object`);
  }

  text(name: string, pattern: RegExp, expected: string): string {
    const value = this.take(name);
    if (typeof value === 'string' && pattern.test(value)) return value;
    this.fault(name, value, expected);
    return '';
  }

  texts(name: string, pattern: RegExp, expected: string, least: number): readonly string[] {
    const value = this.take(name);
    if (!Array.isArray(value) || value.length < least) {
      this.fault(name, value, `a list of at least ${least}, each ${expected}`);
      return [];
    }
    value.forEach((one: unknown, nth) => {
      const own = `${name}[${nth}]`;
      if (typeof one !== 'string' || !pattern.test(one)) this.fault(own, one, expected);
      else if (value.indexOf(one) !== nth) this.fault(own, one, 'each only once');
    });
    return value as string[];
  }

  whole(name: string, least: number, most: number): number {
    const value = this.take(name);
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    this.fault(name, value, `a whole number from ${least} to ${most}`);
    return NaN;
  }

  choice<const T extends string | boolean>(name: string, choices: readonly T[]): T {
    const value = this.take(name);
    const found = choices.find((choice) => choice === value);
    if (found === undefined) this.fault(name, value, choices.join(' or '));
    return found ?? (choices[0] as T);
  }

  object<T>(name: string, of: (inner: Reader) => T): T {
    const inner = new Reader(this.take(name), this.at(name), this.faults);
    // Without an object its fields are not missing one by one: one fault says it.
    if (!inner.usable) return of(new Reader({}, this.at(name), []));
    const made = of(inner);
    inner.end();
    return made;
  }

  optional<T>(name: string, of: (inner: Reader) => T): T | null {
    return this.isNull(name) ? null : this.object(name, of);
  }

  isNull(name: string): boolean {
    return this.take(name) === null;
  }

  /** A rule beyond the field's own; says nothing where the field had a fault already. */
  require(name: string, holds: boolean, value: unknown, expected: string): void {
    if (!holds && !Number.isNaN(value)) this.fault(name, value, expected);
  }

  /** Names the fields that nobody asked for: mostly a slip in a name. */
  end(): void {
    for (const name of Object.keys(this.fields)) {
      if (!this.known.has(name)) this.faults.push(`${this.at(name)} is unknown, expected ${[...this.known].join(', ')}`);
    }
  }

  private take(name: string): unknown {
    this.known.add(name);
    return this.fields[name];
  }

  private fault(name: string, value: unknown, expected: string): void {
    this.faults.push(`${this.at(name)} is ${show(value)}, expected ${expected}`);
  }

  private at(name: string): string {
    return this.path ? `${this.path}.${name}` : name;
  }
}

function show(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value);
}
