import type { Json } from './json.ts';

/** The most events that a Standard execution may have. */
export const EVENT_LIMIT = 25_000;

/** What an event tells. Data are references to what the execution itself holds; they become text when asked for. */
export interface EventDetails {
  readonly name?: string;
  readonly input?: Json;
  readonly output?: Json;
  readonly parameters?: Json;
  readonly error?: string | undefined;
  readonly cause?: string | undefined;
  readonly resource?: string;
  readonly resourceType?: string;
  readonly region?: string;
  readonly timeoutInSeconds?: number | undefined;
  readonly roleArn?: string;
  readonly redriveCount?: number;
}

/** An event as it is kept. */
export interface RecordedEvent {
  readonly id: number;
  /** The service's event type, such as `TaskStateEntered`. */
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly details: EventDetails | undefined;
}

/** An event as GetExecutionHistory answers it: the details stand under a key that follows from the type. */
export interface HistoryEvent {
  readonly id: number;
  readonly previousEventId: number;
  readonly timestamp: Date;
  readonly type: string;
  readonly [details: `${string}EventDetails`]: Readonly<Record<string, unknown>>;
}

const TEXTS = ['input', 'output', 'parameters'] as const;

/** @param withData whether inputs, outputs and parameters are included */
export function toHistoryEvent(event: RecordedEvent, withData = true): HistoryEvent {
  const { id, type, at, details } = event;
  const shown = { id, previousEventId: previousEventId(event), timestamp: new Date(at), type };
  return details ? { ...shown, [detailsKey(type)]: showDetails(details, withData) } : shown;
}

/** On one path an event follows from the one before it, save the first two and an end that comes from outside. */
function previousEventId({ id, type }: RecordedEvent): number {
  return id <= 2 || type === 'ExecutionAborted' || type === 'ExecutionTimedOut' ? 0 : id - 1;
}

function detailsKey(type: string): `${string}EventDetails` {
  const state = /State(Entered|Exited)$/.exec(type);
  return state ? `state${state[1]}EventDetails` : `${type.charAt(0).toLowerCase()}${type.slice(1)}EventDetails`;
}

function showDetails(details: EventDetails, withData: boolean): Record<string, unknown> {
  const shown: Record<string, unknown> = { ...details };
  for (const key of TEXTS) {
    if (details[key] === undefined) continue;
    if (withData) shown[key] = JSON.stringify(details[key]);
    else delete shown[key];
    if (key !== 'parameters') shown[`${key}Details`] = { truncated: false };
  }
  for (const key of Object.keys(shown)) if (shown[key] === undefined) delete shown[key];
  return shown;
}
