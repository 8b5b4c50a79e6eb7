import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { BINDING_ATTRIBUTES } from '../../lib/ledger-item.ts';
import { nameOfState, readFunctions } from '../../resources/functions.ts';
import { readGenerated } from '../../resources/service.ts';
import { statementsOf } from '../../stack/permissions/policy.ts';
import { isLike } from '../../stack/template/values.ts';
import type { ApiCall } from '../../world/wire/apis.ts';
import { atRest, deploy, HOUR, sweep } from '../support/sweeps.ts';
import { callsOfHandlers, type Played, playWorld, startByHand, untilEnded } from '../support/world.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { table } = readFunctions(root);
const roles = new Map(
  // The profiles' own policies say nothing of the ledger or of events.
  Object.entries(readGenerated(root, { commandTargets: [], hardeningTargets: [] }).resources.Resources)
    .filter(([name]) => name.endsWith('Role'))
    .map(([name, body]) => [
      nameOfState(name.replace(/Role$/, '')),
      statementsOf(z.object({ Properties: z.unknown() }).parse(body).Properties),
    ]),
);

const DynamoDbInput = z.looseObject({
  Key: z.object({ instance: z.object({ S: z.string() }) }).optional(),
  Item: z.looseObject({ instance: z.object({ S: z.string() }) }).optional(),
  ExpressionAttributeNames: z.record(z.string(), z.string()).default({}),
});
const PutEventsInput = z.object({ Entries: z.array(z.object({ Source: z.string(), DetailType: z.string() })) });

const BY_THE_TEST = { requestId: 'by-the-test' };

/** A call as IAM sees it: its action, and the condition keys that our policies look at. */
interface Seen {
  readonly functionName: string;
  readonly action: string;
  readonly keys: Readonly<Record<string, readonly string[]>>;
}

function seenOf(functionName: string, { service, operation, input }: ApiCall): Seen[] {
  const action = `${service}:${operation}`;
  if (service === 'events')
    return PutEventsInput.parse(input).Entries.map(({ Source, DetailType }) => {
      return { functionName, action, keys: { 'events:source': [Source], 'events:detail-type': [DetailType] } };
    });
  if (service !== 'dynamodb') return [];
  const { Key, Item, ExpressionAttributeNames } = DynamoDbInput.parse(input);
  const instance = (Key ?? Item)?.instance.S;
  const attributes = [...Object.keys(Item ?? {}), ...Object.values(ExpressionAttributeNames)];
  const leading = instance === undefined ? {} : { 'dynamodb:LeadingKeys': [instance] };
  return [{ functionName, action, keys: { ...leading, 'dynamodb:Attributes': attributes } }];
}

/** As IAM decides: a Deny wins, and something must allow. Conditions on other keys hold. */
function isPermitted({ functionName, action, keys }: Seen): boolean {
  const statements = roles.get(functionName) ?? [];
  if (!Array.isArray(statements)) throw new Error(`${functionName} ${statements}`);
  const matching = statements.filter(({ Action, Condition }) => {
    return Action.includes(action) && Object.entries(Condition).every(([operator, tests]) => holds(operator, tests));
  });
  return matching.some(({ Effect }) => Effect === 'Allow') && !matching.some(({ Effect }) => Effect === 'Deny');

  function holds(operator: string, tests: Readonly<Record<string, readonly string[]>>): boolean {
    return Object.entries(tests).every(([key, values]) => {
      const given = keys[key] ?? [];
      const isOne = (value: string) => values.some((pattern) => isLike(value, pattern));
      if (key === 'lambda:SourceFunctionArn') return true;
      if (operator === 'Null') return values.join() === String(given.length === 0);
      return operator.startsWith('ForAllValues:') ? given.every(isOne) : given.some(isOne);
    });
  }
}

/** Enrolments of every way, one that fails, a hardening that is put back, retirements, a name given again, a move, sweeps. */
async function playLives(): Promise<Seen[]> {
  const functionNames = new Map<string, string>();
  const world = await playWorld();
  world.lambda.interceptor = ({ requestId, functionName }, next) => {
    functionNames.set(requestId, functionName.replace('muster-dev-', ''));
    return next();
  };
  await playOn(world);
  return callsOfHandlers(world).flatMap((call) => {
    const name = functionNames.get(call.invocationId ?? '');
    return name === undefined ? [] : seenOf(name, call);
  });
}

async function playOn(world: Played): Promise<void> {
  const [retired = ''] = world.autoScaling.launch('web', 1);
  world.autoScaling.launch('database', 1);
  void world.lightsail.createInstances(
    { instanceNames: ['blog'], availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' },
    BY_THE_TEST,
  );
  world.autoScaling.launch('batch-nightly', 1);
  await world.clock.advance(HOUR);
  world.faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error: 'ValidationException' }]);
  world.autoScaling.launch('web', 1);
  await world.clock.advance(HOUR);
  world.faults.set([]);
  world.autoScaling.terminate(retired, true);
  void world.lightsail.deleteInstance({ instanceName: 'blog' }, BY_THE_TEST);
  await world.clock.advance(HOUR);
  await world.lambda.invoke('muster-dev-revert-metadata', { lightsailInstanceName: 'blog' }).catch(() => undefined);
  await giveNameAgain(world);
  await moveToAnotherServer(world);
  await sweep(world);
  await atRest(world);
  await untilEnded(world, world.machines.executions().length);
}

