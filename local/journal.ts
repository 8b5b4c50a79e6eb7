import { EventEmitter } from 'node:events';
import { interpret } from '../events/table.ts';
import { ledgerKey } from '../lib/instance.ts';
import { sentenceOf } from '../lib/state.ts';
import type { AwsEvent } from '../world/eventbridge/aws-event.ts';
import { isForeign } from '../world/eventbridge/rule.ts';
import { ACCOUNT_ID } from '../world/kernel/account.ts';
import type { Delivery } from '../world/services/lambda.ts';
import type { ExecutionView, RecordedEvent } from '../world/states/engine.ts';
import { type Enrolment, type Named, named, namedIn, outcomeOf } from './enrolments.ts';

/** Something that a task answered instead of doing it, so often. */
export interface Refusal {
  readonly error: string;
  /** What it said last. */
  sentence: string;
  times: number;
}

/** One stay in one task state. */
export interface Step {
  readonly state: string;
  attempts: number;
  readonly refusals: Refusal[];
  /** Whether the task was done; one that is left without went on by way of a Catch. */
  isDone: boolean;
  /** World time, in milliseconds since the epoch. */
  readonly enteredAt: number;
  leftAt: number | undefined;
}

/** What became of one instance, as far as one execution tells it, or as far as it got without any. */
export interface Story extends Named {
  readonly kind: 'enrolment' | 'retirement';
  /** undefined when the event was ignored before anything was started. */
  readonly execution: ExecutionView | undefined;
  readonly steps: Step[];
  outcome: Enrolment['outcome'] | 'retired';
  /** Why it failed or was ignored. */
  reason: string | null;
  /** World time, in milliseconds since the epoch. */
  readonly startedAt: number;
  endedAt: number | undefined;
}

interface JournalEvents {
  /** A task was entered, called, refused, done or left. */
  step: [story: Story, step: Step];
  /** A story came to its end. It may be told on, by a redrive. */
  end: [story: Story];
  /** What is to be said of an event that led to no story, in a sentence. */
  note: [sentence: string];
}

/** States that do nothing to a node: an execution that has seen no other may still find it is not needed. */
const LOOKING = ['DescribeInstance', 'ResolveProfile', 'FindEnrolment', 'FinishTermination'];

/**
 * Listens to a world and keeps what became of each instance. Give `hear` to createWorld.
 *
 * An instance is often announced twice: a launch in a hook ends with Launch Successful, which is ignored, or whose
 * execution only finds that there is nothing to do. That is no story of its own.
 */
export class Journal extends EventEmitter<JournalEvents> {
  /** What is to be said of events that led to no story. */
  readonly notes: string[] = [];
  readonly #now: () => number;
  readonly #byExecution = new Map<string, Story>();
  readonly #byInstance = new Map<string, Story[]>();
  #undelivered = 0;
  #running = 0;

  /** @param now the world's time, in milliseconds since the epoch */
  constructor(now: () => number) {
    super();
    this.#now = now;
  }

