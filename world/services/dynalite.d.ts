declare module 'dynalite' {
  import type { EventEmitter } from 'node:events';

  /** A DynamoDB as an HTTP server. The delays, in milliseconds, run on real timers. */
  export default function dynalite(options: {
    createTableMs: number;
    deleteTableMs: number;
    updateTableMs: number;
  }): EventEmitter;
}
