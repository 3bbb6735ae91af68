/** What `vite.land.ts` makes. */
declare module 'virtual:land' {
  export const steps: number;
  export const polygons: readonly (readonly (readonly number[])[])[];
}
