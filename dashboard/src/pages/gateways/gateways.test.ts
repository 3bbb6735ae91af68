import { describe, expect, it } from 'vitest';
import { factsOf, movesOf, rateText, settled, stateOf, viewOf, type Seen } from './gateways';
import { linesOf, linesSay, pictureOf } from './picture';

type State = NonNullable<Seen['state']>;

const NOON = Date.UTC(2026, 10, 22, 12);

interface Target {
  region: string;
  packets: number;
  breaker?: string;
  failure?: string;
}

/** A gateway so many ms after noon; its targets stand in the order in which they are tried. */
function gateway(name: string, after: number, serving: string | null, targets: Target[], more: Partial<Seen> = {}): Seen {
  const received = targets.reduce((sum, { packets }) => sum + packets, 0);
  const listener = {
    address: '127.0.0.1:1', domain: 'd', receive_buffer_bytes: 1, received, received_bytes: 0, not_allowed: 0, rate_limited: 2, accepted: received - 2, kernel_dropped: 0, replies: 0, replies_unsent: 0,
  };
  const destination = {
    name: 'counter', formatter: 'base64', serving, offered: received, waiting: 0, delivered: received, dropped: { failed: 7, no_target: 0 }, batches: 1, retried: 0, unknown_outcome: 0, unusable_replies: {},
    targets: targets.map(({ region, packets, breaker = 'closed', failure = null }) => ({ region, target: `http://${region}/`, breaker, rtt_ms: 1, batches: 1, packets, failures: 0, replies: 0, last_failure: failure })),
  };
  const state = { region: name, as_of: new Date(NOON + after).toISOString(), matrix: null, displaced_senders: 0, listeners: [listener], destinations: [destination] };
  return { name, state, error: null, ...more };
}

const near = (packets: number, breaker = 'closed', failure?: string): Target => ({ region: 'near', packets, breaker, ...(failure === undefined ? {} : { failure }) });
const far = (packets: number, breaker = 'closed'): Target => ({ region: 'far', packets, breaker });

describe('rates', () => {
  it('are what was counted from one answer to the next, by the gateway’s clock', () => {
    const { received, destinations } = viewOf(gateway('g', 500, 'near', [near(130), far(50)]), gateway('g', 0, 'near', [near(100), far(40)]));
    expect(received).toBe(80);
    expect(destinations[0]?.targets.map(({ rate, share, serving }) => [rate, share, serving])).toEqual([[60, 0.75, true], [20, 0.25, false]]);
  });

  it('are not known at first, after a pause, without a new answer, or of one that began anew', () => {
    const first = gateway('g', 0, 'near', [near(100)]);
    for (const [now, before] of [
      [first, undefined],
      [first, first],
      [gateway('g', 60_000, 'near', [near(200)]), first],
      [gateway('g', 1_000, 'near', [near(3)]), first],
    ] as const) {
      const { received, destinations } = viewOf(now, before);
      expect([received, destinations[0]?.targets[0]?.rate, destinations[0]?.targets[0]?.share]).toEqual([null, null, null]);
    }
  });

  it('have no share where nothing passes', () => {
    const view = viewOf(gateway('g', 1_000, 'near', [near(5)]), gateway('g', 0, 'near', [near(5)]));
    expect(view.destinations[0]?.targets[0]).toMatchObject({ rate: 0, share: null });
    expect([null, 0, 0.26, 20.4, 12_345].map(rateText)).toEqual(['–', '0 /s', '0.3 /s', '20 /s', '12,345 /s']);
  });
});

describe('a gateway', () => {
  it('says where it is, what it routes by and what it drops, the most first', () => {
    const seen = gateway('g', 0, 'near', [near(9)]);
    expect(factsOf(viewOf(seen, undefined))).toEqual([
      ['in', 'g'],
      ['receives', '–'],
      ['matrix', 'none, routes by geography'],
      ['dropped, failed', '7'],
      ['dropped, rate limited', '2'],
    ]);
    const matrix = { url: 'http://host', age_seconds: 3.2, regions: 39, simulated: true, error: 'refused' };
    const facts = (given: object) => new Map(factsOf(viewOf({ ...seen, state: { ...(seen.state as State), matrix: { ...matrix, ...given } } }, undefined)));
    expect([{ error: null }, {}, { age_seconds: null, error: null }].map((given) => facts(given).get('matrix'))).toEqual(['3 s old, 39 regions', '3 s old, 39 regions: refused', 'none yet']);
  });

  it('may never have answered', () => {
    const view = viewOf({ name: 'g', state: null, error: 'refused' }, undefined);
    expect([view, factsOf(view)]).toEqual([{ name: 'g', state: null, error: 'refused', received: null, destinations: [] }, []]);
  });
});

