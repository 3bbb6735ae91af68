/** Runs a task now and again, but only while the page is seen. */

/**
 * Runs `task` at once, and again `period` ms after each run has ended. While the page is hidden the next
 * run waits until it is shown. Returns the function that stops it and aborts the run under way.
 */
export function repeat(task: (signal: AbortSignal) => Promise<void>, period: number): () => void {
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const run = async (): Promise<void> => {
    if (document.hidden) {
      document.addEventListener('visibilitychange', () => void run(), { once: true, signal: abort.signal });
      return;
    }
    await task(abort.signal);
    if (!abort.signal.aborted) timer = setTimeout(() => void run(), period);
  };

  void run();
  return () => {
    abort.abort();
    clearTimeout(timer);
  };
}
