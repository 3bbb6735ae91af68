/** The audits as figures: how far the live digests were off, by percentile, over all hours that were recounted. Pure. */

import type { Schemas } from '../../api';

type Audit = Schemas['Audit'];

export interface AuditFigure {
  percentile: string;
  /** Greatest distance in rank, 0 to 1. */
  rankError: number;
  /** Greatest distance, ms. */
  errorMs: number;
}

export interface AuditSummary {
  hours: number;
  series: number;
  samples: number;
  mismatches: number;
  figures: AuditFigure[];
}

/** Sums the audits up; null where none has recounted anything yet. */
export function summaryOf(audits: readonly Audit[]): AuditSummary | null {
  const done = audits.filter(({ samples }) => samples > 0);
  if (done.length === 0) return null;
  const figures = new Map<string, AuditFigure>();
  for (const { percentile, rank_error_max, error_ms_max } of done.flatMap(({ percentiles }) => percentiles)) {
    const known = figures.get(percentile);
    figures.set(percentile, {
      percentile,
      rankError: Math.max(known?.rankError ?? 0, rank_error_max),
      errorMs: Math.max(known?.errorMs ?? 0, error_ms_max),
    });
  }
  const sum = (of: (audit: Audit) => number): number => done.reduce((total, audit) => total + of(audit), 0);
  return {
    hours: done.length,
    series: sum(({ series }) => series),
    samples: sum(({ samples }) => samples),
    mismatches: sum(({ mismatches }) => mismatches),
    figures: [...figures.values()],
  };
}

/** A small figure with two digits that say something. What is not zero never reads as zero. */
export function smallText(value: number): string {
  if (value === 0) return '0';
  return value < 0.000001 ? '< 0.000001' : String(Number(value.toPrecision(2)));
}
