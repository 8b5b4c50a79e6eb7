/** How much shorter the SDK's waits between its attempts are. */
const FACTOR = 50;
/** A connection that is not there by then is given up: a time-out, and no wait. */
const CONNECTION_TIMEOUT_MILLISECONDS = 1000;

/**
 * The SDK waits between its attempts by the process's own timers, while the world's clock stands still: in days of outages
 * that alone would take hours. For this process only.
 */
export function shortenBackoff(): void {
  const { setTimeout: original } = globalThis;
  const shortened = (callback: (...given: unknown[]) => void, delay = 0, ...given: unknown[]) =>
    original(callback, delay === CONNECTION_TIMEOUT_MILLISECONDS ? delay : delay / FACTOR, ...given);
  globalThis.setTimeout = Object.assign(shortened, original) as typeof setTimeout;
}
