/** Of the metrics that our functions write; docs/metrics.md says what each is for. */
export const NAMESPACE = 'cloudping';
