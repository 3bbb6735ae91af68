/** What the map and the table of a region's page say of each place. */

import { latencyStyle, type LineStyle } from '../../components/map/lines';
import { classOf } from '../../lib/colour';
import { fibreFloorMs, greatCircleKm, type Coordinates } from '../../lib/geo';
import * as format from '../../lib/format';
import type { Atlas } from '../../lib/places';
import type { Order } from './address';
import { numberOf, type Ranked } from './ranking';

/** Below this no multiple of the fibre floor means anything: the way within a city counts for more. */
const LEAST_FLOOR_MS = 1;

/** How far two places are apart; nulls where that is not known. */
export interface Apart {
  km: number | null;
  /** How many times as long as light in fibre needs along the great circle. */
  multiple: number | null;
}

export function apart(one: Coordinates | null, other: Coordinates | null, rtt: number | null): Apart {
  if (one === null || other === null) return { km: null, multiple: null };
  const km = greatCircleKm(one, other);
  const floor = fibreFloorMs(km);
  return { km, multiple: rtt === null || floor < LEAST_FLOOR_MS ? null : rtt / floor };
}

/** A line of the map. */
export interface Spoke extends LineStyle {
  id: string;
  from: Coordinates;
  to: Coordinates;
}

/** The lines: of one member to everything that is ranked; of several, from the one that is looked at to each of them. */
export function spokesOf(ranking: readonly Ranked[], members: readonly string[], looked: string | null, atlas: Atlas, heat: readonly string[]): Spoke[] {
  const shown = members.length === 1 ? ranking : ranking.filter(({ id }, index) => (looked === null ? index === 0 : id === looked));
  return shown.flatMap((ranked) =>
    ranked.members.flatMap((member) => {
      const [from, to] = [atlas.place(member.id).region, atlas.place(ranked.id).region];
      if (from === null || to === null) return [];
      const loss = member.sent === 0 ? 0 : member.lost / member.sent;
      return [{ id: `${member.id}/${ranked.id}`, from, to, ...latencyStyle({ rtt_ms: member.rtt_ms, loss, stale: false }, heat) }];
    }),
  );
}

/** A dot of the map. */
export interface Spot {
  id: string;
  at: Coordinates;
  label: string;
  fill: string;
  silent: boolean;
  chosen: boolean;
}

/** The dots: the members, what is ranked, and what has no number. */
export function spotsOf(
  { ranking, incomplete }: { ranking: readonly Ranked[]; incomplete: readonly string[] },
  members: readonly string[],
  by: Order,
  atlas: Atlas,
  heat: readonly string[],
): Spot[] {
  const ranked = new Map(ranking.map((entry) => [entry.id, entry]));
  const ids = new Set([...members, ...ranked.keys(), ...incomplete]);
  return [...ids].flatMap((id) => {
    const { region, city } = atlas.place(id);
    if (region === null) return [];
    const entry = ranked.get(id);
    const number = entry === undefined ? null : numberOf(entry, by);
    const chosen = members.includes(id);
    const says = number === null ? (chosen ? 'asked for' : 'no number') : `${format.ms(number)}, rank ${entry?.rank ?? 0}`;
    const fill = number === null ? 'var(--accent)' : (heat[classOf(number)] ?? 'var(--accent)');
    return [{ id, at: region, label: `${id}, ${city}: ${says}`, fill, silent: number === null && !chosen, chosen }];
  });
}