it('tells states by marks that differ', () => {
  const states = [stateOf({ breaker: 'closed', serving: true }), stateOf({ breaker: 'closed', serving: false }), stateOf({ breaker: 'open', serving: false }), stateOf({ breaker: 'half_open', serving: true })];
  expect(states).toEqual(['● serves', '○ ready', '■ left alone', '◐ on trial']);
});

describe('moves', () => {
  const well = gateway('g', 0, 'near', [near(1), far(0)]);
  const failed = gateway('g', 1_000, 'far', [near(1, 'open', 'it did not answer'), far(1)]);
  const told = (now: Seen, before: Seen | undefined): string[] => movesOf([now], before === undefined ? [] : [before], NOON).map(({ text }) => text);

  it('say whom a destination moved to, and why', () => {
    expect(told(failed, well)).toEqual(['counter: near → far (it did not answer)']);
    expect(told(well, failed)).toEqual(['counter: far → near (well again)']);
    expect(told(gateway('g', 1_000, 'far', [far(1), near(1)]), well)).toEqual(['counter: near → far (another order)']);
    expect(told(gateway('g', 1_000, null, [near(1, 'open', 'refused')]), well)).toEqual(['counter: near → nobody (refused)']);
  });

  it('say when a gateway stops to answer, and when it answers again', () => {
    const silent = { ...well, error: 'no route' };
    expect(told(silent, well)).toEqual(['does not answer (no route)']);
    expect(told(failed, silent)).toEqual(['answers again', 'counter: near → far (it did not answer)']);
  });

  it('are none where nothing is known of before, or nothing moved', () => {
    expect([told(well, undefined), told(well, well)]).toEqual([[], []]);
  });
});

describe('a trial', () => {
  const failed = gateway('g', 0, 'far', [near(1, 'open'), far(1)]);
  const serving = (now: Seen, before?: Seen): string | null | undefined => settled(now, before).state?.destinations[0]?.serving;

  it('is no move while another target serves', () => {
    expect(serving(gateway('g', 1_000, 'near', [near(1, 'half_open'), far(1)]), failed)).toBe('far');
    expect(serving(gateway('g', 1_000, 'near', [near(1), far(1)]), failed)).toBe('near');
  });

  it('is one where there is nobody else, or nothing is known of before', () => {
    expect(serving(gateway('g', 1_000, 'near', [near(1, 'half_open'), far(1, 'open')]), failed)).toBe('near');
    expect(serving(gateway('g', 1_000, 'near', [near(1, 'half_open'), far(1)]))).toBe('near');
  });
});

describe('the picture', () => {
  const before = [gateway('a', 0, 'near', [near(0), far(0)]), gateway('b', 0, 'far', [far(0), near(0)])];
  const now = [gateway('a', 1_000, 'far', [near(0, 'open'), far(25)]), gateway('b', 1_000, 'far', [far(100), near(0)])];
  const views = now.map((seen, index) => viewOf(seen, before[index]));
  const lines = linesOf(views);
  const picture = pictureOf(lines, ['a', 'b'], 100, 300);

  it('has gateways on the left, regions on the right, and a line for each target', () => {
    expect([...picture.gateways]).toEqual([['a', picture.height / 4], ['b', (picture.height * 3) / 4]]);
    expect([...picture.regions.keys()]).toEqual(['near', 'far']);
    expect(picture.lines.map(({ gateway: from, region, kind }) => `${from} → ${region} ${kind}`)).toEqual(['b → near is ready', 'a → near is not well', 'a → far serves', 'b → far serves']);
    for (const { d, gateway: from, region } of picture.lines) expect(d).toMatch(new RegExp(`^M100 ${picture.gateways.get(from)}C.* 300 ${picture.regions.get(region)}$`));
  });

  it('has regions opposite to the gateways of their name', () => {
    const [, second] = lines;
    if (second === undefined) throw new Error('no line');
    const { gateways, regions } = pictureOf([{ ...second, region: 'c' }, { ...second, region: 'b' }, { ...second, region: 'a' }], ['a', 'b'], 0, 9);
    expect([[...gateways.keys()], [...regions.keys()]]).toEqual([['a', 'b'], ['a', 'b', 'c']]);
  });

  it('is thicker where more passes', () => {
    expect(picture.lines.map(({ width }) => width)).toEqual([1, 1, 4.5, 8]);
  });

  it('puts destinations together that share a line, as the worst of them', () => {
    const [view] = views;
    if (view === undefined) throw new Error('no view');
    const other = { name: 'other', serving: 'near', targets: (view.destinations[0]?.targets ?? []).map((target) => ({ ...target, breaker: 'closed', serving: target.region === 'near' })) };
    const both = linesOf([{ ...view, destinations: [...view.destinations, other] }]);
    expect(both.map(({ region, kind, rate }) => [region, kind, rate])).toEqual([['near', 'is not well', 0], ['far', 'serves', 50]]);
  });

  it('says the same in words', () => {
    expect(linesSay(lines)).toBe('a → near is not well, 0 /s; a → far serves, 25 /s; b → far serves, 100 /s');
  });
});
