const opened: (() => void)[] = [];

/** Calls `close` once the running test has ended. */
export function closeAfterTest(close: () => void): void {
  opened.push(close);
}

export function closeOpened(): void {
  for (const close of opened.splice(0)) close();
}
