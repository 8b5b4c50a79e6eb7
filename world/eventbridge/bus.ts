import { ACCOUNT_ID, REGION } from '../kernel/account.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Random } from '../kernel/random.ts';
import { pageBySerial } from '../services/paging/serial-page.ts';
import { ServiceError, type ServiceOf } from '../wire/service.ts';
import { type AwsEvent, awsEvent, isoSeconds } from './aws-event.ts';
import { compilePattern, UnsupportedPattern } from './event-pattern.ts';
import { compileRule } from './rule.ts';

/** A rule of the default bus: where an event goes whose shape fits the pattern. */
export interface EventRule {
  readonly name: string;
  /** EventBridge's grammar: `event-pattern.ts`. */
  readonly pattern: unknown;
  /** Takes the event, and handles its own failures: the bus has no caller to report to. */
  readonly target: (event: AwsEvent) => void | Promise<void>;
}

export interface EventBusOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly rules: readonly EventRule[];
  /** Called with every event, and the names of the rules that matched it. */
  readonly onEvent?: (event: AwsEvent, ruleNames: readonly string[]) => void;
}

interface LoadedRule extends EventRule {
  readonly serial: number;
  readonly matches: (event: AwsEvent) => boolean;
}

interface Entry {
  Time?: Date;
  Source?: string;
  Resources?: string[];
  DetailType?: string;
  Detail?: string;
  EventBusName?: string;
}

type EntryResult = { EventId: string } | { ErrorCode: string; ErrorMessage: string };

const BUS_NAME = 'default';
const BUS_ARN = `arn:aws:events:${REGION}:${ACCOUNT_ID}:event-bus/${BUS_NAME}`;
const REQUEST_LIMIT_BYTES = 256 * 1024;
/** What EventBridge counts for an entry's Time. */
const TIME_BYTES = 14;

/**
 * Amazon EventBridge's default bus. Every matching rule's target gets the event at once, and once.
 * https://docs.aws.amazon.com/eventbridge/latest/APIReference/
 *
 * One difference: AWS refuses entries whose source begins with `aws.` (NotAuthorizedForSourceException). Here they are
 * taken, so that any AWS client can play a launch.
 */
export class EventBus {
  readonly service: ServiceOf<'events'>;
  readonly #options: EventBusOptions;
  readonly #rules: readonly LoadedRule[];

  /** @throws UnsupportedPattern, naming the rule */
  constructor(options: EventBusOptions) {
    this.#options = options;
    this.#rules = options.rules.map((rule, index) => ({ ...rule, serial: index + 1, matches: compile(rule) }));
    this.service = {
      name: 'events',
      operations: {
        PutEvents: (input: { Entries: Entry[] }) => this.#putEvents(input.Entries),
        ListRules: (input: ListRulesInput) => this.#listRules(input),
        DescribeRule: (input: { Name: string; EventBusName?: string }) => this.#describeRule(input),
        TestEventPattern: testEventPattern,
      },
    };
  }

  /** Takes a complete event, as the AWS services emit them, and answers with the names of the rules that match. */
  deliver(event: AwsEvent): string[] {
    const matching = this.#rules.filter((rule) => rule.matches(event));
    const names = matching.map((rule) => rule.name);
    this.#options.onEvent?.(event, names);
    for (const rule of matching) void rule.target(event);
    return names;
  }

  #putEvents(entries: readonly Entry[]): { FailedEntryCount: number; Entries: EntryResult[] } {
    if (entries.reduce((sum, entry) => sum + sizeOf(entry), 0) > REQUEST_LIMIT_BYTES) {
      throw new ServiceError('ValidationException', 'Total size of the entries in the request is over the limit.');
    }
    for (const { EventBusName } of entries) requireDefaultBus(EventBusName);
    const results = entries.map((entry) => this.#putEvent(entry));
    return { FailedEntryCount: results.filter((result) => 'ErrorCode' in result).length, Entries: results };
  }