  /** The listeners that a world takes. */
  get hear() {
    return {
      onEvent: (event: AwsEvent, ruleNames: readonly string[]) => {
        this.#undelivered += ruleNames.length;
        if (ruleNames.length === 0 && isForeign(event))
          this.#note(
            `The event "${event['detail-type']}" ${event.id} is ignored. It is of account ${event.account}, and no rule takes events of another account than ${ACCOUNT_ID}.`,
          );
      },
      onDelivery: (event: AwsEvent, delivery: Delivery) => this.#delivered(event, delivery),
      onHistory: (execution: ExecutionView, event: RecordedEvent) => this.#heard(execution, event),
    };
  }

  /** The one story that counts for each instance, in the order in which the instances came. */
  get stories(): Story[] {
    return [...this.#byInstance.values()].map(countingOf);
  }

  /** Whether the story is the one that counts for its instance, now. */
  counts(story: Story): boolean {
    return countingOf(this.#byInstance.get(keyOf(story)) ?? []) === story;
  }

  /** Whether every event is delivered and nothing runs. */
  get isQuiet(): boolean {
    return this.#undelivered === 0 && this.#running === 0;
  }

  #delivered(event: AwsEvent, delivery: Delivery): void {
    this.#undelivered--;
    const subject = `The event "${event['detail-type']}" ${event.id}`;
    if ('lost' in delivery) {
      const { error, cause = '' } = delivery.lost;
      this.#note(`${subject} is lost. ${error}: ${sentenceOf({ Error: error, Cause: cause })}`);
      return;
    }
    const interpretation = interpret(event);
    if (interpretation.kind === 'ignored') {
      this.#note(`${subject} is ignored. ${interpretation.reason}`);
      return;
    }
    const answers = delivery.answer as readonly { outcome: string; reason?: string }[];
    interpretation.requests.forEach((request, index) => {
      const { outcome, reason = null } = answers[index] ?? {};
      if (outcome === 'ignored') this.#end(this.#open(named(request), interpretation.kind), 'ignored', reason);
    });
  }

  #note(sentence: string): void {
    this.notes.push(sentence);
    this.emit('note', sentence);
  }

  #heard(execution: ExecutionView, event: RecordedEvent): void {
    if (event.type === 'ExecutionStarted') {
      this.#running++;
      if (!isSweep(execution))
        this.#byExecution.set(execution.arn, this.#open(namedIn(execution), kindOf(execution), execution));
    }
    if (isSweep(execution) && ENDED.test(event.type)) this.#running--;
    const story = this.#byExecution.get(execution.arn);
    if (!story) return;
    if (event.type === 'ExecutionRedriven') {
      this.#running++;
      Object.assign(story, { outcome: 'running', reason: null, endedAt: undefined });
    }
    this.#tell(story, event);
    if (ENDED.test(event.type)) {
      this.#running--;
      this.#end(story, endOf(story.kind, execution), reasonOf(execution));
    }
  }

  #tell(story: Story, { type, at, details }: RecordedEvent): void {
    if (type === 'TaskStateEntered') story.steps.push(newStep(details?.name ?? '', at));
    const step = story.steps.at(-1);
    if (!step || step.leftAt !== undefined) return;
    if (type === 'LambdaFunctionScheduled') step.attempts++;
    else if (type === 'LambdaFunctionSucceeded') step.isDone = true;
    else if (/^LambdaFunction(Failed|TimedOut)$/.test(type)) refuse(step, details?.error ?? '', details?.cause ?? '');
    else if (type === 'TaskStateExited') step.leftAt = at;
    else if (type !== 'TaskStateEntered') return;
    this.emit('step', story, step);
  }

  #open(who: Named, kind: Story['kind'], execution?: ExecutionView): Story {
    const story: Story = {
      ...who,
      kind,
      execution,
      steps: [],
      outcome: 'running',
      reason: null,
      startedAt: this.#now(),
      endedAt: undefined,
    };
    const key = keyOf(story);
    this.#byInstance.set(key, [...(this.#byInstance.get(key) ?? []), story]);
    return story;
  }

  #end(story: Story, outcome: Story['outcome'], reason: string | null): void {
    Object.assign(story, { outcome, reason, endedAt: this.#now() });
    const [first] = this.#byInstance.get(keyOf(story)) ?? [];
    if (outcome !== 'ignored' || story === first) this.emit('end', story);
  }
}

const ENDED = /^Execution(Succeeded|Failed|Aborted|TimedOut)$/;

/** A sweep is no instance's story; the executions that it starts are. */
function isSweep({ machine }: ExecutionView): boolean {
  return machine.name.endsWith('-sweep-fleet');
}

function kindOf({ machine }: ExecutionView): Story['kind'] {
  return machine.name.endsWith('-retire-node') ? 'retirement' : 'enrolment';
}

function endOf(kind: Story['kind'], execution: ExecutionView): Story['outcome'] {
  const outcome = outcomeOf(execution);
  if (kind === 'enrolment' || outcome !== 'enrolled') return outcome;
  return execution.stateName === 'Retired' ? 'retired' : 'ignored';
}

function keyOf({ platform, instance, region }: Named): string {
  return ledgerKey({ platform, instanceId: instance, region });
}

function countingOf(told: readonly Story[]): Story {
  return told.findLast(isTold) ?? (told[0] as Story);
}

/** Whether something was done, or tried, for the instance. */
function isTold({ outcome, steps }: Story): boolean {
  if (outcome === 'ignored') return false;
  return outcome === 'failed' || steps.some(({ state }) => !LOOKING.includes(state));
}

function newStep(state: string, enteredAt: number): Step {
  return { state, attempts: 0, refusals: [], isDone: false, enteredAt, leftAt: undefined };
}

function refuse(step: Step, error: string, cause: string): void {
  const sentence = sentenceOf({ Error: error, Cause: cause });
  const known = step.refusals.find((one) => one.error === error);
  if (known) Object.assign(known, { sentence, times: known.times + 1 });
  else step.refusals.push({ error, sentence, times: 1 });
}

function reasonOf({ outcome, status }: ExecutionView): string | null {
  if (status === 'ABORTED') return outcome.cause ?? 'The execution was stopped.';
  if (status !== 'SUCCEEDED') return outcome.cause ?? 'The execution ran out of time.';
  const output = outcome.output as { [task in 'enrolment' | 'retirement']?: { reason?: string | null } } | undefined;
  return output?.enrolment?.reason ?? output?.retirement?.reason ?? null;
}
