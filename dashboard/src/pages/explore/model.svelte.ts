/** The statement that runs, and what came of the last ones, as reactive state. */

import { ApiError, isAbort } from '../../api';
import { askWhyEmpty } from './empty';
import { run, SCHEMA_QUERY, tablesOf, type Result, type Table } from './sql';

export class Explorer {
  /** The last answer; it stays while another statement runs, or fails. */
  result = $state.raw<Result | null>(null);
  /** The statement that the answer is of. */
  answered = $state('');
  /** Why the answer has no rows, where that is known. */
  why = $state<string | null>(null);
  /** Why the last statement failed, and which it was; null if it did not. */
  failure = $state.raw<{ message: string; query: string } | null>(null);
  cancelled = $state(false);
  /** When the statement under way was sent, Unix ms by this machine's clock; null while none is. */
  startedAt = $state<number | null>(null);
  /** How long the last answer took until it was here, ms. */
  took = $state(0);
  tables = $state.raw<Table[] | null>(null);
  tablesError = $state<string | null>(null);
  #abort: AbortController | null = null;

  async run(query: string): Promise<void> {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    this.startedAt = Date.now();
    const start = performance.now();
    this.failure = null;
    this.cancelled = false;
    try {
      const result = await run(query, abort.signal);
      if (abort.signal.aborted) return;
      this.result = result;
      this.answered = query;
      this.took = performance.now() - start;
      this.why = null;
      if (result.row_count === 0) void this.#explain(query, abort.signal);
    } catch (error) {
      if (isAbort(error) || abort.signal.aborted) return;
      this.failure = { message: error instanceof Error ? error.message : String(error), query };
    }
    this.startedAt = null;
  }

  /** Finds out why there are no rows, and does without where that cannot be had. */
  async #explain(query: string, signal: AbortSignal): Promise<void> {
    const why = await askWhyEmpty(query, signal).catch(() => null);
    if (!signal.aborted) this.why = why;
  }

  /** Ends the statement under way: the service stops when its client leaves. */
  cancel(): void {
    this.#abort?.abort();
    this.cancelled = this.startedAt !== null;
    this.startedAt = null;
  }

  /** Asks which tables there are, once. */
  async loadTables(): Promise<void> {
    try {
      this.tables = tablesOf(await run(SCHEMA_QUERY, new AbortController().signal));
      this.tablesError = null;
    } catch (error) {
      this.tablesError = error instanceof ApiError ? error.message : String(error);
    }
  }
}
