/** Regions and vantage points as places: names, search, and their order on the page. */

import type { Region, Regions } from '../api';

/** Anything that can be a source or a target. */
export interface Place {
  id: string;
  /** Null for a vantage point that stands in no region. */
  region: Region | null;
  city: string;
  /** Lower-case text that a search looks in. */
  searchText: string;
}

export interface Group {
  /** Continent code, or empty for places outside every region. */
  code: string;
  name: string;
  places: Place[];
}

/** Continents in the order of the axes: westward to eastward, so that near regions stand near. */
const CONTINENTS: readonly (readonly [code: string, name: string])[] = [
  ['', 'Vantage points'],
  ['NA', 'North America'],
  ['SA', 'South America'],
  ['EU', 'Europe'],
  ['AF', 'Africa'],
  ['ME', 'Middle East'],
  ['AS', 'Asia'],
  ['OC', 'Oceania'],
];

const countries = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'code' });

/** English name of a country from its ISO 3166 code; the code itself where it is not one. */
export function countryName(code: string): string {
  try {
    return countries.of(code) ?? code;
  } catch {
    return code;
  }
}

function placeOf(id: string, region: Region | null): Place {
  const words = region === null ? [] : [region.name, region.city, region.country, countryName(region.country), region.provider];
  return { id, region, city: region?.city ?? '', searchText: [id, ...words].join('\n').toLowerCase() };
}

/** Looks places up by the id of a region or of a vantage point. Unknown ids become places without a region. */
export class Atlas {
  readonly #places = new Map<string, Place>();
  /** Everything that is known to measure. */
  readonly vantages: readonly string[];
  /** Regions that measure; each is a target of the others. */
  readonly vantageRegions: readonly string[];
  /** The whole catalogue, with the regions that nobody measures from. */
  readonly regions: readonly Region[];

  constructor(catalogue: Regions) {
    this.vantages = catalogue.vantages.map(({ id }) => id);
    this.vantageRegions = catalogue.regions.filter(({ vantage }) => vantage).map(({ id }) => id);
    this.regions = catalogue.regions;
    for (const region of catalogue.regions) this.#places.set(region.id, placeOf(region.id, region));
    for (const vantage of catalogue.vantages) {
      if (this.#places.has(vantage.id)) continue;
      const region = catalogue.regions.find(({ id }) => id === vantage.region) ?? null;
      this.#places.set(vantage.id, placeOf(vantage.id, region));
    }
  }

  /** The sources to show for those of an answer: one that measures but is silent must be missed, not absent. */
  sources(answered: readonly string[]): Place[] {
    return [...new Set([...answered, ...this.vantages])].map((id) => this.place(id));
  }

  /** The targets to show for those of an answer. */
  targets(answered: readonly string[]): Place[] {
    return [...new Set([...answered, ...this.vantageRegions])].map((id) => this.place(id));
  }

  place(id: string): Place {
    return this.#places.get(id) ?? placeOf(id, null);
  }
}

/** True when one of the comma-separated terms is found in the place. An empty filter lets everything through. */
export function matches(place: Place, filter: string): boolean {
  const terms = filter
    .toLowerCase()
    .split(',')
    .map((term) => term.trim())
    .filter((term) => term !== '');
  return terms.length === 0 || terms.some((term) => place.searchText.includes(term));
}

function continentRank(code: string): number {
  const index = CONTINENTS.findIndex(([known]) => known === code);
  return index === -1 ? CONTINENTS.length : index;
}

function byLongitude(one: Place, other: Place): number {
  const [a, b] = [one.region?.longitude ?? 0, other.region?.longitude ?? 0];
  return a - b || (one.id < other.id ? -1 : 1);
}

/** Groups places by continent, west to east. Groups without a place are left out. */
export function groupByContinent(places: readonly Place[]): Group[] {
  const groups = new Map<string, Place[]>();
  for (const place of places) {
    const code = place.region?.continent ?? '';
    const members = groups.get(code);
    if (members === undefined) groups.set(code, [place]);
    else members.push(place);
  }
  return [...groups]
    .sort(([one], [other]) => continentRank(one) - continentRank(other) || (one < other ? -1 : 1))
    .map(([code, members]) => ({
      code,
      name: CONTINENTS.find(([known]) => known === code)?.[1] ?? code,
      places: members.sort(byLongitude),
    }));
}