  #putEvent({ Time, Source, Resources = [], DetailType, Detail }: Entry): EntryResult {
    if (!Source) return missing('Source');
    if (!DetailType) return missing('DetailType');
    if (!Detail) return missing('Detail');
    const detail = jsonObject(Detail);
    if (!detail) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
    const content = { source: Source, 'detail-type': DetailType, resources: Resources, detail };
    const event = awsEvent(content, this.#options);
    this.deliver(Time ? { ...event, time: isoSeconds(Time.getTime()) } : event);
    return { EventId: event.id };
  }

  #listRules({ NamePrefix = '', EventBusName, NextToken, Limit = 100 }: ListRulesInput) {
    requireDefaultBus(EventBusName);
    const found = this.#rules.filter((rule) => rule.name.startsWith(NamePrefix));
    const refuse = () => new ServiceError('ValidationException', 'The token that you provided is not valid.');
    const { items, nextToken } = pageBySerial(found, Limit, NextToken, refuse);
    return { Rules: items.map(described), NextToken: nextToken };
  }

  #describeRule({ Name, EventBusName }: { Name: string; EventBusName?: string }) {
    requireDefaultBus(EventBusName);
    const rule = this.#rules.find((candidate) => candidate.name === Name);
    if (rule) return described(rule);
    throw new ServiceError('ResourceNotFoundException', `Rule ${Name} does not exist on EventBus ${BUS_NAME}.`);
  }
}

interface ListRulesInput {
  NamePrefix?: string;
  EventBusName?: string;
  NextToken?: string;
  Limit?: number;
}

function compile(rule: EventRule): (event: AwsEvent) => boolean {
  try {
    return compileRule(rule.pattern);
  } catch (error) {
    if (error instanceof UnsupportedPattern) error.message = `Rule ${rule.name}: ${error.message}`;
    throw error;
  }
}

function sizeOf({ Time, Source = '', Resources = [], DetailType = '', Detail = '' }: Entry): number {
  const texts = [Source, DetailType, Detail, ...Resources];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), Time ? TIME_BYTES : 0);
}

function requireDefaultBus(name = BUS_NAME): void {
  if (name === BUS_NAME || name === BUS_ARN) return;
  throw new ServiceError('ResourceNotFoundException', `Event bus ${name} does not exist.`);
}

function missing(member: string): EntryResult {
  const reason = `Parameter ${member} is not valid. Reason: ${member} is a required argument.`;
  return { ErrorCode: 'InvalidArgument', ErrorMessage: reason };
}

function described({ name, pattern }: EventRule) {
  return {
    Name: name,
    Arn: `arn:aws:events:${REGION}:${ACCOUNT_ID}:rule/${name}`,
    EventPattern: JSON.stringify(pattern),
    State: 'ENABLED' as const,
    EventBusName: BUS_NAME,
  };
}

const ENVELOPE = ['id', 'account', 'source', 'time', 'region', 'resources', 'detail-type'];

function testEventPattern({ EventPattern, Event }: { EventPattern: string; Event: string }): { Result: boolean } {
  const event = jsonObject(Event);
  if (!event)
    throw new ServiceError('ValidationException', 'Parameter Event is not valid. Reason: it is no JSON object.');
  const absent = ENVELOPE.find((field) => event[field] === undefined);
  if (absent) {
    throw new ServiceError(
      'ValidationException',
      `Parameter Event is not valid. Reason: ${absent} is a required argument.`,
    );
  }
  const pattern = jsonObject(EventPattern);
  if (!pattern) throw invalidPattern('Event pattern is not valid. Reason: it is no JSON object.');
  try {
    return { Result: compilePattern(pattern)(event) };
  } catch (error) {
    throw error instanceof UnsupportedPattern ? invalidPattern(error.message) : error;
  }
}

function invalidPattern(sentence: string): ServiceError {
  return new ServiceError('InvalidEventPatternException', sentence);
}

function jsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined; // The caller refuses what is no JSON in its own words.
  }
}
