import { describe, expect, it } from 'vitest';
import { packed, unpacked } from './outline';

const LAKE = [[10, 10], [12, 10], [12, 12.4], [10, 10]];
const LAND = [[-179.8, -80], [179.8, -80], [179.8, 83.6], [-179.8, -80]];
const ISLAND = [[-65.4, 18.2], [-65.6, 18.2], [-65.6, 18], [-65.4, 18.2]];

describe('outlines as text', () => {
  it('come back as they were, with far and near steps both ways', () => {
    expect(unpacked(packed([[LAND, LAKE], [ISLAND]]))).toEqual([[LAND, LAKE], [ISLAND]]);
  });

  it('are rounded, and have nothing that is then without area', () => {
    const speck = [[5, 5], [5.04, 5], [5, 5.04], [5, 5]];
    const crooked = [[10.04, 9.96], [10.02, 10], [12, 10], [12, 12.4], [10.04, 9.96]];
    expect(unpacked(packed([[speck], [crooked]]))).toEqual([[LAKE]]);
  });
});
