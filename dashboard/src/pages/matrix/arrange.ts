/** Which places stand on an axis, and in which order. Pure. */

import { groupByContinent, matches, type Group, type Place } from '../../lib/places';
import { groupToken, type MatrixState } from './address';

/** The places that an axis keeps: what is not hidden, matches its text, and is in the block that is open. */
export function shown(places: readonly Place[], state: Pick<MatrixState, 'hide' | 'without'>, text: string, block: readonly string[]): Place[] {
  const hidden = new Set(state.hide);
  const without = new Set(state.without);
  const inBlock = new Set(block);
  return places.filter(
    (place) =>
      (block.length === 0 || inBlock.has(place.id)) &&
      !hidden.has(place.id) &&
      !hidden.has(groupToken(place.region?.continent ?? '')) &&
      !without.has(place.region?.provider ?? '') &&
      matches(place, text),
  );
}

export type Extent = 'all' | 'some' | 'none';

/** How much of a group is not hidden. */
export function extentOf(group: Group, hide: readonly string[]): Extent {
  if (hide.includes(groupToken(group.code))) return 'none';
  const left = group.places.filter(({ id }) => !hide.includes(id)).length;
  return left === 0 ? 'none' : left === group.places.length ? 'all' : 'some';
}

/** What is hidden once a group is shown whole, or not at all. */
export function withGroup(group: Group, hide: readonly string[], show: boolean): string[] {
  const members = new Set([groupToken(group.code), ...group.places.map(({ id }) => id)]);
  const others = hide.filter((token) => !members.has(token));
  return show ? others : [...others, groupToken(group.code)];
}

/** What is hidden once one place of a group is shown or not. A group that is hidden whole is named by its own token. */
export function withPlace(group: Group, hide: readonly string[], id: string, show: boolean): string[] {
  const ids = group.places.map((place) => place.id);
  const hidden = new Set(hide.includes(groupToken(group.code)) ? ids : ids.filter((member) => hide.includes(member)));
  if (show) hidden.delete(id);
  else hidden.add(id);
  if (hidden.size === ids.length) return withGroup(group, hide, false);
  return [...withGroup(group, hide, true), ...hidden];
}

/** One group that needs no name. */
export function ungrouped(places: Place[]): Group[] {
  return places.length === 0 ? [] : [{ code: '', name: '', places }];
}

function byId(one: Place, other: Place): number {
  return one.id < other.id ? -1 : 1;
}

/** Orders places by a distance, least first; those without one last. */
export function nearestFirst(places: readonly Place[], distance: (place: Place) => number | null): Place[] {
  const distances = new Map(places.map((place) => [place.id, distance(place) ?? Infinity]));
  const of = (place: Place): number => distances.get(place.id) ?? Infinity;
  // Infinity less Infinity is no number, and so no order.
  return [...places].sort((one, other) => (of(one) === of(other) ? byId(one, other) : of(one) - of(other)));
}

/** An order of all places that is kept while their numbers change: ids in groups. */
export type Order = readonly { code: string; name: string; ids: readonly string[] }[];

/** Puts places into the order; without one, by continent. What the order does not know stands at its end. */
export function arranged(places: readonly Place[], order: Order | null): Group[] {
  if (order === null) return groupByContinent(places);
  const left = new Map(places.map((place) => [place.id, place]));
  const groups = order.map(({ code, name, ids }) => {
    const members = ids.flatMap((id) => left.get(id) ?? []);
    for (const { id } of members) left.delete(id);
    return { code, name, places: members };
  });
  if (left.size > 0) groups.push({ code: '~', name: '', places: [...left.values()].sort(byId) });
  return groups.filter((group) => group.places.length > 0);
}

/** The order of places by their ids. */
export function nameOrder(places: readonly Place[]): Order {
  return [{ code: '', name: '', ids: places.map(({ id }) => id).sort() }];
}

/** The order of places by a distance. */
export function nearOrder(places: readonly Place[], distance: (id: string) => number | null): Order {
  return [{ code: '', name: '', ids: nearestFirst(places, (place) => distance(place.id)).map(({ id }) => id) }];
}
