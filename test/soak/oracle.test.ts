import { AutoScalingClient, CompleteLifecycleActionCommand } from '@aws-sdk/client-auto-scaling';
import { EC2Client, ModifyInstanceMetadataOptionsCommand } from '@aws-sdk/client-ec2';
import { OpsWorksClient, RegisterInstanceCommand } from '@aws-sdk/client-opsworks';
import { DisassociateNodeCommand, OpsWorksCMClient } from '@aws-sdk/client-opsworkscm';
import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documents } from '../../services/ledger-writes.ts';
import { REGION } from '../../world/kernel/account.ts';
import { seededRandom } from '../../world/kernel/random.ts';
import { HOUR, MINUTE } from './chance.ts';
import { STRANGERS } from './estate.ts';
import { planLives } from './lives.ts';
import { judgeCall, judgeEnd, judgeEndState, type Violation } from './oracle.ts';
import { createSoakWorld, type SoakWorld } from './world.ts';

type OpenWorld = Awaited<ReturnType<typeof createSoakWorld>>;

const STRANGER = { accessKeyId: 'stranger', secretAccessKey: 'stranger' };

let world: OpenWorld;
const found: Violation[] = [];
const instances: Record<string, string> = {};

/** Enrolled instances in every family, and from then on no function of ours runs. */
beforeAll(async () => {
  world = await createSoakWorld(1);
  world.onCall = (call) => found.push(...judgeCall(world, call));
  planLives(world, seededRandom(1), { count: 0, until: world.clock.now() });
  for (const place of ['web-900', 'web-3600', 'db-900', 'cache-900', 'batch', 'moving'])
    [instances[place] = ''] = world.autoScaling.launch(place, 1);
  await world.clock.advance(30 * MINUTE);
  const untouched = await judgeEndState(world);
  world.lambda.interceptor = async () => ({});
  expect(untouched.filter(({ sentence }) => !sentence.includes('PuppetServer'))).toEqual([]);
}, 120_000);
afterAll(() => world.end());

const options = () => ({ endpoint: world.endpoint, region: REGION, credentials: STRANGER });
const idOf = (place: string) => instances[place] ?? '';

/** What the oracle says of an instance, as `kind`. */
async function kindsOf(instance: string): Promise<Set<string>> {
  const all = [...found, ...(await judgeEndState(world))];
  return new Set(all.filter((violation) => violation.instance === instance).map(({ kind }) => kind));
}

async function complete(place: string, instance: string, LifecycleActionResult: string): Promise<void> {
  const action = { AutoScalingGroupName: place, LifecycleHookName: 'muster-launch', InstanceId: instance };
  await new AutoScalingClient(options()).send(new CompleteLifecycleActionCommand({ ...action, LifecycleActionResult }));
}

