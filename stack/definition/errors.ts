import { NEVER, NOT_YET } from '../../lib/errors.ts';
import { nearest } from '../../lib/wording.ts';
import type { Path } from '../template/source.ts';
import type { Scope, StateFault } from './scopes.ts';

/** What Lambda and Step Functions call their own failures, as far as a task can meet them. */
const SERVICE_ERRORS = [
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.TooManyRequestsException',
  'Lambda.Unknown',
  'Sandbox.Timedout',
  'States.Timeout',
  'States.TaskFailed',
  'States.Permissions',
];

const KNOWN_ERRORS: readonly string[] = [...NOT_YET, ...NEVER, ...SERVICE_ERRORS, 'States.ALL'];

/** The errors that a state names, each where it does. */
export function nameFaults({ at, States }: Scope): StateFault[] {
  return Object.entries(States).flatMap(([name, state]) => {
    const rules = [...named(state.Retry, 'Retry'), ...named(state.Catch, 'Catch')];
    const wrong = [...rules, ...compared(state, [])].filter(({ error }) => !KNOWN_ERRORS.includes(error));
    return wrong.map(({ error, by }) => {
      const meant = nearest(error, KNOWN_ERRORS);
      const how = meant ? `write ${meant}` : 'correct it, or add it to lib/errors.ts';
      return {
        at: [...at, 'States', name, ...by],
        name,
        fault: `names ${error}, which is no known error: ${how}`,
      };
    });
  });
}

interface Named {
  readonly error: string;
  readonly by: Path;
}

function named(rules: readonly { ErrorEquals: string[] }[], field: string): Named[] {
  return rules.flatMap(({ ErrorEquals }, index) =>
    ErrorEquals.map((error, nth) => ({ error, by: [field, index, 'ErrorEquals', nth] })),
  );
}

/** A Choice may ask which error it was. */
function compared(value: unknown, by: Path): Named[] {
  if (typeof value !== 'object' || value === null) return [];
  const { Variable = '', StringEquals: error } = value as { Variable?: unknown; StringEquals?: unknown };
  const own = String(Variable).endsWith('.Error') && typeof error === 'string';
  const below = Object.entries(value).flatMap(([key, part]) => compared(part, [...by, key]));
  return own ? [{ error, by: [...by, 'StringEquals'] }, ...below] : below;
}
