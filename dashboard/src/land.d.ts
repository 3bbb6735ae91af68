/** What `vite.land.ts` makes. */
declare module 'virtual:land' {
  const text: string;
  export default text;
}