/** Its former instance's deletion is not announced, so that the enrolment of the new one starts the retirement. */
async function giveNameAgain(world: Played): Promise<void> {
  const image = { availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' };
  void world.lightsail.createInstances({ instanceNames: ['shop'], ...image }, BY_THE_TEST);
  await world.clock.advance(HOUR);
  const { interceptor } = world.lambda;
  world.lambda.interceptor = async (invocation, next) =>
    invocation.functionName === 'muster-dev-start-retirement' ? null : interceptor(invocation, next);
  void world.lightsail.deleteInstance({ instanceName: 'shop' }, BY_THE_TEST);
  await world.clock.advance(120_000);
  void world.lightsail.createInstances({ instanceNames: ['shop'], ...image }, BY_THE_TEST);
  await world.clock.advance(HOUR);
  world.lambda.interceptor = interceptor;
}

async function moveToAnotherServer(world: Played): Promise<void> {
  const [instanceId] = world.autoScaling.launch('web', 1);
  await world.clock.advance(HOUR);
  deploy((file) => {
    const server = { engine: 'opsworks-cm', serverName: 'PuppetServer', serverEngine: 'Puppet' } as const;
    Object.assign(file.profiles[0] ?? {}, { associate: server });
  });
  startByHand(world, { instanceId });
  await world.clock.advance(HOUR);
}

describe('whole lives of instances', () => {
  it('write to the ledger and the event bus what the roles permit, and nothing else', async () => {
    const seen = await playLives();
    expect(seen.filter((one) => !isPermitted(one))).toEqual([]);

    const writers = new Set(
      seen.filter(({ action }) => /:(Update|Put|Delete)/.test(action)).map(({ functionName }) => functionName),
    );
    for (const name of [
      'resolve-profile',
      'associate-node',
      'finish-launch',
      'report-failure',
      'find-enrolment',
      'forget-node',
      'start-enrolment',
      'start-retirement',
      'leave-former-servers',
      'disassociate-node',
      'confirm-disassociation',
    ])
      expect(writers).toContain(name);
    // A grant that no life uses is one too many: the two that claim write a binding in special cases only.
    const binders = Object.entries(table)
      .filter(([, { binds }]) => binds.length > 0)
      .map(([name]) => name);
    const touched = seen.filter(
      ({ action, keys }) => action === 'dynamodb:UpdateItem' && keys['dynamodb:Attributes']?.some(isBinding),
    );
    const idle = binders.filter((name) => !touched.some(({ functionName }) => functionName === name));
    expect(idle.filter((name) => !['resolve-profile', 'find-enrolment', 'take-identity'].includes(name))).toEqual([]);
  });

  it.each([
    ['sweep', 'publicKeyFingerprint'],
    ['finish-launch', 'associations'],
    ['collect-identity', 'associations'],
    ['associate-node', 'publicKeyFingerprint'],
    ['collect-identity', 'holder'],
    ['sweep', 'holder'],
  ])('would be refused where %s wrote %s', (functionName, attribute) => {
    const keys = { 'dynamodb:LeadingKeys': ['i-0123456789abcdef0'], 'dynamodb:Attributes': ['status'] };
    expect(isPermitted({ functionName, action: 'dynamodb:UpdateItem', keys })).toBe(true);
    const more = { ...keys, 'dynamodb:Attributes': ['status', attribute] };
    expect(isPermitted({ functionName, action: 'dynamodb:UpdateItem', keys: more })).toBe(false);
  });

  it.each(['start-enrolment', 'start-retirement', 'undo-enrolment', 'sweep'])(
    'would be refused where %s replaced the item of an instance',
    (functionName) => {
      const put = (instance: string) => ({
        functionName,
        action: 'dynamodb:PutItem',
        keys: { 'dynamodb:LeadingKeys': [instance] },
      });
      expect(isPermitted(put('announcement/i-0123456789abcdef0-1'))).toBe(true);
      expect(isPermitted(put('i-0123456789abcdef0'))).toBe(false);
      expect(isPermitted({ ...put(''), keys: {} })).toBe(false);
    },
  );

  it.each(['dynamodb:PutItem', 'dynamodb:DeleteItem'])('lets few functions %s what says whose a key is', (action) => {
    const keys = { 'dynamodb:LeadingKeys': ['key/aa'] };
    const allowed = Object.keys(table).filter((functionName) => isPermitted({ functionName, action, keys }));
    const taking = ['collect-identity', 'take-identity'];
    expect(allowed).toEqual(action === 'dynamodb:PutItem' ? taking : [...taking, 'forget-node']);
  });

  it('would be refused where a function sent the event of another, or of another source', () => {
    const sent = (source: string, type: string) => ({
      functionName: 'forget-node',
      action: 'events:PutEvents',
      keys: { 'events:source': [source], 'events:detail-type': [type] },
    });
    expect(isPermitted(sent('muster', 'Instance Retired'))).toBe(true);
    expect(isPermitted(sent('muster', 'Instance Enrolled'))).toBe(false);
    expect(isPermitted(sent('elsewhere', 'Instance Retired'))).toBe(false);
  });
});

function isBinding(attribute: string): boolean {
  return BINDING_ATTRIBUTES.some((binding) => binding === attribute);
}
