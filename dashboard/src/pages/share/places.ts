/** Which places are shown before any was chosen. Pure. */

import type { ShareState } from './address';

/** Regions that most readers know; whichever of them are there come first. */
const KNOWN = ['us-east-1', 'eu-west-1', 'ap-northeast-1'];

/** The state with places in the stead of those that were not chosen. */
export function filled(state: ShareState, regions: readonly string[]): ShareState {
  const order = [...KNOWN.filter((id) => regions.includes(id)), ...regions.filter((id) => !KNOWN.includes(id))];
  const source = state.source || (order.find((id) => id !== state.target) ?? '');
  const target = state.target || (order.find((id) => id !== source) ?? '');
  return { ...state, source, target, regions: state.regions.length > 0 ? state.regions : order.slice(0, KNOWN.length) };
}
