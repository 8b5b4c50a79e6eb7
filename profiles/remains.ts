import { associationsOf, toBeLeft, toBeUndone } from '../lib/associations.ts';
import { traitsOf } from '../lib/engines.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import { type Failure, type Retirement, sentenceOf } from '../lib/state.ts';

/** A retirement that failed, as far as it got. */
export interface FailedRetirement {
  /** The instance as the request names it, or "The instance" if the request cannot be read. */
  readonly name: string;
  readonly retirement: Retirement | null | undefined;
  /** The last failure, which ended the execution. */
  readonly failure: Failure;
  readonly isDeregistered: boolean;
  /** The instance's ledger item: it says which servers still have the node. */
  readonly item: LedgerItem | undefined;
}

/** Why a retirement failed and what is left of the node: for operators. */
export function remainsOf(failed: FailedRetirement): { error: string; cause: string } {
  const failures = failuresOf(failed);
  const sentences = [`${failed.name} ${whatFailed(failed)}:`, ...failures.map(sentenceOf), ...whatIsLeft(failed)];
  return { error: failures[0].Error, cause: sentences.join(' ') };
}

function whatFailed({ retirement }: FailedRetirement): string {
  if (retirement?.status === 'leaving') return 'was not taken off its former servers';
  return retirement?.status === 're-imaging'
    ? 'gets another root volume, and the key of the former one was not retired'
    : 'was not retired';
}

/** Those of the servers that the execution has gone past, and the one that ended it; the first one first. */
function failuresOf({ retirement, failure }: FailedRetirement): [Failure, ...Failure[]] {
  const all: Failure[] = [];
  for (let passed = retirement?.undoing.failures ?? null; passed; passed = passed.before) all.unshift(passed.last);
  const [first = failure, ...others] = all.some((one) => isSame(one, failure)) ? all : [...all, failure];
  return [first, ...others];
}

function isSame(one: Failure, other: Failure): boolean {
  return one.Error === other.Error && one.Cause === other.Cause;
}

function whatIsLeft({ retirement, item, isDeregistered }: FailedRetirement): string[] {
  if (!retirement) return [];
  const associations = item && (retirement.status === 'leaving' ? toBeLeft(item) : toBeUndone(associationsOf(item)));
  const left = (associations ?? []).map(
    ([, { server, nodeName }]) => `the node ${nodeName} on the server ${traitsOf(server).displayName}`,
  );
  if (retirement.register && !isDeregistered) left.push(`the instance in the stack ${retirement.register.stackId}`);
  return left.length === 0
    ? []
    : [
        `Still there: ${left.join(', and ')}. Fix the cause, then start ${retirement.status === 're-imaging' ? 'enrol-node' : 'retire-node again'}.`,
      ];
}
