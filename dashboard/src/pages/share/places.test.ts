import { expect, it } from 'vitest';
import { DEFAULT_SHARE } from './address';
import { filled } from './places';

const REGIONS = ['af-south-1', 'eu-west-1', 'us-east-1'];

it('shows something before anything was chosen', () => {
  expect(filled(DEFAULT_SHARE, REGIONS)).toMatchObject({ source: 'us-east-1', target: 'eu-west-1', regions: ['us-east-1', 'eu-west-1', 'af-south-1'] });
});

it('keeps what was chosen, and shows no region to itself', () => {
  expect(filled({ ...DEFAULT_SHARE, source: 'eu-west-1' }, REGIONS)).toMatchObject({ source: 'eu-west-1', target: 'us-east-1' });
  expect(filled({ ...DEFAULT_SHARE, target: 'us-east-1' }, REGIONS)).toMatchObject({ source: 'eu-west-1', target: 'us-east-1' });
  expect(filled({ ...DEFAULT_SHARE, regions: ['x'] }, REGIONS).regions).toEqual(['x']);
});

it('waits for the catalogue', () => expect(filled(DEFAULT_SHARE, [])).toEqual(DEFAULT_SHARE));
