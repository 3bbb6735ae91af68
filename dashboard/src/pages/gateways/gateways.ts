/** What gateways say, as what is shown: how much passes now, who serves, what is lost and what moved. Pure. */

import type { Schemas } from '../../api';
import * as format from '../../lib/format';

export type Seen = Schemas['GatewaySeen'];
type State = Schemas['GatewayState'];
type Destination = Schemas['GatewayDestination'];
type Target = Schemas['GatewayTarget'];

/** What was counted over more than this is not what passes now, ms. */
const LONGEST_MS = 10_000;

/** Packets a second; null where it is not known: before the second answer, after a pause, of a gateway that began anew. */
export type Rate = number | null;

export interface TargetView extends Target {
  rate: Rate;
  /** Of what its destination's targets take now, 0 to 1; null where that is nothing. */
  share: number | null;
  serving: boolean;
}

export interface DestinationView {
  name: string;
  /** A region, or `*`; null for nobody. */
  serving: string | null;
  targets: TargetView[];
}

export interface GatewayView extends Seen {
  received: Rate;
  destinations: DestinationView[];
}

/** That another target of a destination serves, or that a gateway stopped or began to answer. */
export interface Move {
  /** Unix ms. */
  at: number;
  gateway: string;
  text: string;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
const receivedBy = (state: State): number => sum(state.listeners.map(({ received }) => received));

/** The rate of a count that was `before`, by the clock of the gateway. */
function rates(now: State, before: State | null | undefined): (before: number | undefined, now: number) => Rate {
  const length = before == null ? 0 : Date.parse(now.as_of) - Date.parse(before.as_of);
  return (earlier = Infinity, later) => (later < earlier || length <= 0 || length > LONGEST_MS ? null : (1000 * (later - earlier)) / length);
}

/** A gateway as it is shown; `before` is what it said the time before. */
export function viewOf(now: Seen, before: Seen | undefined): GatewayView {
  const { state } = now;
  if (state === null) return { ...now, received: null, destinations: [] };
  const past = before?.state;
  const rateOf = rates(state, past);
  const destinations = state.destinations.map(({ name, serving, targets }) => {
    const known = past?.destinations.find((other) => other.name === name)?.targets;
    const views = targets.map((target) => ({
      ...target,
      serving: target.region === serving,
      rate: rateOf(known?.find((other) => other.region === target.region && other.target === target.target)?.packets, target.packets),
    }));
    const all = sum(views.map(({ rate }) => rate ?? 0));
    return { name, serving, targets: views.map((view) => ({ ...view, share: all > 0 ? (view.rate ?? 0) / all : null })) };
  });
  return { ...now, received: rateOf(past == null ? undefined : receivedBy(past), receivedBy(state)), destinations };
}

/** What a gateway says of itself beside its targets. Drops are since its start, by reason, the most first; none are left out. */
export function factsOf({ state, received }: GatewayView): [name: string, value: string][] {
  if (state === null) return [];
  const { region, matrix, listeners, destinations } = state;
  const dropped = new Map<string, number>();
  const add = (reasons: Record<string, number>): void =>
    Object.entries(reasons).forEach(([reason, packets]) => dropped.set(reason, (dropped.get(reason) ?? 0) + packets));
  listeners.forEach(({ not_allowed, rate_limited, kernel_dropped }) => add({ not_allowed, rate_limited, kernel_dropped }));
  destinations.forEach((destination) => add(destination.dropped));
  const age = matrix?.age_seconds ?? null;
  const routes = matrix === null ? 'none, routes by geography' : age === null ? 'none yet' : `${format.age(age * 1000)} old, ${matrix.regions} regions`;
  return [
    ['in', region],
    ['receives', rateText(received)],
    ['matrix', routes + (matrix?.error ? `: ${matrix.error}` : '')],
    ...[...dropped]
      .filter(([, packets]) => packets > 0)
      .sort(([, one], [, other]) => other - one)
      .map(([reason, packets]): [string, string] => [`dropped, ${reason.replaceAll('_', ' ')}`, format.count(packets)]),
  ];
}

/** A gateway whose trials are no moves: a batch that finds out whether a target is well again leaves the others with whom they were. */
export function settled(now: Seen, before: Seen | undefined): Seen {
  if (now.state === null) return now;
  const destinations = now.state.destinations.map((destination) => {
    const breakerOf = (serving: string | null | undefined): string | undefined => destination.targets.find(({ region }) => region === serving)?.breaker;
    const past = before?.state?.destinations.find(({ name }) => name === destination.name)?.serving ?? null;
    return breakerOf(destination.serving) === 'half_open' && breakerOf(past) === 'closed' ? { ...destination, serving: past } : destination;
  });
  return { ...now, state: { ...now.state, destinations } };
}

function whyMoved(now: Destination, before: Destination): string {
  const of = (destination: Destination, region: string | null): Target | undefined => destination.targets.find((target) => target.region === region && target.breaker !== 'closed');
  const left = of(now, before.serving);
  if (left !== undefined) return left.last_failure ?? 'it fails';
  return of(before, now.serving) === undefined ? 'another order' : 'well again';
}

/** What moved from one answer to the next. */
export function movesOf(now: readonly Seen[], before: readonly Seen[], at: number): Move[] {
  return now.flatMap(({ name, state, error }) => {
    const known = before.find((other) => other.name === name);
    if (known === undefined) return [];
    const moves = (state?.destinations ?? []).flatMap((destination) => {
      const past = known.state?.destinations.find((other) => other.name === destination.name);
      if (past === undefined || past.serving === destination.serving) return [];
      return [`${destination.name}: ${past.serving ?? 'nobody'} → ${destination.serving ?? 'nobody'} (${whyMoved(destination, past)})`];
    });
    if ((error === null) !== (known.error === null)) moves.unshift(error === null ? 'answers again' : `does not answer (${error})`);
    return moves.map((text) => ({ at, gateway: name, text }));
  });
}

/** What becomes of batches for a target, by its breaker: a mark and a word, so that it is not told by colour alone. */
export function stateOf({ breaker, serving }: Pick<TargetView, 'breaker' | 'serving'>): string {
  if (breaker === 'closed') return serving ? '● serves' : '○ ready';
  return breaker === 'open' ? '■ left alone' : '◐ on trial';
}

/** Packets a second, in words. */
export function rateText(rate: Rate): string {
  if (rate === null) return '–';
  return `${rate > 0 && rate < 9.95 ? rate.toFixed(1) : format.count(rate)} /s`;
}
