import type { AwsEvent } from '../../world/eventbridge/aws-event.ts';
import type { ExecutionView } from '../../world/states/engine.ts';
import type { ApiCall } from '../../world/wire/apis.ts';

/** An EC2 instance id, or the name of one of the soak's Lightsail instances. */
const INSTANCE = /\b(?:i-[0-9a-f]{17}|(?:site|plain|foreign)-\d+)\b/g;
const FIRST_LINES = 20;
const LAST_LINES = 40;
/** How far back to include weather, in milliseconds. */
const BEFORE = 10 * 60_000;

interface Line {
  /** Milliseconds since the epoch. */
  readonly instant: number;
  readonly text: string;
}

/** What happened to each instance, in short lines: events, executions, and calls that changed something or were refused. */
export class History {
  readonly #now: () => number;
  readonly #lines = new Map<string, Line[]>();
  readonly #weather: Line[] = [];
  /** How often the event "Instance Re-imaged" was sent. */
  reImaged = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(instance: string, text: string): void {
    const lines = this.#lines.get(instance) ?? [];
    this.#lines.set(instance, lines);
    lines.push({ instant: this.#now(), text });
  }

  weather(text: string): void {
    this.#weather.push({ instant: this.#now(), text: `weather: ${text}` });
  }

  event({ source, 'detail-type': type, detail }: AwsEvent): void {
    if (type === 'Instance Re-imaged') this.reImaged++;
    const { eventName, action, error } = detail as Record<string, unknown>;
    const what = [type, eventName, action, error].filter((part) => part !== undefined);
    for (const instance of namedIn(detail)) this.add(instance, `event (${source}): ${what.join(', ')}`);
  }

  execution({ machine, name, inputText, status, outcome, stateName }: ExecutionView): void {
    const what = status === 'RUNNING' ? 'starts' : `ends ${status} in ${stateName}`;
    const why = outcome.error ? `: ${outcome.error}, ${outcome.cause}` : '';
    for (const instance of namedIn(JSON.parse(inputText)))
      this.add(instance, `${machine.name.replace('muster-dev-', '')} ${name.slice(0, 60)} ${what}${why}`);
  }

  call({ service, operation, input, error }: ApiCall): void {
    if (service === 'dynamodb' || service === 's3' || service === 'events') return;
    if (/^(Describe|Get|List|Batch)/.test(operation) && !error) return;
    const what = `${service}.${operation}${error ? ` refused: ${error.code}` : ''}`;
    for (const instance of namedIn(input)) this.add(instance, what);
  }

  /** The instance's first and last lines, and the weather shortly before each. */
  of(instance: string): string[] {
    const all = this.#lines.get(instance) ?? [];
    const lines = all.filter((_, index) => index < FIRST_LINES || index >= all.length - LAST_LINES);
    const around = this.#weather.filter(({ instant }) =>
      lines.some((line) => instant <= line.instant && instant > line.instant - BEFORE),
    );
    return [...lines, ...around].sort((one, other) => one.instant - other.instant).map(written);
  }
}

function written({ instant, text }: Line): string {
  return `${new Date(instant).toISOString().slice(5, 19)}  ${text}`;
}

function namedIn(value: unknown): Set<string> {
  return new Set(JSON.stringify(value ?? null).match(INSTANCE));
}
