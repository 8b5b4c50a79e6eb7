import { ACCOUNT_ID, REGION } from '../kernel/account.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Random } from '../kernel/random.ts';
import { uuid } from '../kernel/uuid.ts';

/** An event as EventBridge delivers it: the complete envelope. Keys that EventBridge writes with a hyphen keep it. */
export interface AwsEvent {
  readonly version: '0';
  /** A UUID; the same for every delivery of the event. */
  readonly id: string;
  readonly 'detail-type': string;
  readonly source: string;
  readonly account: string;
  /** An ISO instant in UTC, to the second. */
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Hands an event to the bus. It never answers: a service does not learn who listened. */
export type Emit = (event: AwsEvent) => void;

/** Puts the envelope around what a service has to say. */
export function awsEvent(
  content: Pick<AwsEvent, 'source' | 'detail-type' | 'resources' | 'detail'>,
  origin: { clock: Clock; random: Random },
  region = REGION,
): AwsEvent {
  return {
    version: '0',
    id: uuid(origin.random),
    'detail-type': content['detail-type'],
    source: content.source,
    account: ACCOUNT_ID,
    time: isoSeconds(origin.clock.now()),
    region,
    resources: content.resources,
    detail: content.detail,
  };
}

/** An instant (milliseconds since the epoch) as AWS writes it in an envelope: `2031-05-06T07:08:09Z`. */
export function isoSeconds(instant: number): string {
  return `${new Date(instant).toISOString().slice(0, 19)}Z`;
}