describe('the oracle of the soak', () => {
  it('finds a node that is left behind, and the item of an instance that is gone', async () => {
    world.autoScaling.terminate(idOf('web-900'), true);
    await world.clock.advance(5 * HOUR);
    const kinds = await kindsOf(idOf('web-900'));
    expect(kinds).toContain('a node without its instance');
    expect(kinds).toContain('the ledger differs from the world');
    // No function has completed its termination hook.
    expect(kinds).toContain("a hook's time-out decided");
  });

  it('finds an instance whose node is gone', async () => {
    const NodeName = idOf('batch');
    const EngineAttributes = [{ Name: 'CHEF_ORGANIZATION', Value: 'default' }];
    const cm = new OpsWorksCMClient(options());
    await cm.send(new DisassociateNodeCommand({ ServerName: 'ChefServer', NodeName, EngineAttributes }));
    await world.clock.advance(5 * MINUTE);
    expect(await kindsOf(NodeName)).toContain('an instance without its node');
  });

  it('finds an instance whose IMDSv1 is open', async () => {
    const InstanceId = idOf('cache-900');
    await new EC2Client(options()).send(
      new ModifyInstanceMetadataOptionsCommand({ InstanceId, HttpTokens: 'optional' }),
    );
    expect(await kindsOf(InstanceId)).toContain('an instance without its node');
  });

  it('finds a node on a server that is not its own any more', async () => {
    expect(await kindsOf(idOf('moving'))).toContain('a node without its instance');
  });

  it("finds a stranger's node that is gone, and its options that are changed", async () => {
    const node = { ServerName: 'PuppetServer', NodeName: 'mainframe' };
    await new OpsWorksCMClient(options()).send(new DisassociateNodeCommand(node));
    const hardened = { InstanceId: world.strangerInstance, HttpTokens: 'required' } as const;
    await new EC2Client(options()).send(new ModifyInstanceMetadataOptionsCommand(hardened));
    await world.clock.advance(5 * MINUTE);
    expect(await kindsOf('mainframe')).toEqual(new Set(["a stranger's object was touched"]));
    expect(await kindsOf(world.strangerInstance)).toEqual(new Set(["a stranger's object was touched"]));
  });

  it("finds a call for a stranger's hook", async () => {
    const [instance = ''] = world.autoScaling.launch(STRANGERS.group, 1);
    await world.clock.advance(MINUTE);
    const hook = { AutoScalingGroupName: STRANGERS.group, LifecycleHookName: STRANGERS.hook, InstanceId: instance };
    const completed = new CompleteLifecycleActionCommand({ ...hook, LifecycleActionResult: 'CONTINUE' });
    await new AutoScalingClient(options()).send(completed);
    expect(await kindsOf(instance)).toContain("a stranger's object was touched");
  });

  it('finds an abandon of a launch that can be enrolled', async () => {
    const [instance = ''] = world.autoScaling.launch('db-900', 1);
    await world.clock.advance(MINUTE);
    await complete('db-900', instance, 'ABANDON');
    expect(await kindsOf(instance)).toContain('a wrong abandon');
  });

  it('finds a launch that goes into service without an enrolment', async () => {
    const [instance = ''] = world.autoScaling.launch('web-3600', 1);
    await world.clock.advance(MINUTE);
    await complete('web-3600', instance, 'CONTINUE');
    expect(await kindsOf(instance)).toContain('in service without an enrolment');
  });

  it('finds an item that says otherwise than the world', async () => {
    await documents.send(
      new UpdateCommand({
        TableName: process.env.LEDGER_TABLE,
        Key: { instance: idOf('db-900') },
        UpdateExpression: 'SET #status = :status',
        ExpressionAttributeNames: { '#status': 'status' },
        ExpressionAttributeValues: { ':status': 'retired' },
      }),
    );
    expect(await kindsOf(idOf('db-900'))).toEqual(new Set(['the ledger differs from the world']));
  });

  it('finds an instance that is registered twice', async () => {
    const { document: Document, signature: Signature } = (await world.fleet.get(idOf('web-3600'))?.identity()) ?? {};
    const InstanceIdentity = { Document, Signature };
    const StackId = '4c1c3e2a-8d0e-4c56-9d3e-6f0f5b3f7a11';
    await new OpsWorksClient(options()).send(new RegisterInstanceCommand({ StackId, InstanceIdentity }));
    expect(await kindsOf(idOf('web-3600'))).toEqual(new Set(['twice']));
  });

  it.each([
    ['InstanceGone', 'an absence was believed'],
    ['States.Runtime', 'an unexpected end'],
    ['TypeError', 'an unexpected end'],
  ])('finds an execution that ends with %s', (error, kind) => {
    expect(judgeEnd(world, failedWith(error)).map((violation) => violation.kind)).toEqual([kind]);
  });

  it('passes an execution that says so of an earlier instance of a Lightsail name', async () => {
    const name = 'plain-1';
    const image = { availabilityZone: `${REGION}a`, blueprintId: 'debian_12', bundleId: 'nano_3_0' };
    void world.lightsail.createInstances({ instanceNames: [name], ...image }, { requestId: 'by-the-test' });
    await world.clock.advance(5 * MINUTE);
    const inputText = JSON.stringify({ lightsailInstanceName: name });
    const ended = { ...failedWith('InstanceGone'), inputText };
    const createdAt = world.lightsail.instance(name)?.createdAt.getTime() ?? Number.NaN;
    expect(judgeEnd(world, { ...ended, startedAt: createdAt - 1 })).toEqual([]);
    expect(judgeEnd(world, { ...ended, startedAt: createdAt })).toMatchObject([{ kind: 'an absence was believed' }]);
  });

  it('passes an execution that ends with an error of ours', () => {
    expect(judgeEnd(world, failedWith('IdentityRejected'))).toEqual([]);
  });
});

/** An enrolment of an instance that runs, ended by an error. */
function failedWith(error: string): ReturnType<SoakWorld['machines']['executions']>[number] {
  const [execution] = world.machines.executions(world.enrolNodeArn);
  if (!execution) throw new Error('No enrolment was started.');
  const inputText = JSON.stringify({ instanceId: idOf('web-3600') });
  return { ...execution, machine: execution.machine, inputText, status: 'FAILED', outcome: { error, cause: '' } };
}
