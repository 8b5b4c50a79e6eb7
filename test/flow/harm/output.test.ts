import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { toHistoryEvent } from '../../../world/states/history.ts';
import { sampled } from '../../support/size.ts';
import { ledgerOfInstances, outcomes, type Played, playWorld, untilOneEnded } from '../../support/world.ts';

const PEM = String(
  generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
);
const NASTY = '\u001b[2J\u001b[31mred\u001b[0m\r\nsecond\u0000 line \u202eesrever\u200b\u2028third';

const OUTPUTS: [what: string, printed: string][] = [
  ['a terminal’s control sequences, line breaks and invisible characters', NASTY],
  ['a private key', `key:\n${PEM}`],
  ['a private key that is cut off', `key:\n${PEM.slice(0, 900)}`],
  ['a private key without line breaks', `key: ${PEM.replaceAll('\n', '')}`],
  ['the body of a private key', `key: ${PEM.split('\n').slice(1, -2).join('\n')}`],
];

/** Whatever an operator may read of it: history, ledger, events, logs, the answer for the terminal. */
async function readable(world: Played): Promise<[where: string, text: string][]> {
  const strings: [string, string][] = [];
  const collect = (where: string, value: unknown): void => {
    if (typeof value === 'string') strings.push([where, value]);
    else if (value && typeof value === 'object')
      for (const [key, one] of Object.entries(value)) collect(`${where}.${key}`, one);
  };
  collect('ledger', await ledgerOfInstances(world));
  collect('event', outcomes(world));
  collect('log', world.logs);
  for (const execution of world.machines.executions()) {
    collect('execution', { ...execution.outcome });
    const failures = execution.events.map((event) => toHistoryEvent(event)).filter(({ type }) => /Failed$/.test(type));
    collect('history', failures);
  }
  return strings;
}

async function expectHarmless(world: Played): Promise<void> {
  const key = PEM.replaceAll('\n', '');
  for (const [where, text] of await readable(world)) {
    // The cause of a failure is Lambda's JSON, whose stack trace has a line a frame.
    expect(text, where).not.toMatch(/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u);
    for (const run of text.match(/[A-Za-z0-9+/]{40,}/g) ?? [])
      expect(key.includes(run), `${where}: ${run}`).toBe(false);
    expect(text, where).not.toMatch(/BEGIN|\\u001b/);
  }
}

describe.each(OUTPUTS)('%s', (_what, text) => {
  it.each(sampled(['Muster-CollectIdentity-dev', 'Muster-InstallCredentials-dev'], 1))(
    'on stderr of %s reaches nobody as it is',
    async (documentName) => {
      const world = await playWorld();
      world.systemsManager.disturb({ documentName, outcome: { stdout: '', stderr: text, exitCode: 1 } });
      world.autoScaling.launch('database', 1);
      const { cause } = await untilOneEnded(world);
      expect(cause).toMatch(/printed "[^"]+"\./);
      await expectHarmless(world);
    },
  );

  it.each(
    sampled(
      [
        ['opsworks', 'RegisterInstance', 'ValidationException', 'web'],
        ['opsworks-cm', 'AssociateNode', 'ValidationException', 'web'],
        ['opsworks-cm', 'AssociateNode', 'ResourceNotFoundException', 'web'],
        ['opsworks', 'AssignInstance', 'ValidationException', 'web'],
        ['ec2', 'DescribeInstances', 'SomethingNewException', 'web'],
        ['ssm', 'SendCommand', 'InvalidParameters', 'database'],
        ['autoscaling', 'CompleteLifecycleAction', 'ValidationError', 'web'],
      ],
      2,
    ),
  )(
    'in the message with which %s refuses %s (%s) reaches nobody as it is',
    async (service, operation, error, group) => {
      const world = await playWorld();
      world.faults.set([{ service, operation, error, message: text }]);
      world.autoScaling.launch(group, 1);
      expect(await untilOneEnded(world)).toMatchObject({ outcome: 'failed' });
      await expectHarmless(world);
    },
  );
});
