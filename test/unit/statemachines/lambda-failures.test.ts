import { describe, expect, it } from 'vitest';
import { readDeployment } from '../../../local/deployment.ts';
import { WorldClock } from '../../../world/kernel/clock.ts';
import { StateMachines, TaskFailure } from '../../../world/states/engine.ts';

/** What each task answers: all of its fields that the Choice states ask for. */
const ANSWERS: Readonly<Record<string, unknown>> = {
  FindEnrolment: {
    ...{ status: 'retiring', wasRunning: false, deadline: '2031-05-07T00:00:00.000Z', register: {} },
    ...{ undoing: { left: [{}], failures: null }, wants: { deregistration: true } },
  },
  DisassociateNode: { statusToken: 'token' },
  ConfirmDisassociation: [],
  DeregisterInstance: { absentSince: null },
  ReportRemains: { error: 'Left', cause: 'Something is left.' },
  Sweep: { failure: null },
  Watch: { isToBeRepeated: false },
};

interface Definition {
  readonly States: Readonly<Record<string, { readonly Type: string }>>;
}

const machines = readDeployment().stateMachines.flatMap(({ name, definition }) => {
  if (name.endsWith('enrol-node')) return [];
  const tasks = Object.entries((definition as Definition).States).filter(([, { Type }]) => Type === 'Task');
  return tasks.map(([task]) => [name.replace('muster-dev-', ''), task, definition] as const);
});

/** Plays a machine; `fail` names the error of a task's attempt, if it fails. */
async function play(definition: unknown, fail: (task: string, attempt: number) => string | undefined) {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: new Date('2031-05-06T07:08:09Z') });
  const attempts: Record<string, number> = {};
  const world = new StateMachines({
    clock,
    random: () => 0.5,
    invokeTask: async ({ stateName }) => {
      attempts[stateName] = (attempts[stateName] ?? 0) + 1;
      const error = fail(stateName, attempts[stateName]);
      if (error !== undefined) throw new TaskFailure(error, '{}');
      return ANSWERS[stateName] ?? {};
    },
  });
  const { arn } = world.start({ stateMachineArn: world.create({ name: 'machine', definition }), input: '{}' });
  await clock.run();
  return { execution: world.execution(arn), attempts };
}

describe.each(machines)('%s: what Lambda raises about itself in %s', (_machine, task, definition) => {
  // Something is left to report only where the server itself refuses.
  const ofServer = (state: string) =>
    task === 'ReportRemains' && state === 'DisassociateNode' ? 'ServerNotFound' : undefined;

  it.each(['Lambda.Unknown', 'Lambda.NameOfNextYear', 'Sandbox.NameOfNextYear', 'Runtime.ExitError'])(
    'is waited out: %s',
    async (error) => {
      const { execution, attempts } = await play(definition, (state, attempt) =>
        state === task && attempt <= 3 ? error : ofServer(state),
      );
      expect(attempts[task]).toBeGreaterThan(3);
      expect(execution?.outcome.error).toBe(task === 'ReportRemains' ? 'Left' : undefined);
      expect(execution?.status).toBe(task === 'ReportRemains' ? 'FAILED' : 'SUCCEEDED');
    },
  );
});

describe('a server that takes a request and forgets it each time', () => {
  it('is asked until the patience is over, and what is left is reported then', async () => {
    const definition = machines.find(([, task]) => task === 'ConfirmDisassociation')?.[2];
    let asked = 0;
    const { execution } = await play(definition, (state) => {
      if (state === 'DisassociateNode') asked += 1;
      // As lib/task.ts does where the deadline is over.
      if (state === 'DisassociateNode' && asked > 50) return 'DeadlinePassed';
      return state === 'ConfirmDisassociation' ? 'ServerNotReady' : undefined;
    });
    expect(execution?.outcome).toMatchObject({ error: 'Left' });
    expect(asked).toBe(51);
  });
});
